using System.Collections.Immutable;
using System.Security.Cryptography;
using Hatchery.Cryptography;

namespace Hatchery.Fdo;

/// <summary>ASYMKEX2048 and ASYMKEX3072 (FDO 1.1 §3.6): the device encrypts its random to the owner's RSA key. Whoever gets that key later reads
/// what was recorded, which Diffie-Hellman prevents.</summary>
internal sealed class AsymmetricSuite(string name, int random, int ownerBits) : KeyExchangeSuite(name)
{
    public static readonly AsymmetricSuite Asymkex2048 = new("ASYMKEX2048", 32, 2048), Asymkex3072 = new("ASYMKEX3072", 96, 3072);
    public static readonly ImmutableArray<KeyExchangeSuite> Both = [Asymkex2048, Asymkex3072];

    /// <summary>Bytes of each side's random.</summary>
    public int Random => random;

    public override bool Fits(FdoPublicKey owner) => !owner.IsElliptic && owner.KeySize == ownerBits;
    public override KeyExchange BeginOwner(Chance chance) => new AsymmetricExchange(this, chance.Bytes(random, "TO2.xA"), null);

    public override KeyExchange BeginDevice(Chance chance, FdoPublicKey owner)
    {
        var drawn = chance.Bytes(random, "TO2.xB");
        return new AsymmetricExchange(this, drawn, RsaOaep.Encrypt(owner.RsaVerifier("CUPHOwnerPubKey"), drawn, chance, "TO2.xB.OAEP"));
    }

    internal override KeyExchange RestoreOwner(ReadOnlySpan<byte> exported) => new AsymmetricExchange(this, exported.ToArray(), null);
}

/// <param name="encrypted">The device's; null on the owner, whose random goes out in clear.</param>
internal sealed class AsymmetricExchange(AsymmetricSuite suite, byte[] random, byte[]? encrypted) : KeyExchange
{
    public override ReadOnlyMemory<byte> Parameter => encrypted ?? random;

    internal override SecretBytes Export() => new(random);

    /// <summary>ShSe: the device's random; ContextRand: the owner's.</summary>
    public override SessionKeys Complete(ReadOnlyMemory<byte> peerParameter, CipherSuite cipher, FdoPrivateKey? owner = null)
    {
        if (encrypted is not null)
            return peerParameter.Length == suite.Random ? cipher.Derive(random, peerParameter.Span)
                : throw FdoException.Invalid("xAKeyExchange", $"{peerParameter.Length} bytes where {suite.Random} are needed.");
        var device = RsaOaep.Decrypt(owner?.Rsa ?? throw new ArgumentException("ASYMKEX needs the owner's RSA key.", nameof(owner)), peerParameter.Span);
        try
        {
            // One sentence for all that may be wrong: an answer that told more would decrypt for whoever asks often enough.
            return device?.Length == suite.Random ? cipher.Derive(device, random)
                : throw FdoException.Invalid("xBKeyExchange", "not the device's random under the owner's key.");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(device);
        }
    }

    protected override void Dispose(bool disposing) => CryptographicOperations.ZeroMemory(random);
}
