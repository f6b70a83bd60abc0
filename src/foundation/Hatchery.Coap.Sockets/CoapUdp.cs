using System.Net;
using Hatchery.Cryptography;
using Hatchery.Transports;

namespace Hatchery.Coap.Sockets;

/// <summary>CoAP on one UDP socket, client and server at once.</summary>
public sealed class CoapUdp : IAsyncDisposable
{
    private readonly UdpEnginePump<CoapEvent<UdpPath>> _pump;
    private readonly CoapEndpoint<UdpPath> _endpoint;
    private readonly SystemClock _clock;
    private readonly List<UdpGroupListener> _groups = [];

    private CoapUdp(IPEndPoint at, CoapApp? app, CoapSettings? settings, PumpOptions? options, Action<Exception>? failed)
    {
        _clock = (options ??= new()).Clock;
        _endpoint = new CoapEndpoint<UdpPath>(settings ?? new(), new SystemChance());
        UdpEnginePump<CoapEvent<UdpPath>>? pump = null;
        Host = new CoapHost<UdpPath>(_endpoint, action => pump!.Post(action), () => _clock.Now, app, failed);
        _pump = pump = new UdpEnginePump<CoapEvent<UdpPath>>(at, _endpoint, Host.Handle, options);
    }

    /// <param name="at">Null: any address and a free port, IPv4.</param>
    /// <param name="failed">Takes what handlers throw and no peer is to see.</param>
    public static CoapUdp Open(CoapApp? app = null, IPEndPoint? at = null, CoapSettings? settings = null, PumpOptions? options = null, Action<Exception>? failed = null)
    {
        var coap = new CoapUdp(at ?? new IPEndPoint(IPAddress.Any, 0), app, settings, options, failed);
        coap._pump.Start();
        return coap;
    }

    /// <summary>As bound.</summary>
    public IPEndPoint EndPoint => _pump.EndPoint;
    public CoapHost<UdpPath> Host { get; }
    /// <summary>Faulted if the socket failed.</summary>
    public Task Completion => _pump.Completion;

    public CoapClient<UdpPath> To(IPEndPoint peer) => Host.To(UdpPath.From(peer));

    /// <summary>Answers requests to a group (224.0.1.187 and ff0x::fd are All CoAP Nodes) from this socket.</summary>
    /// <param name="interfaceIndex">0: the platform's choice.</param>
    public void Join(IPEndPoint group, int interfaceIndex = 0) => _groups.Add(new UdpGroupListener(group, interfaceIndex, (datagram, from) =>
        _pump.Post(() => _endpoint.ReceiveMulticast(datagram, UdpPath.From(from), _clock.Now, default))));

    public async ValueTask DisposeAsync()
    {
        foreach (var group in _groups)
            group.Dispose();
        Host.Dispose();
        await _pump.DisposeAsync();
    }
}
