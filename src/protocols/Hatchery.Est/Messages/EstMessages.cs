using System.Collections.Immutable;
using System.Globalization;
using Hatchery.Pki;

namespace Hatchery.Est;

/// <summary>A message of EST as it is under any carrier: payloads are DER. HTTP's base64 and CoAP's content formats are their bindings' affair.</summary>
public abstract record EstMessage : IMessage
{
    public abstract StepKind Kind { get; }
    public virtual void Identify(ref Correlators into) { }
    public sealed override string ToString() => Kind.Name;

    private protected static void AddKey(ref Correlators into, ReadOnlyMemory<byte> subjectPublicKeyInfo) => into.Add("est.key", subjectPublicKeyInfo.Span);

    /// <summary>The end entity's key in certificates that were received; nothing if they cannot be read.</summary>
    private protected static void AddCertificates(ref Correlators into, ReadOnlyMemory<byte> certsOnly)
    {
        try
        {
            foreach (var certificate in CertsOnly.Parse(certsOnly))
                if (Certificate.Parse(certificate) is { IsAuthority: false } leaf)
                    AddKey(ref into, leaf.Key.Encoded);
        }
        catch (PkiException)
        {
            // It has been refused already.
        }
    }
}

/// <param name="Label">Arbitrary label of the path (RFC 7030, section 3.2.2); empty: the default CA.</param>
/// <param name="Payload">DER of a PKCS#10 or a CMC request; empty for what is fetched.</param>
public sealed record EstRequest(EstOperation Operation, string Label, ReadOnlyMemory<byte> Payload) : EstMessage
{
    public override StepKind Kind => Operation.Request();

    /// <summary>Server side: what HTTP authentication brought, not yet verified.</summary>
    public HttpCredentials? Credentials { get; init; }
    /// <summary>Client side: the value of the header Authorization.</summary>
    public string? Authorization { get; init; }
    /// <summary>Server side: the path as the client sent it, which Digest covers.</summary>
    public string Target { get; init; } = "";
    /// <summary>The body could not be decoded. Kept until the client is known: a client that is not is told nothing else (RFC 7030, section 3.2.3).</summary>
    public EstException? Fault { get; init; }

    /// <exception cref="EstException">The body could not be decoded.</exception>
    public ReadOnlyMemory<byte> Body => Fault is null ? Payload : throw Fault;

    public override void Identify(ref Correlators into)
    {
        if (Operation.IsFetch() || Operation == EstOperation.FullCmc || Fault is not null)
            return;
        try
        {
            AddKey(ref into, Pkcs10.ParseUnproven(Payload).SubjectPublicKeyInfo);
        }
        catch (PkiException)
        {
            // It has been refused already.
        }
    }
}

public abstract record EstResponse(EstOperation Operation) : EstMessage
{
    public override StepKind Kind => Operation.Response();
}

/// <param name="Certificates">DER of a certs-only CMS.</param>
public sealed record CaCertsResponse(ReadOnlyMemory<byte> Certificates) : EstResponse(EstOperation.CaCerts);

/// <summary>To /simpleenroll and /simplereenroll.</summary>
/// <param name="Certificates">DER of a certs-only CMS.</param>
public sealed record CertificateResponse(EstOperation Operation, ReadOnlyMemory<byte> Certificates) : EstResponse(Operation)
{
    public override void Identify(ref Correlators into) => AddCertificates(ref into, Certificates);
}

/// <param name="Attributes">DER of CsrAttrs; empty: none (204).</param>
public sealed record CsrAttrsResponse(ReadOnlyMemory<byte> Attributes) : EstResponse(EstOperation.CsrAttrs);

/// <param name="Content">DER: a Full PKI Response, or certs-only.</param>
/// <param name="IsCertsOnly">A Simple PKI Response.</param>
public sealed record FullCmcResponse(ReadOnlyMemory<byte> Content, bool IsCertsOnly) : EstResponse(EstOperation.FullCmc)
{
    /// <summary>200, or an error's.</summary>
    public int Status { get; init; } = 200;
}

/// <summary>How a generated key travels (RFC 7030, section 4.4.2).</summary>
public enum KeyForm { Pkcs8, Enveloped }

/// <param name="Key">DER of PrivateKeyInfo in the clear, or of EnvelopedData.</param>
/// <param name="Certificates">DER of a certs-only CMS.</param>
public sealed record ServerKeyGenResponse(KeyForm Form, SecretBytes Key, ReadOnlyMemory<byte> Certificates) : EstResponse(EstOperation.ServerKeyGen)
{
    public override void Identify(ref Correlators into) => AddCertificates(ref into, Certificates);
}

/// <summary>202, or 503: ask again later with the same request.</summary>
/// <param name="RetryAfter">Null: the server did not say.</param>
public sealed record PendingResponse(EstOperation Operation, TimeSpan? RetryAfter, string Text, bool IsUnavailable = false) : EstResponse(Operation)
{
    public override StepKind Kind => EstSteps.Pending;
}

/// <summary>An error, or the demand for HTTP authentication.</summary>
/// <param name="Text">For a person, as the server worded it.</param>
public sealed record RefusedResponse(EstOperation Operation, int Status, string Text) : EstResponse(Operation)
{
    public override StepKind Kind => Status == 401 ? EstSteps.Challenge : EstSteps.Refused;
    /// <summary>Values of WWW-Authenticate.</summary>
    public ImmutableArray<string> Challenges { get; init; } = [];
    public TimeSpan? RetryAfter { get; init; }
    public string? Allow { get; init; }
    /// <summary>DER of a CMC response; empty: none.</summary>
    public ReadOnlyMemory<byte> Cmc { get; init; }
    /// <summary>The operation is not offered here.</summary>
    public bool IsAbsent => Status is 404 or 501;

    internal static RefusedResponse Of(EstOperation operation, EstException fault) => new(operation, fault.Status, fault.Message)
    {
        Challenges = fault.Challenges,
        RetryAfter = fault.RetryAfter,
        Allow = fault.Allow,
        Cmc = fault.Cmc,
    };

    internal string StatusText => Status.ToString(CultureInfo.InvariantCulture);
}

/// <param name="Location">As sent.</param>
public sealed record RedirectResponse(EstOperation Operation, int Status, string Location) : EstResponse(Operation)
{
    public override StepKind Kind => EstSteps.Redirect;
}
