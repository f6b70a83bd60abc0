using System.Collections.Immutable;
using System.Net;

namespace Hatchery.Simulation;

/// <summary>One end of a reliable stream of bytes.</summary>
public interface IByteStream
{
    IPEndPoint Local { get; }
    IPEndPoint Remote { get; }
    /// <summary>On captured frames.</summary>
    SessionId Session { get; set; }
    /// <summary>On captured frames that bring bytes, until changed.</summary>
    Tag ReceiveTag { get; set; }
    /// <summary>Never refused; waits until it may leave.</summary>
    void Send(ReadOnlySpan<byte> bytes, Tag tag);
    /// <summary>After everything sent has left; no events come any more.</summary>
    void Close();
    /// <summary>At once, with a reset.</summary>
    void Abort();
}

public interface IStreamEvents
{
    void Opened();
    /// <summary>Valid for the call only.</summary>
    void Received(ReadOnlySpan<byte> bytes);
    /// <summary>The peer sends no more.</summary>
    void Ended();
    /// <summary>Refused, timed out, reset.</summary>
    void Lost(string reason);
}

/// <summary>What a secured stream knows of its channel; a service sees it in its <see cref="Caller"/>.</summary>
public sealed record ChannelFacts(ImmutableArray<Layer> Layers, ImmutableArray<byte[]> PeerChain, ReadOnlyMemory<byte> OwnCertificate, ReadOnlyMemory<byte> TlsUnique)
{
    public static readonly ChannelFacts Plain = new([], [], default, default);
    /// <inheritdoc cref="Caller.TlsExporter"/>
    public ReadOnlyMemory<byte> TlsExporter { get; init; }
    /// <inheritdoc cref="Caller.SecretName"/>
    public string? SecretName { get; init; }
}

/// <summary>Something between a stream and who uses it: TLS over virtual time. One per connection.</summary>
public interface IStreamFilter
{
    /// <summary>Puts itself between: returns the stream for who is above; what it returns through <paramref name="fromBelow"/> takes the events of the stream below.
    /// It calls <see cref="IStreamEvents.Opened"/> above once its channel is secure.</summary>
    /// <param name="supplied">Takes the server's chain after a provisional connect; null on a server.</param>
    IByteStream Attach(IByteStream below, IStreamEvents above, SimulationLoop loop, Action<Supply>? supplied, out IStreamEvents fromBelow);

    /// <summary>Complete once opened.</summary>
    ChannelFacts Facts { get; }
}
