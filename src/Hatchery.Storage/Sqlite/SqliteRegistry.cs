using System.Collections.Immutable;
using Dapper;

namespace Hatchery.Storage;

internal sealed class SqliteRegistry(SqliteReaders readers) : IRegistry
{
    private const string DeviceColumns = "SELECT id, first_seen, last_seen, last_protocol, owner, profile, state FROM devices ";
    private const string AuditColumns = "SELECT number, at, kind, device, subject, listener, remote, detail, chain FROM audit ";

    private sealed record DeviceRow(string id, string first_seen, string last_seen, string last_protocol, string? owner, string? profile, string state);
    private sealed record NameRow(string device, string kind, string value, long standing);
    private sealed record AuditRow(long number, string at, string kind, string? device, string subject, string listener, string? remote, string detail, string chain);

    public async ValueTask<RegisteredDevice?> FindAsync(Identifier identifier, CancellationToken cancel)
    {
        var name = Storable.Name(identifier);
        var found = await DevicesAsync("WHERE id = (SELECT device FROM device_identifiers WHERE kind = @Kind AND value = @Value AND standing > 0 ORDER BY standing DESC LIMIT 1)",
            new { name.Kind, name.Value }, cancel);
        return found.FirstOrDefault();
    }

    public async ValueTask<RegisteredDevice?> GetAsync(Guid device, CancellationToken cancel) =>
        (await DevicesAsync("WHERE id = @id", new { id = device.ToString("D") }, cancel)).FirstOrDefault();

    public ValueTask<ImmutableArray<RegisteredDevice>> ListAsync(Guid? after, int limit, CancellationToken cancel) =>
        DevicesAsync("WHERE id > @after ORDER BY id LIMIT @limit", new { after = after?.ToString("D") ?? "", limit }, cancel);

    public ValueTask<ImmutableArray<AuditEntry>> AuditAsync(long after, int limit, Guid? device, CancellationToken cancel) => readers.ReadAsync(reader =>
    {
        var rows = device is null
            ? reader.Connection.Query<AuditRow>(AuditColumns + "WHERE number > @after ORDER BY number LIMIT @limit", new { after, limit })
            : reader.Connection.Query<AuditRow>(AuditColumns + "WHERE device = @device AND number > @after ORDER BY number LIMIT @limit",
                new { after, limit, device = device.Value.ToString("D") });
        return rows.Select(r => new AuditEntry(r.number, SqliteTime.Read(r.at), r.kind, r.device is null ? null : new Guid(r.device), r.subject, r.listener,
            r.remote, r.detail, r.chain)).ToImmutableArray();
    }, cancel);

    private ValueTask<ImmutableArray<RegisteredDevice>> DevicesAsync(string where, object parameters, CancellationToken cancel) => readers.ReadAsync(reader =>
    {
        // One snapshot for both questions.
        using var snapshot = reader.Connection.BeginTransaction(deferred: true);
        var devices = reader.Connection.Query<DeviceRow>(DeviceColumns + where, parameters, snapshot).AsList();
        var names = reader.Connection.Query<NameRow>("SELECT device, kind, value, standing FROM device_identifiers WHERE device IN @ids",
            new { ids = devices.Select(d => d.id) }, snapshot).ToLookup(n => n.device);
        return devices.Select(d => new RegistryDevice(new Guid(d.id), SqliteTime.Read(d.first_seen), SqliteTime.Read(d.last_seen), d.last_protocol, d.owner,
            d.profile, d.state, names[d.id].ToImmutableDictionary(n => new Identifier(n.kind, n.value), n => (Standing)n.standing)).ToRegistered()).ToImmutableArray();
    }, cancel);
}
