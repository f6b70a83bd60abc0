namespace Hatchery.Tls;

public enum TlsEventKind { Connected, Data, Closed, Failed }

/// <summary>What happened on a connection: Connected at most once; then Data; at the end Closed or Failed, once.</summary>
public readonly struct TlsEvent
{
    public required TlsEventKind Kind { get; init; }

    /// <summary>Of <see cref="TlsEventKind.Connected"/>.</summary>
    public TlsConnection? Connection { get; init; }

    /// <summary>Of <see cref="TlsEventKind.Data"/>: application data, valid until the next call of the engine. Boundaries mean nothing.</summary>
    public ReadOnlyMemory<byte> Data { get; init; }

    /// <summary>Of <see cref="TlsEventKind.Data"/>: that of the bytes that completed the record.</summary>
    public Tag Tag { get; init; }

    /// <summary>Of <see cref="TlsEventKind.Closed"/>: the peer's close_notify came first.</summary>
    public bool ByPeer { get; init; }

    /// <summary>Of <see cref="TlsEventKind.Failed"/>.</summary>
    public TlsFailure? Failure { get; init; }
}

/// <summary>Why a connection is no more.</summary>
/// <param name="Alert">AlertDescription of RFC 8446, section 6; null if none was exchanged.</param>
/// <param name="FromPeer">The peer sent the alert; else we did.</param>
/// <param name="Sentence">For a log; no secrets.</param>
public sealed record TlsFailure(byte? Alert, bool FromPeer, string Sentence);
