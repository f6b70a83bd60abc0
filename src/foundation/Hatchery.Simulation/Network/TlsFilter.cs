using System.Net;
using System.Text;
using Hatchery.Tls;

namespace Hatchery.Simulation;

/// <summary>TLS over virtual time: the real engine between a simulated stream and who uses it. With a seeded chance its bytes repeat.</summary>
/// <param name="engine">A new engine, when the stream below is open.</param>
/// <param name="ownCertificate">DER, of a server.</param>
public sealed class TlsFilter(Func<Moment, TlsEngine> engine, ReadOnlyMemory<byte> ownCertificate = default) : IStreamFilter, IByteStream, IStreamEvents
{
    private const int Piece = 16384;
    private readonly Queue<(byte[] Bytes, Tag Tag)> _waiting = new();
    private readonly byte[] _wire = new byte[Piece + 1024];
    private IByteStream _below = null!;
    private IStreamEvents _above = null!;
    private SimulationLoop _loop = null!;
    private Action<Supply>? _supplied;
    private TlsEngine? _engine;
    private bool _over, _closing;

    public ChannelFacts Facts { get; private set; } = ChannelFacts.Plain;
    public IPEndPoint Local => _below.Local;
    public IPEndPoint Remote => _below.Remote;
    public SessionId Session { get => _below.Session; set => _below.Session = value; }
    public Tag ReceiveTag { get => _below.ReceiveTag; set => _below.ReceiveTag = value; }

    public IByteStream Attach(IByteStream below, IStreamEvents above, SimulationLoop loop, Action<Supply>? supplied, out IStreamEvents fromBelow)
    {
        (_below, _above, _loop, _supplied, fromBelow) = (below, above, loop, supplied, this);
        return this;
    }

    public void Opened()
    {
        _engine = engine(_loop.Now);
        Drain();
    }

    public void Received(ReadOnlySpan<byte> bytes)
    {
        // A server's side hears of its first bytes when it is opened.
        _engine ??= engine(_loop.Now);
        _engine.Receive(bytes.ToArray(), default, _loop.Now, _below.ReceiveTag);
        Drain();
    }

    public void Ended()
    {
        _engine?.InputEnded(_loop.Now);
        Drain();
    }

    public void Lost(string reason)
    {
        if (!_over)
            _above.Lost(reason);
        _over = true;
    }

    public void Send(ReadOnlySpan<byte> bytes, Tag tag)
    {
        for (; !bytes.IsEmpty; bytes = bytes[Math.Min(Piece, bytes.Length)..])
            _waiting.Enqueue((bytes[..Math.Min(Piece, bytes.Length)].ToArray(), tag));
        Drain();
    }

    public void Close()
    {
        _closing = true;
        Drain();
        _engine?.Close(_loop.Now);
        Transmit();
        _over = true;
        _below.Close();
    }

    public void Abort()
    {
        _over = true;
        _below.Abort();
    }

    private void Drain()
    {
        if (_engine is null || _over)
            return;
        Transmit();
        while (!_over && _engine.TryEvent(out var happened))
            Take(happened);
        while (_waiting.TryPeek(out var next) && _engine.Send(next.Bytes, next.Tag, _loop.Now) == Accepted.Yes)
        {
            _waiting.Dequeue();
            Transmit();
        }
        Transmit();
    }

    private void Take(TlsEvent happened)
    {
        switch (happened.Kind)
        {
            case TlsEventKind.Connected:
                var channel = happened.Connection!;
                bool exports = channel is { Version: TlsVersions.Tls13, CanExport: true };
                Facts = new ChannelFacts([channel.Layer], channel.PeerChain, ownCertificate, channel.TlsUnique)
                {
                    TlsExporter = exports ? channel.Export("EXPORTER-Channel-Binding", [], 32) : default,
                    SecretName = channel.SrpUser ?? (channel.PskIdentity.IsEmpty ? null : Encoding.UTF8.GetString(channel.PskIdentity.Span)),
                };
                _supplied?.Invoke(new Supply.ServerChain(channel.PeerChain) { TlsUnique = channel.TlsUnique, TlsExporter = Facts.TlsExporter });
                _above.Opened();
                break;
            case TlsEventKind.Data:
                _above.Received(happened.Data.Span.ToArray());
                break;
            case TlsEventKind.Closed:
                _above.Ended();
                break;
            case TlsEventKind.Failed:
                _over = !_closing;
                Transmit();
                _above.Lost(happened.Failure!.Sentence);
                _below.Close();
                break;
        }
    }

    private void Transmit()
    {
        while (_engine!.TryTransmit(_wire, out var transmit))
            _below.Send(_wire.AsSpan(0, transmit.Length), transmit.Tag);
    }
}
