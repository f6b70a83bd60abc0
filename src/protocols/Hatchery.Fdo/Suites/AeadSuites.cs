using System.Security.Cryptography;
using Hatchery.Cryptography.Cose;

namespace Hatchery.Fdo;

/// <summary>A COSE_Encrypt0 under SEVK; the PRF is HMAC-SHA256 for every key size (FDO 1.1 §4.4).</summary>
internal abstract class AeadSuite(CipherSuiteName name, int bits) : CipherSuite(name)
{
    public override SessionKeys Derive(ReadOnlySpan<byte> shSe, ReadOnlySpan<byte> contextRand)
    {
        var sevk = KeySchedule.Derive(HashAlgorithmName.SHA256, shSe, contextRand, bits);
        var keys = Make(new SecretBytes(sevk));
        CryptographicOperations.ZeroMemory(sevk);
        return keys;
    }

    public override SessionKeys Restore(SecretBytes material) => material.Length * 8 == bits ? Make(material)
        : throw new ArgumentException("The key has not the size that the suite needs.", nameof(material));

    protected abstract SessionKeys Make(SecretBytes sevk);
}

internal sealed class GcmSuite(CipherSuiteName name, int bits) : AeadSuite(name, bits)
{
    protected override SessionKeys Make(SecretBytes sevk) => new GcmSessionKeys(this, sevk);
}

internal sealed class GcmSessionKeys(CipherSuite suite, SecretBytes material) : SessionKeys(suite)
{
    private readonly AesGcm _aes = new(material.Reveal(), CoseEncrypt0.GcmTagSize);

    public override SecretBytes Material => material;

    internal override byte[] Open(ReadOnlyMemory<byte> message, string name) =>
        CoseEncrypt0.Parse(message, FdoException.Body, name).Decrypt((int)Suite.Name, _aes) ?? throw DoesNotOpen(name);

    internal override ReadOnlyMemory<byte> Seal(ReadOnlySpan<byte> plain, bool fromOwner, Chance chance) =>
        CoseEncrypt0.Encrypt((int)Suite.Name, _aes, plain, chance, "TO2.IV").Raw;

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _aes.Dispose();
        material.Dispose();
    }
}

/// <param name="nonce">Bytes: 7 or 13.</param>
internal sealed class CcmSuite(CipherSuiteName name, int bits, int nonce) : AeadSuite(name, bits)
{
    protected override SessionKeys Make(SecretBytes sevk) => new CcmSessionKeys(this, sevk, nonce);
}

/// <summary>The nonce is drawn anew for each message, its first bit telling the sender: a counter would repeat where a stored session is taken up
/// again at an older message. Of 55 random bits two are equal among the 1,000,000 messages that a session may have once in 65,000 such sessions, and
/// once in 10^12 sessions of 300 messages.</summary>
internal sealed class CcmSessionKeys(CipherSuite suite, SecretBytes material, int nonce) : SessionKeys(suite)
{
    private readonly AesCcm _aes = new(material.Reveal());

    public override SecretBytes Material => material;

    internal override byte[] Open(ReadOnlyMemory<byte> message, string name) =>
        CoseEncrypt0.Parse(message, FdoException.Body, name).Decrypt((int)Suite.Name, _aes, nonce) ?? throw DoesNotOpen(name);

    internal override ReadOnlyMemory<byte> Seal(ReadOnlySpan<byte> plain, bool fromOwner, Chance chance)
    {
        var iv = chance.Bytes(nonce, "TO2.IV");
        iv[0] = (byte)(fromOwner ? iv[0] | 0x80 : iv[0] & 0x7F);
        return CoseEncrypt0.Encrypt((int)Suite.Name, _aes, plain, iv).Raw;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _aes.Dispose();
        material.Dispose();
    }
}
