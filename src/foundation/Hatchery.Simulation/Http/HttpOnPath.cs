using System.Net;

namespace Hatchery.Simulation;

/// <summary>An attacker on the path of plain HTTP: packets to a server are diverted to the attacker's host, which reads each request, may change, answer or swallow it,
/// passes it on over a connection of its own, and does the same with the answer. Neither end sees another address than it expects.</summary>
public sealed class HttpOnPath
{
    private readonly SimulatedHost _attacker;
    private readonly IPEndPoint _server, _here;
    private readonly Func<PlainHttpRequest, PlainHttpRequest?> _request;
    private readonly Func<PlainHttpRequest, PlainHttpResponse, PlainHttpResponse?> _response;
    private readonly OnPath _divert;

    /// <param name="request">What is passed on instead; null: nothing, the client waits in vain.</param>
    /// <param name="response">What is answered instead; null: nothing.</param>
    public HttpOnPath(SimulatedHost attacker, IPEndPoint server, Func<PlainHttpRequest, PlainHttpRequest?>? request = null,
        Func<PlainHttpRequest, PlainHttpResponse, PlainHttpResponse?>? response = null)
    {
        (_attacker, _server) = (attacker, server);
        _request = request ?? (static r => r);
        _response = response ?? (static (_, r) => r);
        _here = new IPEndPoint(attacker.Address, server.Port);
        _divert = Divert;
        attacker.Network.Intercept(_divert);
        attacker.Listen(server.Port, stream => new Victim(this, stream));
    }

    public void Stop()
    {
        _attacker.Network.StopIntercepting(_divert);
        _attacker.StopListening(_server.Port);
    }

    private PathVerdict Divert(SimulatedPacket packet)
    {
        if (!packet.IsTcp)
            return PathVerdict.Passes;
        if (packet.To.Equals(_server) && !packet.From.Address.Equals(_attacker.Address))
            return new PathVerdict.Replace(packet.With(packet.From, _here));
        return packet.From.Equals(_here) ? new PathVerdict.Replace(packet.With(_server, packet.To)) : PathVerdict.Passes;
    }

    private sealed class Victim(HttpOnPath path, IByteStream stream) : IStreamEvents
    {
        private readonly HttpReader _reader = new(true, _ => 16 << 20);
        private readonly SimulatedHttpClient _onward = new(path._attacker, path._server.Address.ToString(), path._server.Port);

        public void Opened() { }

        public void Received(ReadOnlySpan<byte> bytes)
        {
            _reader.Add(bytes);
            try
            {
                while (_reader.TryRead(out var head, out var body))
                    Pass(new PlainHttpRequest(head.First, head.Second, head.Headers, body));
            }
            catch (HttpFormatException)
            {
                stream.Abort();
            }
        }

        private void Pass(PlainHttpRequest original)
        {
            if (path._request(original) is not { } request)
                return;
            _onward.Send(request, default, (response, _) =>
            {
                if (path._response(request, response) is { } answer)
                    stream.Send(HttpWire.Write(answer), default);
            }, (_, _) => stream.Abort());
        }

        public void Ended() => _onward.Close();
        public void Lost(string reason) => _onward.Close();
    }
}
