using System.Collections.Immutable;
using SQLitePCL;

namespace Hatchery.Storage;

/// <summary>What the writer does to the tables, inside its transaction.</summary>
internal sealed class SqliteTables : IDisposable
{
    /// <summary>Expired records removed at once.</summary>
    public const int SweepStep = 64;

    private readonly List<SqliteStatement> _all = [];
    private readonly SqliteStatement _insert, _find, _replace, _delete, _addIndex, _dropIndex, _expired;
    private readonly SqliteStatement _devicesByName, _device, _names, _addDevice, _setDevice, _setName, _addAudit;
    private readonly SqliteStatement _lease, _setLease, _releaseLease;
    private AuditHead _committed;

    public SqliteTables(sqlite3 db)
    {
        SqliteStatement Prepare(string sql)
        {
            var statement = new SqliteStatement(db, sql);
            _all.Add(statement);
            return statement;
        }
        _insert = Prepare("INSERT INTO records (schema, key, version, expires, indexed, json) VALUES (?1, ?2, 1, ?3, ?4, ?5) ON CONFLICT DO NOTHING");
        _find = Prepare("SELECT rowid, version, expires, indexed FROM records WHERE schema = ?1 AND key = ?2");
        _replace = Prepare("UPDATE records SET version = version + 1, expires = ?2, indexed = ?3, json = ?4 WHERE rowid = ?1");
        _delete = Prepare("DELETE FROM records WHERE rowid = ?1");
        _addIndex = Prepare("INSERT OR IGNORE INTO record_indexes (schema, name, value, key) VALUES (?1, ?2, ?3, ?4)");
        _dropIndex = Prepare("DELETE FROM record_indexes WHERE schema = ?1 AND name = ?2 AND value = ?3 AND key = ?4");
        _expired = Prepare("SELECT schema, key, rowid, indexed FROM records WHERE expires <= ?1 LIMIT ?2");
        _devicesByName = Prepare("SELECT device FROM device_identifiers WHERE kind = ?1 AND value = ?2 AND standing > 0");
        _device = Prepare("SELECT first_seen, last_seen, last_protocol, owner, profile, state FROM devices WHERE id = ?1");
        _names = Prepare("SELECT kind, value, standing FROM device_identifiers WHERE device = ?1");
        _addDevice = Prepare("INSERT INTO devices (id, last_seen, last_protocol, owner, profile, state, first_seen) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)");
        _setDevice = Prepare("UPDATE devices SET last_seen = ?2, last_protocol = ?3, owner = ?4, profile = ?5, state = ?6 WHERE id = ?1");
        _setName = Prepare("INSERT INTO device_identifiers (device, kind, value, standing) VALUES (?1, ?2, ?3, ?4) " +
            "ON CONFLICT (device, kind, value) DO UPDATE SET standing = excluded.standing");
        _addAudit = Prepare("INSERT INTO audit (number, at, kind, device, subject, listener, remote, detail, chain) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)");
        _lease = Prepare("SELECT holder, until, number FROM leases WHERE job = ?1");
        _setLease = Prepare("INSERT INTO leases (job, holder, until, number) VALUES (?1, ?2, ?3, ?4) " +
            "ON CONFLICT (job) DO UPDATE SET holder = excluded.holder, until = excluded.until, number = excluded.number");
        _releaseLease = Prepare("UPDATE leases SET until = '' WHERE job = ?1 AND holder = ?2");
        using var last = new SqliteStatement(db, "SELECT number, chain FROM audit ORDER BY number DESC LIMIT 1");
        _committed = Head = last.Step() ? new(last.Number(0), last.Text(1)) : AuditHead.Empty;
    }

    /// <summary>The audit log's, including what is not committed yet; kept here because nobody else writes.</summary>
    public AuditHead Head { get; set; }
    public void Committed() => _committed = Head;
    public void RolledBack() => Head = _committed;

    public void Commit(CommitBatch batch)
    {
        var at = SqliteTime.Write(batch.At);
        foreach (var write in batch.Writes)
            if (!Write(write, at))
                throw new ConflictException(write.Schema, write.Key);
        if (!batch.Facts.IsEmpty)
            Record(batch);
    }

    /// <param name="Indexed">As <see cref="SqliteIndexed"/>.</param>
    private readonly record struct Row(string Schema, string Key, long Id, string? Indexed);

    private bool Write(RecordWrite write, string at)
    {
        var expires = write.Expires is { } time ? SqliteTime.Write(time) : null;
        if (write.Expected == 0)
        {
            _insert.Bind(1, write.Schema).Bind(2, write.Key).Bind(3, expires).Bind(4, SqliteIndexed.Write(write.Indexes)).BindText(5, write.Json.Span);
            if (_insert.Run() == 0)
            {
                // Rarely is it an expired record that is in the way.
                if (Find(write, at, expired: true) is not { } old)
                    return false;
                Delete(old);
                _insert.Run();
            }
            AddIndexes(write, []);
            return true;
        }
        if (Find(write, at, expired: false) is not { } found)
            return false;
        if (write.Json.IsEmpty)
        {
            Delete(found);
            return true;
        }
        var indexed = SqliteIndexed.Write(write.Indexes);
        _replace.Bind(1, found.Id).Bind(2, expires).Bind(3, indexed).BindText(4, write.Json.Span).Run();
        if (indexed == found.Indexed)
            return true;
        var before = SqliteIndexed.Read(found.Indexed);
        foreach (var (name, value) in before)
            if (!write.Indexes.Contains((name, value)))
                DropIndex(found, name, value);
        AddIndexes(write, before);
        return true;
    }

