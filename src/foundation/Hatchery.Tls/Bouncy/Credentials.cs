using System.Security.Cryptography;
using Org.BouncyCastle.Tls;
using Org.BouncyCastle.Tls.Crypto;
using HashAlgorithm = Org.BouncyCastle.Tls.HashAlgorithm;

namespace Hatchery.Tls.Bouncy;

/// <summary>Signs in a handshake with the key of a <see cref="TlsIdentity"/>.</summary>
internal static class Credentials
{
    /// <summary>Null if the peer takes no signature that the key can make.</summary>
    /// <param name="requestContext">Of the CertificateRequest (TLS 1.3); empty on a server.</param>
    public static TlsCredentialedSigner? For(TlsIdentity identity, TlsContext context, ChanceCrypto crypto, IEnumerable<SignatureAndHashAlgorithm>? accepted,
        byte[]? requestContext)
    {
        short hash = identity.Key.KeySize == 256 ? HashAlgorithm.sha256 : HashAlgorithm.sha384;
        var algorithm = SignatureAndHashAlgorithm.GetInstance(hash, SignatureAlgorithm.ecdsa);
        if (accepted?.Contains(algorithm) != true)
            return null;
        var chain = identity.Chain.Select(crypto.CreateCertificate).ToArray();
        var certificate = TlsUtilities.IsTlsV13(context)
            ? new Certificate(requestContext ?? [], [.. chain.Select(c => new CertificateEntry(c, null))]) : new Certificate(chain);
        return new DefaultTlsCredentialedSigner(new TlsCryptoParameters(context), new Signer(identity.Key, crypto), certificate, algorithm);
    }

    private sealed class Signer(ECDsa key, ChanceCrypto crypto) : TlsSigner
    {
        public byte[] GenerateRawSignature(SignatureAndHashAlgorithm algorithm, byte[] hash) =>
            crypto.Chance.Signer(key, $"TLS.{crypto.Side}.signature").SignHash(hash, DSASignatureFormat.Rfc3279DerSequence);

        public TlsStreamSigner? GetStreamSigner(SignatureAndHashAlgorithm algorithm) => null;
    }
}
