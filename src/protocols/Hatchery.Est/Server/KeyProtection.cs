using System.Collections.Immutable;
using System.Security.Cryptography.X509Certificates;
using Hatchery.Pki;

namespace Hatchery.Est.Server;

/// <summary>How a generated key is protected on its way, beside TLS (RFC 7030, section 4.4.1).</summary>
internal abstract class KeyProtection
{
    public virtual KeyForm Form => KeyForm.Enveloped;

    /// <param name="pkcs8">DER; the caller clears it.</param>
    public abstract SecretBytes Wrap(ReadOnlySpan<byte> pkcs8, Chance chance);

    /// <exception cref="EstException">The request names a key that is not known here, or cannot be used so.</exception>
    public static KeyProtection For(Pkcs10 request, ClientIdentity identity, KeyGenerationOptions options)
    {
        if (request.DecryptKeyIdentifier is { } symmetric)
        {
            var kek = options.SymmetricKeyOf?.Invoke(symmetric) ?? throw EstException.Malformed("decryptKeyID", "the symmetric key that the request names is not known here.");
            return Enveloped(request, options, EnvelopeRecipient.Kek(symmetric, kek));
        }
        if (request.AsymmetricDecryptKeyIdentifier is { } asymmetric)
            return Enveloped(request, options, Recipient(request, asymmetric, CertificateOf(asymmetric, identity, options)));
        return options.Clear ? new InClear() : throw EstException.Malformed("decryptKeyID", "a generated key is given only encrypted; name the key to encrypt it with.");
    }

    private static Certificate CertificateOf(ReadOnlyMemory<byte> identifier, ClientIdentity identity, KeyGenerationOptions options)
    {
        var found = options.CertificateOf?.Invoke(identifier);
        if (found is null && identity.Certificate is { SubjectKeyIdentifier: { } own } shown && own.Span.SequenceEqual(identifier.Span))
            found = shown;
        if (found is null)
            throw EstException.Malformed("asymmDecryptKeyID", "the key that the request names is not known here.");
        var needed = found.Key.IsRsa ? X509KeyUsageFlags.KeyEncipherment : X509KeyUsageFlags.KeyAgreement;
        return found.KeyUsage is not { } usage || usage.HasFlag(needed) ? found
            : throw EstException.Malformed("asymmDecryptKeyID", $"the certificate of the key that the request names does not allow {needed}.");
    }

    private static EnvelopeRecipient Recipient(Pkcs10 request, ReadOnlyMemory<byte> identifier, Certificate certificate)
    {
        var known = request.SmimeCapabilities;
        if (certificate.Key.IsRsa)
            return EnvelopeRecipient.Rsa(identifier, certificate.Key, oaep: !known.Contains(Oids.RsaEncryption) || known.Contains(Oids.RsaEsOaep));
        string wrap = known.FirstOrDefault(o => o is Oids.Aes128Wrap or Oids.Aes192Wrap or Oids.Aes256Wrap) ?? Oids.Aes256Wrap;
        return EnvelopeRecipient.Ec(identifier, certificate.Key, wrap);
    }

    private static InEnvelope Enveloped(Pkcs10 request, KeyGenerationOptions options, EnvelopeRecipient recipient)
    {
        if (options.Signer is not { } signer)
            throw EstException.Malformed("decryptKeyID", "encrypted keys are not offered here.");
        string cipher = request.SmimeCapabilities.FirstOrDefault(o => o is Oids.Aes128Cbc or Oids.Aes192Cbc or Oids.Aes256Cbc) ?? Oids.Aes256Cbc;
        return new InEnvelope(signer, options.SignerChain, recipient, cipher);
    }

    private sealed class InClear : KeyProtection
    {
        public override KeyForm Form => KeyForm.Pkcs8;
        public override SecretBytes Wrap(ReadOnlySpan<byte> pkcs8, Chance chance) => new(pkcs8);
    }

    private sealed class InEnvelope(SignatureKey signer, ImmutableArray<ReadOnlyMemory<byte>> chain, EnvelopeRecipient recipient, string cipher) : KeyProtection
    {
        public override SecretBytes Wrap(ReadOnlySpan<byte> pkcs8, Chance chance) => new(KeyPackage.Seal(pkcs8, signer, chain, recipient, chance, cipher).Span);
    }
}