    /// <summary>The record of the version that is expected, or one that has expired.</summary>
    private Row? Find(RecordWrite write, string at, bool expired)
    {
        if (!_find.Bind(1, write.Schema).Bind(2, write.Key).Step())
            return null;
        bool gone = _find.TextOrNull(2) is { } expires && string.CompareOrdinal(expires, at) <= 0;
        Row? row = gone == expired && (expired || _find.Number(1) == write.Expected) ? new Row(write.Schema, write.Key, _find.Number(0), _find.TextOrNull(3)) : null;
        _find.Reset();
        return row;
    }

    private void AddIndexes(RecordWrite write, ImmutableArray<(string, string)> present)
    {
        foreach (var (name, value) in write.Indexes)
            if (!present.Contains((name, value)))
                _addIndex.Bind(1, write.Schema).Bind(2, name).Bind(3, value).Bind(4, write.Key).Run();
    }

    private void Delete(Row row)
    {
        foreach (var (name, value) in SqliteIndexed.Read(row.Indexed))
            DropIndex(row, name, value);
        _delete.Bind(1, row.Id).Run();
    }

    private void DropIndex(Row row, string name, string value) => _dropIndex.Bind(1, row.Schema).Bind(2, name).Bind(3, value).Bind(4, row.Key).Run();

    private void Record(CommitBatch batch)
    {
        var ids = new HashSet<string>();
        foreach (var name in RegistryRules.Mentioned(batch.Facts))
        {
            _devicesByName.Bind(1, name.Kind).Bind(2, name.Value);
            while (_devicesByName.Step())
                ids.Add(_devicesByName.Text(0));
        }
        var changes = RegistryRules.Apply(ids.Select(Load), Head, batch);
        foreach (var (device, isNew) in changes.Devices)
        {
            var statement = isNew ? _addDevice.Bind(7, SqliteTime.Write(device.FirstSeen)) : _setDevice;
            statement.Bind(1, device.Id.ToString("D")).Bind(2, SqliteTime.Write(device.LastSeen)).Bind(3, device.LastProtocol)
                .Bind(4, device.Owner).Bind(5, device.Profile).Bind(6, device.State).Run();
        }
        foreach (var (device, name, standing) in changes.Names)
            _setName.Bind(1, device.ToString("D")).Bind(2, name.Kind).Bind(3, name.Value).Bind(4, (int)standing).Run();
        foreach (var entry in changes.Audit)
            _addAudit.Bind(1, entry.Number).Bind(2, SqliteTime.Write(entry.At)).Bind(3, entry.Kind).Bind(4, entry.Device?.ToString("D")).Bind(5, entry.Subject)
                .Bind(6, entry.Listener).Bind(7, entry.Remote).Bind(8, entry.Detail).Bind(9, entry.Chain).Run();
        Head = changes.Head;
    }

    private RegistryDevice Load(string id)
    {
        var names = ImmutableDictionary.CreateBuilder<Identifier, Standing>();
        _names.Bind(1, id);
        while (_names.Step())
            names.Add(new(_names.Text(0), _names.Text(1)), (Standing)_names.Number(2));
        if (!_device.Bind(1, id).Step())
            throw new StorageException($"The registry names a device {id} that it does not hold.");
        var device = new RegistryDevice(new Guid(id), SqliteTime.Read(_device.Text(0)), SqliteTime.Read(_device.Text(1)), _device.Text(2),
            _device.TextOrNull(3), _device.TextOrNull(4), _device.Text(5), names.ToImmutable());
        _device.Reset();
        return device;
    }

    /// <summary>How many records were removed.</summary>
    public int Sweep(DateTimeOffset now)
    {
        var gone = new List<Row>();
        _expired.Bind(1, SqliteTime.Write(now)).Bind(2, SweepStep);
        while (_expired.Step())
            gone.Add(new(_expired.Text(0), _expired.Text(1), _expired.Number(2), _expired.TextOrNull(3)));
        gone.ForEach(Delete);
        return gone.Count;
    }

    public long? TryHold(string job, string holder, DateTimeOffset now, TimeSpan life)
    {
        long number = 0;
        bool held = false;
        if (_lease.Bind(1, job).Step())
        {
            held = string.CompareOrdinal(_lease.Text(1), SqliteTime.Write(now)) > 0;
            bool ours = _lease.Text(0) == holder;
            number = _lease.Number(2);
            _lease.Reset();
            if (held && !ours)
                return null;
        }
        // A lease that ran out is a change of holder even if the same one comes back.
        number += held ? 0 : 1;
        _setLease.Bind(1, job).Bind(2, holder).Bind(3, SqliteTime.Write(now + life)).Bind(4, number).Run();
        return number;
    }

    public bool Release(string job, string holder) => _releaseLease.Bind(1, job).Bind(2, holder).Run() == 1;

    public void Dispose()
    {
        foreach (var statement in _all)
            statement.Dispose();
    }
}
