using System.Collections.Immutable;
using System.Security.Cryptography;

namespace Hatchery.Dpp.Configurator;

/// <summary>What a Configurator knows and decides, in a record store: devices by their URIs, the one admission policy, the journal of what was given out.</summary>
public sealed class ConfiguratorService(IRecordStore store, IAdmission admission, ConfiguratorKeys keys, ImmutableArray<NetworkProfile> networks, Func<Moment> now)
{
    /// <summary>The keys of this name, made when first asked for.</summary>
    public static async ValueTask<(ConfiguratorKeys Keys, BootstrappingKeyPair Bootstrapping)> OpenAsync(IRecordStore store, string name, DppCurve curve, Chance chance, Moment now, CancellationToken cancel)
    {
        for (int attempt = 0; ; attempt++)
        {
            var unit = store.Begin(Caller.Local("dpp", now));
            if (await unit.GetAsync(ConfiguratorRecord.Schema, new(name), cancel) is { Value: { CSign: { } csign, PpKey: { } pp, Bootstrapping: { } own } known } && DppCurve.ByGroup(known.Group) is { } kept)
                return (new ConfiguratorKeys(kept, csign, pp, chance), BootstrappingKeyPair.FromScalar(kept, own.Reveal()));
            var made = ConfiguratorKeys.Generate(curve, chance);
            var bootstrapping = BootstrappingKeyPair.Generate(curve, chance);
            unit.Insert(ConfiguratorRecord.Schema, new(name), new ConfiguratorRecord(name, curve.IkeGroup, made.CSignScalar, made.PpScalar, bootstrapping.Key.ExportScalar()));
            try
            {
                await unit.CommitAsync(cancel);
                return (made, bootstrapping);
            }
            catch (ConflictException) when (attempt == 0)
            {
                // Another process made them meanwhile: take those.
            }
        }
    }

    /// <summary>Brings a device's URI; the same again changes nothing.</summary>
    public async ValueTask<BootstrappingKey> ImportAsync(DppUri uri, Caller caller, CancellationToken cancel)
    {
        var unit = store.Begin(caller);
        var key = new RecordKey(uri.Key.ToString());
        var record = new KnownPeer(uri.ToString(), Convert.ToHexStringLower(uri.Key.ChirpHash.Span));
        if (await unit.GetAsync(KnownPeer.Schema, key, cancel) is { } known)
            unit.Replace(KnownPeer.Schema, key, record, known.Version);
        else
            unit.Insert(KnownPeer.Schema, key, record);
        unit.Report(new Fact.Administered(new Identifier("dpp.bootstrapping", key.Value), "URI imported", caller.Listener));
        await unit.CommitAsync(cancel);
        return uri.Key;
    }

    /// <summary>By its hash; null: not known.</summary>
    public async ValueTask<BootstrappingKey?> FindPeerAsync(ReadOnlyMemory<byte> hash, Caller caller, CancellationToken cancel) =>
        (await store.Begin(caller).GetAsync(KnownPeer.Schema, new(Convert.ToHexStringLower(hash.Span)), cancel))?.Value is { } peer ? DppUri.Parse(peer.Uri).Key : null;

    public async ValueTask<BootstrappingKey?> FindChirperAsync(ReadOnlyMemory<byte> chirpHash, Caller caller, CancellationToken cancel) =>
        (await store.Begin(caller).FindAsync(KnownPeer.Schema, "chirp", Convert.ToHexStringLower(chirpHash.Span), 1, cancel)) is [var peer] ? DppUri.Parse(peer.Value.Uri).Key : null;

