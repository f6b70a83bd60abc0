using System.Collections.Immutable;

namespace Hatchery.Coap;

/// <summary>When a server asks a peer to prove that it receives what is sent to its address (RFC 9175 section 2).</summary>
public enum EchoPolicy
{
    Never,
    /// <summary>When the answer would be more than three times as long as the request, and the address is not proven.</summary>
    WhenAmplifying,
    /// <summary>Before any request from an address that is not proven reaches the application.</summary>
    Always,
}

/// <summary>Transmission parameters of RFC 7252 section 4.8 and the limits of one engine. Sizes in bytes.</summary>
public sealed record CoapSettings
{
    public TimeSpan AckTimeout { get; init; } = TimeSpan.FromSeconds(2);
    public double AckRandomFactor { get; init; } = 1.5;
    public int MaxRetransmit { get; init; } = 4;
    /// <summary>Confirmable messages outstanding to one peer; further ones wait.</summary>
    public int NStart { get; init; } = 1;
    public TimeSpan DefaultLeisure { get; init; } = TimeSpan.FromSeconds(5);
    /// <summary>Bytes per second to a peer that does not answer, beyond the burst; 0: no limit.</summary>
    public double ProbingRate { get; init; } = 1;
    public int ProbingBurst { get; init; } = 16 * 1024;
    /// <summary>How long a message id is remembered, and a block-wise transfer kept.</summary>
    public TimeSpan ExchangeLifetime { get; init; } = TimeSpan.FromSeconds(247);
    /// <summary>From the request's departure to its response.</summary>
    public TimeSpan ResponseTimeout { get; init; } = TimeSpan.FromSeconds(100);
    /// <summary>A confirmable request that the application has not answered by then is acknowledged, and answered separately.</summary>
    public TimeSpan AckDelay { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>SZX of the blocks that we send and ask for: 6 is 1024 bytes. Streams use it against peers without BERT.</summary>
    public int BlockExponent { get; init; } = 6;
    /// <summary>Of a request with all of its blocks.</summary>
    public int MaxRequestBody { get; init; } = 64 * 1024;
    /// <inheritdoc cref="MaxRequestBody"/>
    public int MaxResponseBody { get; init; } = 1024 * 1024;
    /// <summary>Of all unfinished requests and of all answers that are being fetched in blocks, each.</summary>
    public int MaxBlockBytes { get; init; } = 16 * 1024 * 1024;
    /// <summary>Block-wise transfers underway in one direction.</summary>
    public int MaxTransfers { get; init; } = 1024;
    /// <inheritdoc cref="MaxTransfers"/>
    public int MaxTransfersPerPeer { get; init; } = 8;

    /// <summary>Requests of ours without an end.</summary>
    public int MaxExchanges { get; init; } = 65536;
    /// <summary>Requests that the application has not answered; further ones get 5.03.</summary>
    public int MaxUnanswered { get; init; } = 16384;
    public int MaxObservations { get; init; } = 16384;
    public int MaxObservationsPerPeer { get; init; } = 64;
    public int MaxPeers { get; init; } = 131072;
    /// <summary>Message ids remembered, with their answers.</summary>
    public int MaxRecent { get; init; } = 65536;
    public int MaxRecentPerPeer { get; init; } = 2048;
    /// <summary>Messages that wait for an earlier one's end; further ones are refused with <see cref="Accepted.TryLater"/>.</summary>
    public int MaxWaitingPerPeer { get; init; } = 64;
    /// <summary>Of a peer's token (RFC 8974).</summary>
    public int MaxToken { get; init; } = 256;
    /// <summary>Of our own tokens; 8 against blind spoofing.</summary>
    public int TokenLength { get; init; } = 8;
    /// <summary>Streams: of a message that we receive (RFC 8323 section 5.3.1).</summary>
    public int MaxMessage { get; init; } = 64 * 1024;

    /// <summary>Critical options that the application understands beyond those of the standards.</summary>
    public ImmutableHashSet<ushort> KnownOptions { get; init; } = [];
    public EchoPolicy Echo { get; init; } = EchoPolicy.Never;
    /// <summary>How long an Echo value proves an address.</summary>
    public TimeSpan EchoLifetime { get; init; } = TimeSpan.FromMinutes(5);
    /// <summary>Finds the contexts of peers; null: OSCORE requests are answered by 4.02.</summary>
    public Oscore.IOscoreContexts? Oscore { get; init; }
    /// <summary>The network layer's path is proven and unforgeable (DTLS): Echo is not asked for.</summary>
    public bool PathsAreProven { get; init; }
}
