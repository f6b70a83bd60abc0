using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Hatchery.Storage;

/// <summary>The one thread that writes. What waits when it comes round shares a transaction, so that sixteen callers share the cost of one durable
/// commit. A conflict undoes its own writes only: the pieces are done again, each behind a savepoint, which copies every page that is changed and is
/// therefore not paid for where all goes well. Nobody is told of success before the commit is durable.</summary>
internal sealed class SqliteWriter
{
    /// <summary>Pieces of work in one transaction.</summary>
    private const int MostTogether = 256;
    /// <summary>Waiting pieces of work; more are refused, the disk cannot follow.</summary>
    private const int MostWaiting = 16384;

    private readonly Lock _lock = new();
    /// <summary>An event of the kernel's: a wait that spins first costs more than the commit where cores are few.</summary>
    private readonly AutoResetEvent _wake = new(false);
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly SqliteConnection _connection;
    private readonly string _path;
    private readonly SqliteTables _tables;
    private readonly TimeProvider _time;
    private readonly SqliteStatement _begin, _commit, _rollback, _savepoint, _release, _undo;
    private List<Work> _waiting = [], _together = [];
    private DateTimeOffset _nextSweep;
    private bool _stopping, _sleeping;

    private abstract class Work
    {
        public Exception? Fault;
        public abstract void Do(SqliteTables tables);
        public abstract void Finish();
    }

    private sealed class Work<T>(Func<SqliteTables, T> act) : Work
    {
        // Continuations run elsewhere: this thread has others to serve.
        private readonly TaskCompletionSource<T> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private T? _result;
        public Task<T> Task => _done.Task;
        public override void Do(SqliteTables tables) => _result = act(tables);
        public override void Finish()
        {
            if (Fault is null)
                _done.SetResult(_result!);
            else
                _done.SetException(Fault);
        }
    }

    public SqliteWriter(SqliteConnection connection, string path, TimeProvider time)
    {
        (_connection, _path, _time) = (connection, path, time);
        var db = connection.Handle!;
        _tables = new SqliteTables(db);
        _begin = new(db, "BEGIN IMMEDIATE");
        _commit = new(db, "COMMIT");
        _rollback = new(db, "ROLLBACK");
        _savepoint = new(db, "SAVEPOINT work");
        _release = new(db, "RELEASE work");
        _undo = new(db, "ROLLBACK TO work");
        new System.Threading.Thread(Run) { IsBackground = true, Name = "SQLite writer" }.Start();
    }

    /// <summary>Done durably when the task ends. Once handed in it cannot be cancelled: it would not be known what became of it.</summary>
    public Task<T> DoAsync<T>(Func<SqliteTables, T> act)
    {
        var work = new Work<T>(act);
        bool wake;
        lock (_lock)
        {
            if (_stopping)
                throw new ObjectDisposedException(nameof(SqliteBackend));
            if (_waiting.Count >= MostWaiting)
                throw new StorageException($"{MostWaiting} commits are waiting for the disk; this one is refused.", isTransient: true);
            _waiting.Add(work);
            wake = _sleeping;
            _sleeping = false;
        }
        if (wake)
            _wake.Set();
        return work.Task;
    }

    /// <summary>Finishes what was handed in, then ends.</summary>
    public Task StopAsync()
    {
        bool wake;
        lock (_lock)
        {
            _stopping = true;
            wake = _sleeping;
            _sleeping = false;
        }
        if (wake)
            _wake.Set();
        return _ended.Task;
    }

    private void Run()
    {
        while (true)
        {
            bool sleep = false;
            lock (_lock)
            {
                if (_waiting.Count == 0)
                {
                    if (_stopping)
                        break;
                    sleep = _sleeping = true;
                }
                else if (_waiting.Count <= MostTogether)
                    (_waiting, _together) = (_together, _waiting);
                else
                {
                    _together.AddRange(_waiting[..MostTogether]);
                    _waiting.RemoveRange(0, MostTogether);
                }
            }
            if (sleep)
            {
                _wake.WaitOne();
                continue;
            }
            Transact(_together);
            foreach (var work in _together)
                work.Finish();
            _together.Clear();
        }
        _tables.Dispose();
        foreach (var statement in (ReadOnlySpan<SqliteStatement>)[_begin, _commit, _rollback, _savepoint, _release, _undo])
            statement.Dispose();
        _connection.Dispose();
        _wake.Dispose();
        _ended.SetResult();
    }

    private void Transact(List<Work> together)
    {
        try
        {
            _begin.Run();
            if (!Together(together))
            {
                RollBack();
                if (together.Count == 1)
                    return;
                _begin.Run();
                bool any = false;
                foreach (var work in together)
                {
                    work.Fault = null;
                    any |= Attempt(work);
                }
                if (!any)
                {
                    RollBack();
                    return;
                }
            }
            Sweep();
            _commit.Run();
            _tables.Committed();
        }
        catch (Exception e)
        {
            RollBack();
            // After a commit that failed with an I/O error the last frames may or may not be in the log.
            var fault = new StorageException($"The database {_path} could not be written: {e.Message}", e);
            foreach (var work in together)
                work.Fault ??= fault;
        }
    }

    /// <summary>True if every piece is part of the transaction; else the transaction is of no use, and the piece at fault has its fault.</summary>
    private bool Together(List<Work> together)
    {
        foreach (var work in together)
            try
            {
                work.Do(_tables);
            }
            catch (Exception e)
            {
                work.Fault = Faulted(e);
                return false;
            }
        return true;
    }

    /// <summary>True if the work is part of the transaction. Throws if the transaction as a whole is lost.</summary>
    private bool Attempt(Work work)
    {
        var head = _tables.Head;
        _savepoint.Run();
        try
        {
            work.Do(_tables);
        }
        catch (Exception e)
        {
            work.Fault = Faulted(e);
            _tables.Head = head;
            _undo.Run();
            _release.Run();
            return false;
        }
        _release.Run();
        return true;
    }

    private Exception Faulted(Exception e) => e is SqliteException ? new StorageException($"The database {_path} could not be written: {e.Message}", e) : e;

    private void RollBack()
    {
        _tables.RolledBack();
        try
        {
            if (raw.sqlite3_get_autocommit(_connection.Handle) == 0)
                _rollback.Run();
        }
        catch (SqliteException)
        {
            // SQLite has rolled back by itself.
        }
    }

    /// <summary>A small step each second, within a commit that happens anyway; a full step is followed by the next at once.</summary>
    private void Sweep()
    {
        var now = _time.GetUtcNow();
        if (now < _nextSweep)
            return;
        if (_tables.Sweep(now) < SqliteTables.SweepStep)
            _nextSweep = now + TimeSpan.FromSeconds(1);
    }
}
