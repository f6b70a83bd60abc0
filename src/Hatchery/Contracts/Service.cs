using System.Collections.Immutable;

namespace Hatchery;

/// <summary>Request in, response out, state in a store: FDO's three, EST, registrar, MASA, SZTP, EAP server, join server. Opens a unit of
/// work, decides in pure code, reports facts, commits, answers.</summary>
public interface IService
{
    /// <summary>Throws <see cref="ProtocolException"/> for what the peer did wrong; the binding turns it into the standard's error.</summary>
    ValueTask<Reply> HandleAsync(IMessage request, Caller caller, CancellationToken cancel);
}

/// <param name="Message">Null: nothing to say (FDO's answer to an error message).</param>
/// <param name="Token">What the carrier hands back to the peer to name the conversation (FDO's Authorization, RADIUS State); null: unchanged.</param>
public sealed record Reply(IMessage? Message, string? Token = null);

/// <summary>What the carrier knows of the caller. A service trusts nothing else about the channel. One per request.</summary>
public sealed class Caller
{
    private List<Fact>? _facts;

    public required Moment Now { get; init; }
    /// <summary>The listener's name.</summary>
    public required string Listener { get; init; }
    /// <summary>The peer's address, for limits and the audit log; null if it has none.</summary>
    public string? Remote { get; init; }
    /// <summary>Wall time, for validity periods.</summary>
    public DateTimeOffset Wall => Now.Wall ?? throw new InvalidOperationException("A service needs a clock.");

    /// <summary>The connection's, until the service knows to which conversation the request belongs and sets that.</summary>
    public SessionId Session { get; set; }
    /// <summary>The name of the conversation as the peer presented it; set by the binding.</summary>
    public string? Token { get; set; }

    /// <summary>DER, leaf first; empty if the client showed none.</summary>
    public ImmutableArray<byte[]> ClientChain { get; init; } = [];
    /// <summary>DER; empty without TLS.</summary>
    public ReadOnlyMemory<byte> ServerCertificate { get; init; }
    /// <summary>RFC 5929, TLS 1.2 only; empty otherwise.</summary>
    public ReadOnlyMemory<byte> TlsUnique { get; init; }
    /// <summary>RFC 9266, 32 bytes; empty where the carrier exports none.</summary>
    public ReadOnlyMemory<byte> TlsExporter { get; init; }
    /// <summary>The name under which both sides proved a shared secret in the TLS handshake: SRP's user, a PSK's identity. Null: none.</summary>
    public string? SecretName { get; init; }
    public ImmutableArray<Layer> Layers { get; init; } = [];
    /// <summary>Of the captured frames that brought the request, and of those that will carry the answer; 0 without capture.</summary>
    public Tag RequestFrames { get; init; }
    /// <inheritdoc cref="RequestFrames"/>
    public Tag AnswerFrames { get; init; }

    /// <summary>What was reported and committed while this request was handled; read by the driver.</summary>
    public IReadOnlyList<Fact> Facts => _facts ?? (IReadOnlyList<Fact>)[];
    internal void Committed(ImmutableArray<Fact> facts)
    {
        if (!facts.IsDefaultOrEmpty)
            (_facts ??= []).AddRange(facts);
    }

    /// <summary>For work that no peer asked for: schedulers, operators.</summary>
    public static Caller Local(string name, Moment now) => new() { Now = now, Listener = name, Session = default };
}

/// <summary>HTTP without a web server or client: what Kestrel, HttpClient and the simulated network all speak.</summary>
public sealed record PlainHttpRequest(string Method, string Path, IReadOnlyList<KeyValuePair<string, string>> Headers, ReadOnlyMemory<byte> Body)
{
    /// <summary>The first value of a header, by name without regard to case; null if absent.</summary>
    public string? Header(string name) => PlainHttp.Find(Headers, name);
}

public sealed record PlainHttpResponse(int Status, IReadOnlyList<KeyValuePair<string, string>> Headers, ReadOnlyMemory<byte> Body)
{
    /// <summary>The first value of a header, by name without regard to case; null if absent.</summary>
    public string? Header(string name) => PlainHttp.Find(Headers, name);
}

internal static class PlainHttp
{
    internal static string? Find(IReadOnlyList<KeyValuePair<string, string>> headers, string name)
    {
        for (int i = 0; i < headers.Count; i++)
            if (string.Equals(headers[i].Key, name, StringComparison.OrdinalIgnoreCase))
                return headers[i].Value;
        return null;
    }
}

/// <summary>A role as a web server sees it.</summary>
public interface IHttpRole
{
    /// <summary>As <see cref="IHttpServerBinding.Routes"/>.</summary>
    ImmutableArray<string> Routes { get; }
    int MaxBody { get; }
    /// <summary>Answers everything, also what is refused; throws only on cancellation.</summary>
    ValueTask<PlainHttpResponse> HandleAsync(PlainHttpRequest request, Caller caller, CancellationToken cancel);
}
