namespace Hatchery.Coap.Oscore;

/// <summary>COSE AEAD algorithms that OSCORE may use here.</summary>
public enum OscoreAead
{
    AesGcm128 = 1,
    AesGcm256 = 3,
    /// <summary>AES-CCM-16-64-128: mandatory, nonce of 13 bytes, tag of 8.</summary>
    AesCcm16_64_128 = 10,
    AesCcm16_64_256 = 11,
    ChaCha20Poly1305 = 24,
    AesCcm16_128_128 = 30,
    AesCcm16_128_256 = 31,
}

/// <summary>HKDF by its HMAC's COSE number, as LwM2M's object 21 names it; -10 and -11 (direct+HKDF) mean the same two.</summary>
public enum OscoreHkdf
{
    Sha256 = 5,
    Sha512 = 7,
}

/// <summary>What two peers share (RFC 8613 section 3.2); the other side has sender and recipient the other way round.</summary>
public sealed record OscoreParameters
{
    public required SecretBytes MasterSecret { get; init; }
    public ReadOnlyMemory<byte> MasterSalt { get; init; }
    /// <summary>Up to the nonce's length minus 6 bytes: 7 with AES-CCM-16-64-128.</summary>
    public required ReadOnlyMemory<byte> SenderId { get; init; }
    public required ReadOnlyMemory<byte> RecipientId { get; init; }
    /// <summary>Null: none.</summary>
    public ReadOnlyMemory<byte>? IdContext { get; init; }
    public OscoreAead Aead { get; init; } = OscoreAead.AesCcm16_64_128;
    public OscoreHkdf Hkdf { get; init; } = OscoreHkdf.Sha256;
    /// <summary>Sequence numbers; at most 64.</summary>
    public int ReplayWindow { get; init; } = 32;
    /// <summary>Names the ID Context in every request.</summary>
    public bool SendsIdContext { get; init; }
}

/// <summary>Finds a context by what a request names.</summary>
public interface IOscoreContexts
{
    /// <param name="kid">The peer's Sender ID.</param>
    /// <param name="kidContext">Null: the request names none.</param>
    OscoreContext? Find(ReadOnlySpan<byte> kid, ReadOnlyMemory<byte>? kidContext);
}

/// <summary>Contexts in memory, by Recipient ID and ID Context. A request without one finds the context with that Recipient ID that was added last.</summary>
public sealed class OscoreContexts : IOscoreContexts
{
    private readonly Dictionary<string, OscoreContext> _contexts = [];

    public void Add(OscoreContext context)
    {
        string kid = Convert.ToHexString(context.Parameters.RecipientId.Span);
        _contexts[kid] = context;
        if (context.Parameters.IdContext is { } id)
            _contexts[$"{kid}/{Convert.ToHexString(id.Span)}"] = context;
    }

    public void Remove(OscoreContext context)
    {
        foreach (string name in _contexts.Where(c => c.Value == context).Select(c => c.Key).ToArray())
            _contexts.Remove(name);
    }

    public OscoreContext? Find(ReadOnlySpan<byte> kid, ReadOnlyMemory<byte>? kidContext) =>
        _contexts.GetValueOrDefault(kidContext is { } id ? $"{Convert.ToHexString(kid)}/{Convert.ToHexString(id.Span)}" : Convert.ToHexString(kid));
}
