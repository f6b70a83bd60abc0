namespace Hatchery.Est;

/// <summary>What real peers do and the standards do not allow, each by name and off by default. Whitespace anywhere in base64 and missing padding are always taken, and
/// Content-Transfer-Encoding is never looked at (RFC 8951, section 3).</summary>
public sealed record EstTolerance
{
    public static EstTolerance Strict { get; } = new();

    /// <summary>Everything below.</summary>
    public static EstTolerance All { get; } = new() { Pem = true, RawDer = true, Pkcs1Keys = true, AnyContentType = true, OpenMultipart = true, Sha1Requests = true };

    /// <summary>Server: a PEM envelope around a request, which people post by mistake.</summary>
    public bool Pem { get; init; }
    /// <summary>Both: DER where base64 belongs.</summary>
    public bool RawDer { get; init; }
    /// <summary>Client: an RSAPrivateKey under application/pkcs8, as libest's server sends it.</summary>
    public bool Pkcs1Keys { get; init; }
    /// <summary>Both: a body of another media type than the operation's.</summary>
    public bool AnyContentType { get; init; }
    /// <summary>Client: multipart/mixed without its closing delimiter.</summary>
    public bool OpenMultipart { get; init; }
    /// <summary>Server: requests signed over SHA-1.</summary>
    public bool Sha1Requests { get; init; }
}
