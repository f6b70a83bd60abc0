using System.Collections.Immutable;

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
    public static readonly ImmutableArray<CipherSuite> All =
    [
        A256Gcm, A128Gcm, new GcmSuite(CipherSuiteName.A192Gcm, 192),
        new CcmSuite(CipherSuiteName.AesCcm64_128_256, 256, 7), new CcmSuite(CipherSuiteName.AesCcm64_128_128, 128, 7),
        new CcmSuite(CipherSuiteName.AesCcm16_128_256, 256, 13), new CcmSuite(CipherSuiteName.AesCcm16_128_128, 128, 13),
        new EncryptThenMacSuite(CipherSuiteName.CoseAes256Ctr), new EncryptThenMacSuite(CipherSuiteName.CoseAes128Ctr),
        new EncryptThenMacSuite(CipherSuiteName.CoseAes256Cbc), new EncryptThenMacSuite(CipherSuiteName.CoseAes128Cbc),
    ];

    private protected CipherSuite(CipherSuiteName name) => Name = name;

    public CipherSuiteName Name { get; }

    /// <summary>Null: the number is none of <see cref="CipherSuiteName"/>.</summary>
    public static CipherSuite? Find(int number)
    {
        foreach (var suite in All)
            if ((int)suite.Name == number)
                return suite;
        return null;
    }

    /// <exception cref="FdoException">101: not supported.</exception>
    public static CipherSuite Require(int number) => Find(number) ?? throw FdoException.Invalid("cipherSuiteName", $"{number} is not supported.");

    /// <summary>The suite in one reading of encrypt-then-MAC; null: the reading is found out from the first message that is opened. Suites with
    /// authenticated encryption have one reading only and are returned as they are.</summary>
    public virtual CipherSuite As(EncryptThenMacProfile? profile) => this;

    /// <param name="shSe">The shared secret of the key exchange.</param>
    /// <param name="contextRand">Empty but for ASYMKEX.</param>
    public abstract SessionKeys Derive(ReadOnlySpan<byte> shSe, ReadOnlySpan<byte> contextRand);

    /// <summary>Session keys that were stored, see <see cref="SessionKeys.Material"/>.</summary>
    public abstract SessionKeys Restore(SecretBytes material);
}

/// <summary>The keys of one TO2 session; the same in both directions. Not for several threads at once.</summary>
public abstract class SessionKeys : IDisposable
{
    private protected SessionKeys(CipherSuite suite) => Suite = suite;

    public CipherSuite Suite { get; }
    /// <summary>SEVK; or the encrypt-then-MAC profile in one byte, SEK and SVK. To be stored sealed where sessions are shared.</summary>
    public abstract SecretBytes Material { get; }

    /// <exception cref="FdoException">100: not the suite's container, or it does not decrypt.</exception>
    internal abstract byte[] Open(ReadOnlyMemory<byte> message, string name);

    /// <param name="fromOwner">Which side we are, so that the two never use one nonce.</param>
    internal abstract ReadOnlyMemory<byte> Seal(ReadOnlySpan<byte> plain, bool fromOwner, Chance chance);

    /// <summary>One sentence for whatever may be wrong inside.</summary>
    private protected static FdoException DoesNotOpen(string name) =>
        new(FdoErrorCode.MessageBodyError, name, $"{name}: does not decrypt under the session's key and suite.");

    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    protected virtual void Dispose(bool disposing) { }

    public override string ToString() => "[session keys]";
}
