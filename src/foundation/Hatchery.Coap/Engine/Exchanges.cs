namespace Hatchery.Coap.Engine;

/// <summary>Who sent a message and wants to know what became of it.</summary>
internal abstract class MessageOwner : Timed
{
    /// <summary>What the message layer keeps of the confirmable message underway.</summary>
    public object? InFlight { get; set; }
    /// <summary>Of its last non-confirmable message, which may be rejected; 0: none.</summary>
    public long Unconfirmed { get; set; }

    /// <summary>It is on its way, having waited its turn.</summary>
    public abstract void Left(Moment now);
    public abstract void Acknowledged(Moment now);
    public abstract void Undelivered(CoapFailure failure, Moment now);
}

/// <summary>One message to be sent, before it has an id.</summary>
internal readonly record struct Outgoing<TPath>(MessageOwner? Owner, TPath Path, bool Confirmable, CoapCode Code, CoapToken Token, CoapOptions Options, ReadOnlyMemory<byte> Payload, Tag Tag);

/// <summary>A peer's request until it is answered.</summary>
internal class ServerExchange<TPath>
{
    public required CoapTicket Ticket { get; init; }
    public required TPath Path { get; init; }
    public required CoapToken Token { get; init; }
    public required TimeSpan At { get; init; }
    public bool Confirmable { get; init; }
    public bool IsMulticast { get; init; }
    /// <summary>Of the message as received, in bytes.</summary>
    public int Length { get; init; }
    public CoapTags Tags { get; set; }
    public CoapRequest Request { get; set; } = null!;
    /// <summary>To be echoed in the answer.</summary>
    public Block? Block1 { get; set; }
    public Block? Block2 { get; set; }
    public BlockKey<TPath> Key { get; set; }
    public Oscore.OscoreExchange? Oscore { get; set; }
    public bool Answered { get; set; }
}

/// <summary>What tells one block-wise transfer from another: not the token, which some clients change with every block.</summary>
/// <param name="Resource">Uri-Path, Uri-Query, Request-Tag and Accept options as encoded.</param>
internal readonly record struct BlockKey<TPath>(TPath Path, CoapCode Method, Bytes Resource, Oscore.OscoreContext? Oscore)
{
    public static BlockKey<TPath> Of(in TPath path, CoapCode method, CoapOptions options, Oscore.OscoreContext? oscore) => new(path, method, new Bytes(options.Where(static n =>
        n is CoapOptionNumber.UriPath or CoapOptionNumber.UriQuery or CoapOptionNumber.RequestTag or CoapOptionNumber.UriHost or CoapOptionNumber.Accept).Wire), oscore);
}

/// <summary>Compared by content.</summary>
internal readonly struct Bytes(ReadOnlyMemory<byte> value) : IEquatable<Bytes>
{
    private readonly ReadOnlyMemory<byte> _value = value;

    public bool Equals(Bytes other) => _value.Span.SequenceEqual(other._value.Span);
    public override bool Equals(object? obj) => obj is Bytes other && Equals(other);

    public override int GetHashCode()
    {
        var hash = new HashCode();
        hash.AddBytes(_value.Span);
        return hash.ToHashCode();
    }
}
