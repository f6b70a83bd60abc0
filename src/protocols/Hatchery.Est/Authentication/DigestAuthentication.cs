using System.Collections.Immutable;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Hatchery.Est;

/// <summary>The hash of HTTP Digest. MD5 is what libest and old curl know; inside TLS it protects nothing that TLS does not.</summary>
public enum DigestAlgorithm { Sha256, Md5 }

/// <summary>Derivations of HTTP Digest (RFC 7616, section 3.4) with qop "auth", or none (RFC 2069).</summary>
public static class DigestAuthentication
{
    public static string Name(this DigestAlgorithm algorithm) => algorithm == DigestAlgorithm.Sha256 ? "SHA-256" : "MD5";

    public static DigestAlgorithm? Parse(string name) => name.ToUpperInvariant() switch
    {
        "SHA-256" => DigestAlgorithm.Sha256,
        "MD5" => DigestAlgorithm.Md5,
        _ => null,
    };

    /// <summary>H(user:realm:password), hex: as good as the password for this realm.</summary>
    public static SecretText HA1(DigestAlgorithm algorithm, string user, string realm, SecretText password) =>
        new(Hash(algorithm, $"{user}:{realm}:{password.Reveal()}"));

    /// <summary>H(method:uri), hex.</summary>
    public static string HA2(DigestAlgorithm algorithm, string method, string uri) => Hash(algorithm, $"{method}:{uri}");

    /// <param name="qop">"auth" or null.</param>
    public static string Response(DigestAlgorithm algorithm, SecretText ha1, string nonce, string? nonceCount, string? clientNonce, string? qop, string ha2) =>
        Hash(algorithm, qop is null ? $"{ha1.Reveal()}:{nonce}:{ha2}" : $"{ha1.Reveal()}:{nonce}:{nonceCount}:{clientNonce}:{qop}:{ha2}");

    /// <summary>In time that does not depend on where they differ.</summary>
    public static bool Verify(HttpCredentials.Digest given, DigestAlgorithm algorithm, SecretText ha1, string method)
    {
        string expected = Response(algorithm, ha1, given.Nonce, given.NonceCount, given.ClientNonce, given.Qop, HA2(algorithm, method, given.Uri));
        return CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(expected), Encoding.UTF8.GetBytes(given.Response.ToLowerInvariant()));
    }

    private static string Hash(DigestAlgorithm algorithm, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
#pragma warning disable CA5351 // RFC 7616 keeps MD5 for old peers.
        string hex = Convert.ToHexStringLower(algorithm == DigestAlgorithm.Sha256 ? SHA256.HashData(bytes) : MD5.HashData(bytes));
#pragma warning restore CA5351
        CryptographicOperations.ZeroMemory(bytes);
        return hex;
    }
}

/// <summary>A challenge in WWW-Authenticate, as a client reads it.</summary>
/// <param name="Scheme">Lower case: "basic", "digest", "bearer".</param>
public sealed record HttpChallenge(string Scheme, string Realm, string? Nonce, DigestAlgorithm? Algorithm, bool HasQop, bool Stale, string? Opaque)
{
    /// <summary>The challenges that we can answer, best first: Digest with SHA-256, with MD5, Basic. Headers may hold several each.</summary>
    public static ImmutableArray<HttpChallenge> Parse(IEnumerable<string> headers)
    {
        var found = new List<HttpChallenge>();
        foreach (string header in headers)
            foreach (string one in Split(header))
                if (ParseOne(one) is { } challenge)
                    found.Add(challenge);
        return [.. found.OrderBy(c => c.Scheme == "digest" ? c.Algorithm == DigestAlgorithm.Sha256 ? 0 : 1 : 2)];
    }

    /// <summary>A comma may end a parameter or a challenge: a challenge begins where a word is followed by a blank and no '='.</summary>
    private static IEnumerable<string> Split(string header)
    {
        int start = 0;
        bool quoted = false;
        for (int i = 0; i < header.Length; i++)
        {
            if (header[i] == '"')
                quoted = !quoted;
            if (quoted || header[i] != ',')
                continue;
            string rest = header[(i + 1)..].TrimStart();
            int end = rest.IndexOfAny([' ', '=', ',']);
            if (end <= 0 || rest[end] != ' ' || rest[end..].TrimStart().StartsWith('='))
                continue;
            yield return header[start..i];
            start = i + 1;
        }
        yield return header[start..];
    }

    private static HttpChallenge? ParseOne(string text)
    {
        text = text.Trim();
        int space = text.IndexOf(' ', StringComparison.Ordinal);
        string scheme = (space < 0 ? text : text[..space]).ToLowerInvariant();
        if (AuthParameters.Parse(space < 0 ? "" : text[(space + 1)..]) is not { } given)
            return null;
        string realm = given.GetValueOrDefault("realm") ?? "";
        if (scheme is "basic")
            return new HttpChallenge(scheme, realm, null, null, false, false, null);
        if (scheme is not "digest" || given.GetValueOrDefault("nonce") is not { } nonce || DigestAuthentication.Parse(given.GetValueOrDefault("algorithm") ?? "MD5") is not { } algorithm)
            return null;
        string? qop = given.GetValueOrDefault("qop");
        if (qop is not null && !qop.Split(',').Any(q => q.Trim() == "auth"))
            return null;
        bool stale = given.GetValueOrDefault("stale")?.Equals("true", StringComparison.OrdinalIgnoreCase) ?? false;
        return new HttpChallenge(scheme, realm, nonce, algorithm, qop is not null, stale, given.GetValueOrDefault("opaque"));
    }

    /// <summary>The value of Authorization that answers it.</summary>
    /// <param name="count">Of requests under this nonce, from 1.</param>
    public string Answer(string user, SecretText password, string method, string uri, int count, Chance chance)
    {
        if (Scheme == "basic")
        {
            byte[] plain = Encoding.UTF8.GetBytes($"{user}:{password.Reveal()}");
            string basic = "Basic " + Convert.ToBase64String(plain);
            CryptographicOperations.ZeroMemory(plain);
            return basic;
        }
        var algorithm = Algorithm!.Value;
        string nonceCount = count.ToString("x8", CultureInfo.InvariantCulture);
        string clientNonce = Convert.ToHexStringLower(chance.Bytes(16, "Digest.cnonce"));
        string? qop = HasQop ? "auth" : null;
        string response = DigestAuthentication.Response(algorithm, DigestAuthentication.HA1(algorithm, user, Realm, password), Nonce!, nonceCount, clientNonce, qop,
            DigestAuthentication.HA2(algorithm, method, uri));
        var header = new StringBuilder("Digest ");
        header.Append(CultureInfo.InvariantCulture, $"username=\"{Escape(user)}\", realm=\"{Escape(Realm)}\", nonce=\"{Escape(Nonce!)}\", uri=\"{uri}\", ");
        if (qop is not null)
            header.Append(CultureInfo.InvariantCulture, $"cnonce=\"{clientNonce}\", nc={nonceCount}, qop={qop}, ");
        header.Append(CultureInfo.InvariantCulture, $"response=\"{response}\", algorithm={algorithm.Name()}");
        if (Opaque is not null)
            header.Append(CultureInfo.InvariantCulture, $", opaque=\"{Escape(Opaque)}\"");
        return header.ToString();
    }

    private static string Escape(string text) => text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal);
}
