using System.Collections.Immutable;

namespace Hatchery;

/// <summary>What a party's driver speaks through. Real sockets (Transports) and simulated networks (Simulation) both are carriers; how
/// messages map to the carrier's terms comes from the protocol's binding.</summary>
public interface ICarrier
{
    /// <summary>Starts to open a connection. Events arrive one at a time on the driver's thread, never from within this call.</summary>
    IConnection Open(Destination to, SessionId session, ICarrierEvents events);
}

public interface IConnection
{
    /// <summary>Encodes and starts to send. The tag runs with the bytes to the frames that carry them.</summary>
    Encoded Send(IMessage message, Tag tag);
    void Close();
}

/// <param name="Bytes">The message under all layers, as it leaves.</param>
/// <param name="Layers">Outermost first, without the message's own protection.</param>
public readonly record struct Encoded(ReadOnlyMemory<byte> Bytes, ImmutableArray<Layer> Layers, Medium Medium);

public interface ICarrierEvents
{
    void Received(IMessage message, Encoded encoded, Tag tag);
    void Supplied(Supply supply);
    void Lost(CarrierFault fault);
}

/// <summary>How a protocol's messages stand in a byte stream on the side that asks; one per connection, so it may keep a token.</summary>
public interface IStreamClientBinding
{
    /// <summary>The message as it is written. Throws only <see cref="ProtocolException"/>: it fits no frame.</summary>
    ReadOnlyMemory<byte> Encode(IMessage message);

    /// <summary>Whether an answer is waited for.</summary>
    bool IsAnswered(IMessage message);

    /// <summary>Takes bytes as they come, in pieces of any size.</summary>
    void Receive(ReadOnlySpan<byte> bytes);

    /// <summary>The answer, with the bytes it came from; null: more are needed. Throws only <see cref="ProtocolException"/>.</summary>
    IMessage? Next(IMessage request, out ReadOnlyMemory<byte> bytes);
}

/// <summary>How a protocol's messages map to HTTP on the client's side; one per connection, so it may keep a token.</summary>
public interface IHttpClientBinding
{
    PlainHttpRequest Encode(IMessage message);

    /// <summary>Throws only <see cref="ProtocolException"/>. Null: the answer carries no message (an empty 200 to an error that we reported).</summary>
    IMessage? Parse(PlainHttpResponse response, IMessage request);
}

/// <summary>How a protocol's messages map to HTTP on the server's side; shared by all requests.</summary>
public interface IHttpServerBinding
{
    /// <summary>"POST /fdo/101/msg/60": method and exact path, or a prefix if the path ends in '/'.</summary>
    ImmutableArray<string> Routes { get; }

    /// <summary>Bytes; larger bodies are refused before they are read.</summary>
    int MaxBody { get; }

    /// <summary>Parses at the door; sets <see cref="Caller.Token"/>. Throws only <see cref="ProtocolException"/>.</summary>
    IMessage Parse(PlainHttpRequest request, Caller caller);

    PlainHttpResponse Encode(Reply reply, PlainHttpRequest request);

    /// <summary>The error that the standard prescribes, as a message. Null fault: something of ours broke.</summary>
    Reply Refuse(ProtocolException? fault, PlainHttpRequest request, Caller caller);
}
