using System.Collections.Immutable;
using System.Security.Cryptography;
using Hatchery.Cryptography.Cose;

namespace Hatchery.Fdo;

/// <summary>cipherSuiteName (FDO 1.1 §4.4): COSE numbers, and the standard's own for encrypt-then-MAC.</summary>
public enum CipherSuiteName
{
    A128Gcm = 1, A192Gcm = 2, A256Gcm = 3, AesCcm16_128_128 = 30, AesCcm16_128_256 = 31, AesCcm64_128_128 = 32, AesCcm64_128_256 = 33,
    CoseAes128Cbc = -17760703, CoseAes128Ctr = -17760704, CoseAes256Cbc = -17760705, CoseAes256Ctr = -17760706,
}

/// <summary>How messages 65 to 71 are protected. A suite makes its session keys, and these know container, algorithm and IV.</summary>
public abstract class CipherSuite
{
    public static readonly CipherSuite A128Gcm = new GcmSuite(CipherSuiteName.A128Gcm, 128), A256Gcm = new GcmSuite(CipherSuiteName.A256Gcm, 256);

    /// <summary>What is implemented, best first.</summary>
    public static readonly ImmutableArray<CipherSuite> All = [A256Gcm, A128Gcm];

    private protected CipherSuite(CipherSuiteName name) => Name = name;

    public CipherSuiteName Name { get; }

    /// <summary>Null: the number is none of <see cref="CipherSuiteName"/>, or not implemented.</summary>
    public static CipherSuite? Find(int number)
    {
        foreach (var suite in All)
            if ((int)suite.Name == number)
                return suite;
        return null;
    }

    /// <exception cref="FdoException">101: not supported.</exception>
    public static CipherSuite Require(int number) => Find(number)
        ?? throw FdoException.Invalid("cipherSuiteName", $"{(Enum.IsDefined((CipherSuiteName)number) ? ((CipherSuiteName)number).ToString() : number)} is not supported.");

    /// <param name="shSe">The shared secret of the key exchange.</param>
    /// <param name="contextRand">Empty for ECDH.</param>
    public abstract SessionKeys Derive(ReadOnlySpan<byte> shSe, ReadOnlySpan<byte> contextRand);

    /// <summary>Session keys that were stored, see <see cref="SessionKeys.Material"/>.</summary>
    public abstract SessionKeys Restore(SecretBytes material);

    private sealed class GcmSuite(CipherSuiteName name, int bits) : CipherSuite(name)
    {
        public override SessionKeys Derive(ReadOnlySpan<byte> shSe, ReadOnlySpan<byte> contextRand)
        {
            var sevk = KeySchedule.Derive(HashAlgorithmName.SHA256, shSe, contextRand, bits);
            var keys = new GcmSessionKeys(this, new SecretBytes(sevk));
            CryptographicOperations.ZeroMemory(sevk);
            return keys;
        }

        public override SessionKeys Restore(SecretBytes material) => material.Length * 8 == bits ? new GcmSessionKeys(this, material)
            : throw new ArgumentException("The key has not the size that the suite needs.", nameof(material));
    }
}

/// <summary>The keys of one TO2 session; the same in both directions. Not for several threads at once.</summary>
public abstract class SessionKeys : IDisposable
{
    private protected SessionKeys(CipherSuite suite, SecretBytes material) => (Suite, Material) = (suite, material);

    public CipherSuite Suite { get; }
    /// <summary>SEVK, or SEK and SVK one behind the other; to be stored sealed where sessions are shared.</summary>
    public SecretBytes Material { get; }

    /// <exception cref="FdoException">100: not the suite's container, or it does not decrypt.</exception>
    internal abstract byte[] Open(ReadOnlyMemory<byte> message, string name);
    internal abstract ReadOnlyMemory<byte> Seal(ReadOnlySpan<byte> plain, Chance chance);

    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    protected virtual void Dispose(bool disposing) => Material.Dispose();

    public override string ToString() => "[session keys]";
}

internal sealed class GcmSessionKeys(CipherSuite suite, SecretBytes material) : SessionKeys(suite, material)
{
    private readonly AesGcm _aes = new(material.Reveal(), CoseEncrypt0.GcmTagSize);

    internal override byte[] Open(ReadOnlyMemory<byte> message, string name) =>
        CoseEncrypt0.Parse(message, FdoException.Body, name).Decrypt((int)Suite.Name, _aes)
            ?? throw new FdoException(FdoErrorCode.MessageBodyError, name, $"{name}: does not decrypt under the session's key and suite.");

    internal override ReadOnlyMemory<byte> Seal(ReadOnlySpan<byte> plain, Chance chance) =>
        CoseEncrypt0.Encrypt((int)Suite.Name, _aes, plain, chance, "TO2.IV").Raw;

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _aes.Dispose();
        base.Dispose(disposing);
    }
}
