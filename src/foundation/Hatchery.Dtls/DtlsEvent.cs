using System.Collections.Immutable;

namespace Hatchery.Dtls;

public enum DtlsEventKind
{
    /// <summary>The handshake is complete; data may be sent.</summary>
    Connected,
    /// <summary>One datagram of application data.</summary>
    Data,
    /// <summary>The peer goes on from another address (connection ids only); answers go there from now on. RFC 9146, section 6: prove that it is reachable there
    /// before much is sent.</summary>
    Moved,
    /// <summary>Ended in order, or replaced by a new session of the same peer.</summary>
    Closed,
    Failed,
}

/// <summary>What happened to one session: Connected at most once, then Data and Moved, at the end Closed or Failed, once.</summary>
public readonly struct DtlsEvent
{
    public required DtlsEventKind Kind { get; init; }
    public required DtlsSession Session { get; init; }

    /// <summary>Of <see cref="DtlsEventKind.Data"/>: valid until the next call of the engine.</summary>
    public ReadOnlyMemory<byte> Data { get; init; }
    /// <summary>Of <see cref="DtlsEventKind.Data"/>: that of the datagram.</summary>
    public Tag Tag { get; init; }
    /// <summary>Of <see cref="DtlsEventKind.Closed"/>: the peer's close_notify came first, or its new session.</summary>
    public bool ByPeer { get; init; }
    /// <summary>Of <see cref="DtlsEventKind.Failed"/>.</summary>
    public DtlsFailure? Failure { get; init; }
}

/// <summary>What a peer shows instead of a shared secret.</summary>
public sealed class DtlsPeerCredential
{
    /// <summary>DER, leaf first; empty with a raw public key.</summary>
    public ImmutableArray<byte[]> Chain { get; init; } = [];
    /// <summary>SubjectPublicKeyInfo, DER (RFC 7250): the raw key, or that of the leaf.</summary>
    public ReadOnlyMemory<byte> PublicKey { get; init; }
    public bool IsRawKey => Chain.IsEmpty;
}

/// <summary>What was negotiated and proven.</summary>
public sealed class DtlsConnection
{
    internal SecretBytes Master { get; init; } = new([]);
    internal byte[] Randoms { get; init; } = [];
    internal SuiteInfo Info { get; init; } = SuiteInfo.All[0];

    public DtlsCipherSuite Suite => Info.Id;
    public bool ExtendedMasterSecret { get; init; }
    public bool EncryptThenMac { get; init; }
    public bool Resumed { get; init; }
    /// <summary>Null: no PSK was used. On resumption that of the first session.</summary>
    public ReadOnlyMemory<byte>? PskIdentity { get; init; }
    /// <summary>Null: the peer showed none.</summary>
    public DtlsPeerCredential? Peer { get; init; }
    /// <summary>What the client called the server (RFC 6066); null: nothing.</summary>
    public string? ServerName { get; init; }
    /// <summary>ALPN; null: none was agreed on.</summary>
    public string? ApplicationProtocol { get; init; }
    /// <summary>What the peer puts into its records to us; empty: none is used.</summary>
    public ReadOnlyMemory<byte> OwnConnectionId { get; init; }
    public ReadOnlyMemory<byte> PeerConnectionId { get; init; }
    /// <summary>Most bytes of one record's data: 16384 unless the extensions of RFC 6066 or RFC 8449 lowered it. The path's MTU may allow less.</summary>
    public int MaxData { get; init; }
    /// <summary>Of EC-JPAKE: SHA-256 of it begins with Thread's KEK. Empty with other suites, which have no use for it.</summary>
    public SecretBytes KeyBlock { get; init; } = new([]);
    /// <summary>With what a client connects again more cheaply; null: the server does not resume this session.</summary>
    public DtlsResumption? Resumption { get; init; }

    /// <summary>Keying material exporter (RFC 5705).</summary>
    /// <param name="context">Null: no context, which differs from an empty one. At most 65535 bytes.</param>
    public byte[] Export(string label, byte[]? context, int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(length);
        if (context?.Length > ushort.MaxValue)
            throw new ArgumentException("A context has at most 65535 bytes.", nameof(context));
        byte[] seed = context is null ? Randoms : [.. Randoms, (byte)(context.Length >> 8), (byte)context.Length, .. context];
        byte[] output = new byte[length];
        KeySchedule.Prf(Info.Hash, Master.Reveal(), System.Text.Encoding.ASCII.GetBytes(label), seed, output);
        return output;
    }

    internal void Forget()
    {
        Master.Dispose();
        KeyBlock.Dispose();
    }
}

/// <summary>A client's memory of a session: a secret, to be kept as one.</summary>
public sealed class DtlsResumption
{
    internal SecretBytes Master { get; init; } = new([]);
    internal SuiteInfo Suite { get; init; } = SuiteInfo.All[0];
    internal byte[] SessionId { get; init; } = [];
    internal byte[] Ticket { get; init; } = [];
    internal bool ExtendedMasterSecret { get; init; }
    internal ReadOnlyMemory<byte>? PskIdentity { get; init; }
    internal DtlsPeerCredential? Peer { get; init; }
    internal string? ServerName { get; init; }

    /// <summary>RFC 5077; else a session id alone.</summary>
    public bool IsTicket => Ticket.Length > 0;
}
