using System.Collections.Immutable;
using System.Net;
using Hatchery.Cryptography;
using Hatchery.Radius.Eap;
using Hatchery.Radius.Server;
using Hatchery.Radius.Tests.Methods;
using Hatchery.Transports;

namespace Hatchery.Radius.Tests.Peers;

/// <summary>Our server on a real socket.</summary>
internal sealed class UdpServer : IAsyncDisposable
{
    public const string Secret = "upstream secret";
    private readonly UdpEnginePump<RadiusServerEvent> _pump;
    private readonly List<string> _refused = [];

    public UdpServer(Func<RadiusNas, RadiusNas>? nas = null, RadiusServiceOptions? options = null)
    {
        var chance = new SystemChance();
        var clock = new SystemClock();
        Gpsk = new Gpsk.Method("server", World.Psk, chance);
        Md5 = new Md5Method("hello", chance);
        var engine = new RadiusServer<UdpPath>(new RadiusClients([(nas ?? (n => n))(new RadiusNas("loopback", IPNetwork.Parse("127.0.0.0/8"), new RadiusSecret(Secret)))]),
            path => path.ToEndPoint().Address, chance);
        var eap = new EapServer(new MemorySessions(TimeProvider.System), chance, [new EapRoute("md5.example", Md5), new EapRoute("*", Gpsk, Md5), new EapRoute("", Md5)],
            EapObserver.None with { Refused = Refuse, Failed = Fail });
        RadiusServerHost? host = null;
        _pump = new UdpEnginePump<RadiusServerEvent>(new IPEndPoint(IPAddress.Loopback, 0), engine, (in RadiusServerEvent what) => host!.Happened(what));
        host = new RadiusServerHost(engine.Answer, new RadiusEapService(eap, options), "radius", () => clock.Now, _pump.Post, Refuse, Fail);
        _pump.Start();
    }

    public Gpsk.Method Gpsk { get; }
    public Md5Method Md5 { get; }
    public IPEndPoint EndPoint => _pump.EndPoint;

    public ImmutableArray<string> Refused
    {
        get
        {
            lock (_refused)
                return [.. _refused];
        }
    }

    private void Refuse(Caller caller, StepKind? kind, ProtocolException fault)
    {
        lock (_refused)
            _refused.Add($"{fault.FieldName}: {fault.Message}");
    }

    private void Fail(string what, Exception fault)
    {
        lock (_refused)
            _refused.Add($"{what} failed: {fault}");
    }

    public ValueTask DisposeAsync() => _pump.DisposeAsync();
}
