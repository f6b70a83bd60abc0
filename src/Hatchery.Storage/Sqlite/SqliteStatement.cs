using System.Buffers;
using System.Globalization;
using System.Text;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Hatchery.Storage;

/// <summary>A prepared statement, kept for the life of its connection: a commit's cost is mostly what surrounds its statements. One thread at a time.</summary>
internal sealed class SqliteStatement : IDisposable
{
    private readonly sqlite3 _db;
    private readonly sqlite3_stmt _statement;

    public SqliteStatement(sqlite3 db, string sql)
    {
        _db = db;
        const uint persistent = 1; // SQLITE_PREPARE_PERSISTENT
        SqliteException.ThrowExceptionForRC(raw.sqlite3_prepare_v3(db, sql, persistent, out _statement), db);
    }

    public SqliteStatement Bind(int at, string? text)
    {
        if (text is null)
            Check(raw.sqlite3_bind_null(_statement, at));
        else if (text.Length == 0)
            Check(raw.sqlite3_bind_text(_statement, at, ""));
        else if (text.Length <= 170)
        {
            Span<byte> utf8 = stackalloc byte[512];
            Check(raw.sqlite3_bind_text(_statement, at, utf8[..Encoding.UTF8.GetBytes(text, utf8)]));
        }
        else
        {
            var utf8 = ArrayPool<byte>.Shared.Rent(Encoding.UTF8.GetMaxByteCount(text.Length));
            Check(raw.sqlite3_bind_text(_statement, at, utf8.AsSpan(0, Encoding.UTF8.GetBytes(text, utf8))));
            ArrayPool<byte>.Shared.Return(utf8);
        }
        return this;
    }

    /// <param name="utf8">Not empty.</param>
    public SqliteStatement BindText(int at, ReadOnlySpan<byte> utf8)
    {
        Check(raw.sqlite3_bind_text(_statement, at, utf8));
        return this;
    }

    public SqliteStatement Bind(int at, long number)
    {
        Check(raw.sqlite3_bind_int64(_statement, at, number));
        return this;
    }

    /// <summary>True: a row is there to be read. After the last row the statement is ready for the next use.</summary>
    public bool Step()
    {
        int result = raw.sqlite3_step(_statement);
        if (result == raw.SQLITE_ROW)
            return true;
        int reset = raw.sqlite3_reset(_statement);
        if (result != raw.SQLITE_DONE)
            SqliteException.ThrowExceptionForRC(reset == raw.SQLITE_OK ? result : reset, _db);
        return false;
    }

    /// <summary>Gives up the rows that were not read. A statement left open would hold its snapshot.</summary>
    public void Reset() => raw.sqlite3_reset(_statement);

    /// <summary>Rows changed.</summary>
    public int Run()
    {
        while (Step()) { }
        return raw.sqlite3_changes(_db);
    }

    public string Text(int column) => raw.sqlite3_column_text(_statement, column).utf8_to_string();
    public string? TextOrNull(int column) => raw.sqlite3_column_type(_statement, column) == raw.SQLITE_NULL ? null : Text(column);
    public byte[] Bytes(int column) => raw.sqlite3_column_blob(_statement, column).ToArray();
    public long Number(int column) => raw.sqlite3_column_int64(_statement, column);

    private void Check(int result)
    {
        if (result != raw.SQLITE_OK)
            SqliteException.ThrowExceptionForRC(result, _db);
    }

    public void Dispose() => _statement.Dispose();
}

/// <summary>How times stand in SQLite's tables.</summary>
internal static class SqliteTime
{
    private const string Form = "yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'";
    public static string Write(DateTimeOffset at) => at.UtcDateTime.ToString(Form, CultureInfo.InvariantCulture);
    public static DateTimeOffset Read(string text) =>
        DateTimeOffset.ParseExact(text, Form, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal);
}
