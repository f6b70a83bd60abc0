using System.Security.Cryptography;
using Hatchery.Cryptography;
using Org.BouncyCastle.Tls;
using Org.BouncyCastle.Tls.Crypto;
using Org.BouncyCastle.Tls.Crypto.Impl.BC;

namespace Hatchery.Tls.Bouncy;

/// <summary>A certificate whose ECDSA key is a key object of the platform, which counts what it verifies.</summary>
internal sealed class PeerCertificate(BcTlsCrypto crypto, byte[] encoding) : BcTlsCertificate(crypto, encoding)
{
    public override TlsVerifier CreateVerifier(short signatureAlgorithm)
    {
        var checkedForUsage = base.CreateVerifier(signatureAlgorithm);
        return signatureAlgorithm == SignatureAlgorithm.ecdsa ? new Verifier12(Key()) : checkedForUsage;
    }

    public override Tls13Verifier CreateVerifier(int signatureScheme)
    {
        var checkedForUsage = base.CreateVerifier(signatureScheme);
        (int size, var hash) = signatureScheme switch
        {
            SignatureScheme.ecdsa_secp256r1_sha256 => (256, HashAlgorithmName.SHA256),
            SignatureScheme.ecdsa_secp384r1_sha384 => (384, HashAlgorithmName.SHA384),
            _ => default,
        };
        if (size == 0)
            return checkedForUsage;
        var key = Key();
        // RFC 8446, section 4.2.3: in TLS 1.3 the scheme binds the curve.
        if (key.KeySize != size)
            throw new TlsFatalAlert(AlertDescription.illegal_parameter, "The signature scheme is not that of the certificate's curve.");
        return new Verifier13(key, hash);
    }

    private ECDsa Key()
    {
        try
        {
            return SigningKeys.ImportPublic(m_keyInfo.GetDerEncoded());
        }
        catch (CryptographicException e)
        {
            throw new TlsFatalAlert(AlertDescription.unsupported_certificate, "The certificate's key is no EC key of a known curve.", e);
        }
    }

    private sealed class Verifier12(ECDsa key) : TlsVerifier
    {
        public TlsStreamVerifier? GetStreamVerifier(DigitallySigned digitallySigned) => null;
        public bool VerifyRawSignature(DigitallySigned digitallySigned, byte[] hash) =>
            digitallySigned.Algorithm is { Signature: SignatureAlgorithm.ecdsa } && key.VerifyHash(hash, digitallySigned.Signature, DSASignatureFormat.Rfc3279DerSequence);
    }

    private sealed class Verifier13(ECDsa key, HashAlgorithmName hash) : Tls13Verifier
    {
        private readonly MemoryStream _signed = new();
        public Stream Stream => _signed;
        public bool VerifySignature(byte[] signature) =>
            key.VerifyData(_signed.GetBuffer().AsSpan(0, (int)_signed.Length), signature, hash, DSASignatureFormat.Rfc3279DerSequence);
    }
}
