using System.Globalization;

namespace Hatchery.Storage;

/// <summary>One numbered step of a database's tables, embedded as "Sqlite/0001-….sql" or "Postgres/0001-….sql". Never changed once released.</summary>
internal sealed record Migration(int Number, string Sql)
{
    /// <param name="database">"Sqlite" or "Postgres".</param>
    public static IReadOnlyList<Migration> All(string database)
    {
        var assembly = typeof(Migration).Assembly;
        var all = new List<Migration>();
        foreach (var name in assembly.GetManifestResourceNames())
        {
            if (!name.StartsWith(database + "/", StringComparison.Ordinal))
                continue;
            using var reader = new StreamReader(assembly.GetManifestResourceStream(name)!);
            all.Add(new(int.Parse(name.AsSpan(database.Length + 1, 4), CultureInfo.InvariantCulture), reader.ReadToEnd()));
        }
        return [.. all.OrderBy(m => m.Number)];
    }

    /// <summary>Those still to be applied. Throws if the database has been changed by a newer program.</summary>
    public static IEnumerable<Migration> Missing(IReadOnlyList<Migration> all, int applied, string where) => applied <= all[^1].Number
        ? all.Where(m => m.Number > applied)
        : throw new StorageException($"{where} was written by a newer version of this program (its tables are at step {applied}, this program knows {all[^1].Number}). Use that version.");
}
