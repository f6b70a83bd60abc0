using System.Collections.Immutable;
using System.Security.Authentication;
using System.Security.Cryptography;
using Hatchery.Cryptography;
using Hatchery.Est.Device;
using Hatchery.Est.Transport;
using Hatchery.Tls;
using Hatchery.Transports;

namespace Hatchery.Est.Tests.Loopback;

/// <summary>Our client over real TLS, its state in memory.</summary>
internal sealed class DeviceRun(EstHost host) : IPeople
{
    public EstDeviceState State { get; set; } = EstDeviceState.Blank with { Server = $"localhost:{host.Port}" };
    public EstDeviceOptions Options { get; set; } = new() { FirstBackOff = TimeSpan.FromMilliseconds(10), Attempts = 2, ProveOperation = true };
    public SslProtocols Protocols { get; set; } = SslProtocols.Tls12;
    /// <summary>TLS by our engine instead of the platform's.</summary>
    public TlsClientOptions? Engine { get; set; }
    public Func<HumanPrompt, HumanAnswer?> Person { get; set; } = _ => null;
    public List<HumanPrompt> Shown { get; } = [];
    public int Saves { get; private set; }

    public DeviceRun With((ECDsa Key, ImmutableArray<ReadOnlyMemory<byte>> Chain) identity, string serial)
    {
        State = State with { SerialNumber = serial, IdentityKey = new SecretBytes(SigningKeys.ToBcl(identity.Key).ExportPkcs8PrivateKey()), IdentityChain = [.. identity.Chain.Select(c => c.ToArray())] };
        return this;
    }

    public DeviceRun Anchored(params IEnumerable<ReadOnlyMemory<byte>> anchors)
    {
        State = State with { ExplicitAnchors = [.. anchors.Select(a => a.ToArray())] };
        return this;
    }

    public async Task<Outcome> RunAsync()
    {
        var party = new EstDevice(State, Options, EstHost.Chance);
        var carrier = new HttpCarrier(_ => new EstHttpClient(Options.Tolerance), new HttpCarrierOptions
        {
            Protocols = Protocols,
            ReportChannel = true,
            Secure = Engine is null ? null : async (to, stream, cancel) =>
            {
                var identity = to.Security is ChannelSecurity.Certificates { IdentityItem: { } item } ? party.State.Identity(item) : null;
                var tls = new TlsEngineStream(new TlsClientEngine(Engine with { Security = to.Security, ServerName = to.Host, Identity = identity is var (k, c) ? TlsIdentity.FromPkcs8(c, k.Reveal()) : null },
                    EstHost.Chance, new SystemClock().Now), stream, () => new SystemClock().Now);
                var channel = await tls.HandshakeAsync(cancel);
                return new SecuredStream(tls, new Supply.ServerChain(channel.PeerChain)
                {
                    TlsUnique = channel.TlsUnique,
                    TlsExporter = channel.Version == TlsVersions.Tls13 ? channel.Export(ChannelBinding.ExporterLabel, [], ChannelBinding.ExporterLength) : default,
                });
            },
            Identities = item => party.State.Identity(item) is var (key, chain)
                ? EstHost.ContextOf((SigningKeys.ImportPrivate(key.Reveal()), [.. chain.Select(c => (ReadOnlyMemory<byte>)c)])) : null,
        });
        var driver = new PartyHost<EstDeviceState>(party, new PartyIdentity<EstDeviceState>(new Actor(EstPlayers.Client, "device", "owner"), p => new Actor(p, p.Name, "owner"), EstDeviceState.Schema),
            carrier, (state, _, _) =>
            {
                State = state;
                Saves++;
                return default;
            })
        { People = this };
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        return await driver.RunAsync(patience.Token);
    }

    public ValueTask ShowAsync(HumanPrompt prompt, CancellationToken cancel)
    {
        Shown.Add(prompt);
        return default;
    }

    public ValueTask<HumanAnswer?> AskAsync(HumanPrompt prompt, CancellationToken cancel) => new(Person(prompt));
}
