using Hatchery.Pki;

namespace Hatchery.Est.Server;

/// <summary>How a generated key is protected on its way, beside TLS (RFC 7030, section 4.4.1).</summary>
internal abstract class KeyProtection
{
    public virtual KeyForm Form => KeyForm.Enveloped;

    /// <param name="pkcs8">DER; the caller clears it.</param>
    public abstract SecretBytes Wrap(ReadOnlySpan<byte> pkcs8, Chance chance, DateTimeOffset now);

    /// <exception cref="EstException">The request names a key that is not known here.</exception>
    public static KeyProtection For(Pkcs10 request, ClientIdentity identity, KeyGenerationOptions options)
    {
        if (request.DecryptKeyIdentifier is not null || request.AsymmetricDecryptKeyIdentifier is not null)
            throw EstException.Malformed("decryptKeyID", "there is no such key here.");
        return options.Clear ? new InClear() : throw EstException.Malformed("decryptKeyID", "a generated key is given only encrypted; name the key to encrypt it with.");
    }

    private sealed class InClear : KeyProtection
    {
        public override KeyForm Form => KeyForm.Pkcs8;
        public override SecretBytes Wrap(ReadOnlySpan<byte> pkcs8, Chance chance, DateTimeOffset now) => new(pkcs8);
    }
}
