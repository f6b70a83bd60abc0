using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Hatchery.Cryptography;

namespace Hatchery.EapNoob;

/// <summary>The cryptosuites of RFC 9140 §5.1; both have SHA-256.</summary>
public static class Cryptosuites
{
    /// <summary>X25519.</summary>
    public const int X25519 = 1;
    /// <summary>P-256.</summary>
    public const int P256 = 2;

    /// <summary>Strength in bits, for the rule that a Reconnect Exchange must not take a weaker one (RFC 9140 §3.4.1); 0: unknown.</summary>
    public static int Strength(int suite) => suite is X25519 or P256 ? 128 : 0;

    /// <param name="use">As <see cref="Chance.Fill"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">Neither 1 nor 2.</exception>
    public static AgreementKey Generate(int suite, Chance chance, string use) => suite switch
    {
        X25519 => X25519Agreement.Generate(chance, use),
        P256 => chance.NewAgreementKey(ECCurve.NamedCurves.nistP256, use),
        _ => throw new ArgumentOutOfRangeException(nameof(suite)),
    };

    /// <param name="scalar">As <see cref="AgreementKey.ExportScalar"/> gave it.</param>
    internal static AgreementKey Restore(int suite, SecretBytes scalar) =>
        suite == X25519 ? X25519Agreement.FromPrivate(scalar.Reveal()) : EcAgreement.FromPrivate(ECCurve.NamedCurves.nistP256, scalar.Reveal());
}

/// <summary>A public key in an in-band message: a JWK (RFC 7517, RFC 8037), checked for form; that its point is a valid one shows in <see cref="Agree"/>.</summary>
public sealed class EcdheKey
{
    private readonly byte[] _point;

    private EcdheKey(int suite, byte[] point, string field) => (Cryptosuite, _point, Field) = (suite, point, field);

    /// <summary>Whose curve it is on.</summary>
    public int Cryptosuite { get; }
    private string Field { get; }

    /// <param name="field">The member it came in, for errors.</param>
    /// <exception cref="NoobException">1005.</exception>
    internal static EcdheKey Parse(ReadOnlyMemory<byte> jwk, string field, NoobVariant variant)
    {
        JsonDocument json;
        try
        {
            json = JsonDocument.Parse(jwk, new JsonDocumentOptions { MaxDepth = 16, AllowDuplicateProperties = false });
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw Invalid(field, "a member stands there twice.", e);
        }
        using (json)
        {
            string? Text(string name)
            {
                try
                {
                    return json.RootElement.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
                }
                catch (InvalidOperationException e)
                {
                    throw Invalid(field, "half a surrogate pair.", e);
                }
            }
            byte[] Coordinate(string name)
            {
                var value = new byte[32];
                return Text(name) is { } text && Base64Text.TryDecode(text, value) ? value : throw Invalid(field, $"{name} has not 32 bytes in base64url.");
            }
            switch (Text("crv"))
            {
                case "X25519" when Text("kty") is { } kty && (kty == "OKP" || variant.X25519KeyType != "OKP"):
                    return new EcdheKey(Cryptosuites.X25519, Coordinate("x"), field);
                case "P-256" when Text("kty") == "EC":
                    return new EcdheKey(Cryptosuites.P256, UncompressedPoint.Encode(Coordinate("x"), Coordinate("y"), 32), field);
                default:
                    throw Invalid(field, "kty and crv name no key of a cryptosuite.");
            }
        }
    }

    /// <summary>The JWK of a key of ours.</summary>
    internal static byte[] Write(AgreementKey key, int suite, NoobVariant variant)
    {
        var point = key.PublicPoint.Span;
        return Encoding.ASCII.GetBytes(suite == Cryptosuites.X25519
            ? $$"""{"kty":"{{variant.X25519KeyType}}","crv":"X25519","x":"{{Base64Text.Encode(point)}}"}"""
            : $$"""{"kty":"EC","crv":"P-256","x":"{{Base64Text.Encode(point[1..33])}}","y":"{{Base64Text.Encode(point[33..])}}"}""");
    }

    /// <summary>Z, 32 bytes.</summary>
    /// <param name="suite">That was negotiated.</param>
    /// <exception cref="NoobException">1005: on another curve, or no valid point.</exception>
    internal byte[] Agree(AgreementKey ours, int suite)
    {
        if (Cryptosuite != suite)
            throw Invalid(Field, $"it is of cryptosuite {Cryptosuite}; {suite} was negotiated.");
        try
        {
            return ours.Agree(_point);
        }
        catch (CryptographicException e)
        {
            throw Invalid(Field, e.Message, e);
        }
    }

    private static NoobException Invalid(string field, string sentence, Exception? inner = null) => new(NoobErrorCode.InvalidEcdheKey, field, $"{field}: {sentence}", inner);
}
