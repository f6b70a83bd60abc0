using System.Collections.Immutable;
using System.Data.Common;
using Dapper;

namespace Hatchery.Storage;

internal sealed class PostgresRegistry(PostgresConnections connections) : IRegistry
{
    private const string AuditColumns = "SELECT number, at, kind, device, subject, listener, remote, detail, chain FROM audit ";

    private sealed record AuditRow(long number, DateTime at, string kind, Guid? device, string subject, string listener, string? remote, string detail, string chain);

    /// <summary>A device and one of its names; every device has at least one.</summary>
    internal sealed record Row(Guid id, DateTime first_seen, DateTime last_seen, string last_protocol, string? owner, string? profile, string state,
        string name_kind, string name_value, short standing)
    {
        public static Row Read(DbDataReader r) => new(r.GetGuid(0), r.GetDateTime(1), r.GetDateTime(2), r.GetString(3), r.IsDBNull(4) ? null : r.GetString(4),
            r.IsDBNull(5) ? null : r.GetString(5), r.GetString(6), r.GetString(7), r.GetString(8), r.GetInt16(9));
    }

    /// <summary>One statement for devices and names: one snapshot.</summary>
    internal static string Devices(string where) => "SELECT d.id, d.first_seen, d.last_seen, d.last_protocol, d.owner, d.profile, d.state, i.kind AS name_kind, i.value AS name_value, i.standing " +
        $"FROM (SELECT * FROM devices {where}) d JOIN device_identifiers i ON i.device = d.id ORDER BY d.id";

    internal static IEnumerable<RegistryDevice> Group(IEnumerable<Row> rows) => rows.GroupBy(r => r.id).Select(g =>
    {
        var d = g.First();
        return new RegistryDevice(d.id, new(d.first_seen), new(d.last_seen), d.last_protocol, d.owner, d.profile, d.state,
            g.ToImmutableDictionary(r => new Identifier(r.name_kind, r.name_value), r => (Standing)r.standing));
    });

    public async ValueTask<RegisteredDevice?> FindAsync(Identifier identifier, CancellationToken cancel)
    {
        var name = Storable.Name(identifier);
        var found = await QueryAsync("WHERE id = (SELECT device FROM device_identifiers WHERE kind = @Kind AND value = @Value AND standing > 0 ORDER BY standing DESC LIMIT 1)",
            new { name.Kind, name.Value }, cancel);
        return found.FirstOrDefault();
    }

    public async ValueTask<RegisteredDevice?> GetAsync(Guid device, CancellationToken cancel) => (await QueryAsync("WHERE id = @device", new { device }, cancel)).FirstOrDefault();

    public ValueTask<ImmutableArray<RegisteredDevice>> ListAsync(Guid? after, int limit, CancellationToken cancel) => after is null
        ? QueryAsync("ORDER BY id LIMIT @limit", new { limit }, cancel)
        : QueryAsync("WHERE id > @after ORDER BY id LIMIT @limit", new { after, limit }, cancel);

    public ValueTask<ImmutableArray<AuditEntry>> AuditAsync(long after, int limit, Guid? device, CancellationToken cancel) => connections.UseAsync(async connection =>
    {
        var rows = await connection.QueryAsync<AuditRow>(device is null
            ? new CommandDefinition(AuditColumns + "WHERE number > @after ORDER BY number LIMIT @limit", new { after, limit }, cancellationToken: cancel)
            : new CommandDefinition(AuditColumns + "WHERE device = @device AND number > @after ORDER BY number LIMIT @limit", new { after, limit, device }, cancellationToken: cancel));
        return rows.Select(r => new AuditEntry(r.number, new(r.at), r.kind, r.device, r.subject, r.listener, r.remote, r.detail, r.chain)).ToImmutableArray();
    }, cancel);

    private ValueTask<ImmutableArray<RegisteredDevice>> QueryAsync(string where, object parameters, CancellationToken cancel) => connections.UseAsync(async connection =>
        Group(await connection.QueryAsync<Row>(new CommandDefinition(Devices(where), parameters, cancellationToken: cancel))).Select(d => d.ToRegistered()).ToImmutableArray(), cancel);
}
