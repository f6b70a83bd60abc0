using System.Collections.Immutable;
using System.Net;
using System.Security.Cryptography;
using Hatchery.Cryptography;
using Hatchery.EapNoob.Server;
using Hatchery.Radius;
using Hatchery.Radius.Eap;
using Hatchery.Radius.Server;
using Hatchery.Transports;

namespace Hatchery.EapNoob.Tests.Peers;

/// <summary>Our server on a real socket.</summary>
internal sealed class UdpSite : IAsyncDisposable
{
    public const string Secret = "upstream secret";
    private readonly UdpEnginePump<RadiusServerEvent> _pump;
    private readonly List<string> _faults = [];
    private readonly SystemClock _clock = new();
    private readonly AesGcmSealer _sealer;

    public UdpSite(NoobServerOptions options)
    {
        var chance = new SystemChance();
        _sealer = new AesGcmSealer(RandomNumberGenerator.GetBytes(32), chance);
        Store = new RecordStore(new MemoryBackend(TimeProvider.System), _sealer);
        Oob = new OobMessages(Store, chance, options);
        var engine = new RadiusServer<UdpPath>(new RadiusClients([new RadiusNas("loopback", IPNetwork.Parse("127.0.0.0/8"), new RadiusSecret(Secret))]),
            path => path.ToEndPoint().Address, chance);
        var eap = new EapServer(Store.Sessions, chance, [new EapRoute("*", new NoobServer(Store, new Anyone(), chance, options))], EapObserver.None with { Refused = Refuse, Failed = Fail });
        RadiusServerHost? host = null;
        _pump = new UdpEnginePump<RadiusServerEvent>(new IPEndPoint(IPAddress.Loopback, 0), engine, (in RadiusServerEvent what) => host!.Happened(what));
        host = new RadiusServerHost(engine.Answer, new RadiusEapService(eap), "radius", () => _clock.Now, _pump.Post, Refuse, Fail);
        _pump.Start();
    }

    public RecordStore Store { get; }
    public OobMessages Oob { get; }
    public IPEndPoint EndPoint => _pump.EndPoint;
    public Caller Caller => new() { Now = _clock.Now, Listener = "test" };

    public ImmutableArray<string> Faults
    {
        get
        {
            lock (_faults)
                return [.. _faults];
        }
    }

    public async Task<RegisteredPeer?> RegisteredAsync(string peerId) => (await Store.Begin(Caller).GetAsync(RegisteredPeer.Schema, new(peerId), default))?.Value;

    private void Refuse(Caller caller, StepKind? kind, ProtocolException fault)
    {
        lock (_faults)
            _faults.Add($"{fault.Error} {fault.FieldName}: {fault.Message}");
    }

    private void Fail(string what, Exception fault)
    {
        lock (_faults)
            _faults.Add($"{what} failed: {fault}");
    }

    public async ValueTask DisposeAsync()
    {
        await _pump.DisposeAsync();
        await Store.DisposeAsync();
        _sealer.Dispose();
    }

    private sealed class Anyone : IAdmission
    {
        public ValueTask<Decision> DecideAsync(AdmissionRequest request, CancellationToken cancel) => new(new Decision.Admit("full"));
    }
}