    /// <summary>Asks the policy, and writes the journal before anything leaves.</summary>
    public async ValueTask<ConfigurationDecision> DecideAsync(ConfigurationAsked asked, Caller caller, CancellationToken cancel)
    {
        var subject = SubjectOf(asked);
        ImmutableArray<Identifier> proven = asked.Peer is not null || asked.ReconfigurationOf is not null ? [subject] : [];
        ImmutableArray<Identifier> claimed = [new("dpp.name", asked.Request.Name)];
        ImmutableArray<string> evidence = [asked.ReconfigurationOf is not null ? "Connector of this network" : asked.Peer is not null ? "bootstrapping key authenticated" : "not authenticated",
            $"netRole {asked.Request.NetRole}", $"version {asked.PeerVersion}"];
        var decision = await admission.DecideAsync(new AdmissionRequest(DppProfile.Protocol, asked.ReconfigurationOf is null ? DppProfile.TcpMethod : DppProfile.ReconfigurationMethod, proven, claimed, evidence), cancel);
        var unit = store.Begin(caller);
        if (proven.Length > 0)
            unit.Report(new Fact.Seen(subject, DppProfile.Protocol.Id, proven, claimed));
        unit.Report(new Fact.Decided(subject, decision, evidence));
        var answer = Answer(decision, asked);
        if (answer is ConfigurationDecision.Provide)
        {
            var key = new RecordKey(KeyOf(asked));
            var enrollment = new Enrollment(subject.Value, asked.Request.Name, asked.Request.NetRole, ProfileOf(decision, asked)!.Name, caller.Wall, "sent", -1);
            if (await unit.GetAsync(Enrollment.Schema, key, cancel) is { } before)
                unit.Replace(Enrollment.Schema, key, enrollment, before.Version);
            else
                unit.Insert(Enrollment.Schema, key, enrollment);
            unit.Report(new Fact.Imparted(subject, $"DPP credential for {enrollment.Network}", ProfileOf(decision, asked)!.Validity is { } life ? caller.Wall + life : null));
        }
        await unit.CommitAsync(cancel);
        return answer;
    }

    private ConfigurationDecision Answer(Decision decision, ConfigurationAsked asked)
    {
        switch (decision)
        {
            case Decision.Hold(var again):
                return new ConfigurationDecision.NotYet(again);
            case Decision.Refuse(var reason):
                return new ConfigurationDecision.Refuse(DppStatus.ConfigureFailure, reason);
        }
        if (ProfileOf(decision, asked) is not { } network)
            return new ConfigurationDecision.Refuse(DppStatus.ConfigureFailure, $"There is no network for a {asked.Request.NetRole}.");
        if (network.NetAccessKeyCurve is { } curve && curve != asked.NetAccessCurve)
            return asked.CanNewKey ? new ConfigurationDecision.NeedNewKey(curve) : new ConfigurationDecision.Refuse(DppStatus.ConfigureFailure, $"The network's keys are on {curve}.");
        return new ConfigurationDecision.Provide([network.For(keys, asked, now().Wall)]);
    }

    /// <summary>The network that the policy's profile names, or else the first that this role may have.</summary>
    private NetworkProfile? ProfileOf(Decision decision, ConfigurationAsked asked)
    {
        var fit = networks.Where(n => n.Roles.Contains(asked.Request.NetRole));
        return decision is Decision.Admit(var profile) && fit.FirstOrDefault(n => n.Name == profile) is { } named ? named : fit.FirstOrDefault();
    }

    /// <summary>What the device said in the end.</summary>
    public async ValueTask FinishAsync(ConfiguratorQuestion.Finished finished, Caller caller, CancellationToken cancel)
    {
        var unit = store.Begin(caller);
        var key = new RecordKey(KeyOf(finished.Asked));
        if (await unit.GetAsync(Enrollment.Schema, key, cancel) is not { } sent)
            return;
        unit.Replace(Enrollment.Schema, key, sent.Value with { Result = finished.Result?.ToString() ?? "unknown", Connection = finished.Status?.Result ?? -1 }, sent.Version);
        await unit.CommitAsync(cancel);
    }

    public async ValueTask<ImmutableArray<Stored<Enrollment>>> JournalAsync(RecordKey? after, int limit, Caller caller, CancellationToken cancel) =>
        await store.Begin(caller).ListAsync(Enrollment.Schema, after, limit, cancel);

    private static Identifier SubjectOf(ConfigurationAsked asked) => asked.ReconfigurationOf is { } shown ? new("dpp.netAccessKey", Hex(shown.NetAccessKey))
        : asked.Peer is { } peer ? new("dpp.bootstrapping", peer.ToString()) : new("dpp.netAccessKey", Hex(asked.NetAccessKey));
    private static string KeyOf(ConfigurationAsked asked) => Hex(asked.NetAccessKey);
    private static string Hex(ReadOnlyMemory<byte> point) => Convert.ToHexStringLower(SHA256.HashData(point.Span));
}
