using System.Security.Cryptography;

namespace Hatchery;

/// <summary>Randomness. Every draw is named, so a vector supplies values by name and the order of draws may change. Implementations:
/// SystemChance (Cryptography), SeededChance and RecordedChance (Simulation).</summary>
public abstract class Chance
{
    /// <param name="use">The standard's name of the value, with its message: "TO2.NonceTO2ProveDv", "DTLS.client_random".</param>
    public abstract void Fill(Span<byte> destination, string use);

    public abstract AgreementKey NewAgreementKey(ECCurve curve, string use);

    /// <summary>A new ECDSA key pair.</summary>
    public abstract ECDsa NewSigningKey(ECCurve curve, string use);

    /// <summary>The key to sign with. Production: the key itself. Seeded: one whose signatures repeat (RFC 6979). Recorded: one that
    /// verifies the recorded signature over exactly the bytes it is to sign, and returns it.</summary>
    public virtual ECDsa Signer(ECDsa key, string use) => key;

    /// <inheritdoc cref="Signer(ECDsa, string)"/>
    public virtual RSA Signer(RSA key, string use) => key;

    public byte[] Bytes(int length, string use)
    {
        var bytes = new byte[length];
        Fill(bytes, use);
        return bytes;
    }
}

/// <summary>An ephemeral elliptic-curve key of one key agreement.</summary>
public abstract class AgreementKey : IDisposable
{
    /// <summary>Uncompressed point: 04, x, y, each coordinate of the curve's fixed width.</summary>
    public abstract ReadOnlyMemory<byte> PublicPoint { get; }

    /// <summary>The raw x coordinate of the shared point, fixed width.</summary>
    /// <param name="peerPoint">Uncompressed. A point that is not on the curve, or infinity, throws <see cref="CryptographicException"/>.</param>
    public abstract byte[] Agree(ReadOnlySpan<byte> peerPoint);

    /// <summary>The private scalar, big endian, of the curve's width: for a session that may go on in another process.</summary>
    public virtual SecretBytes ExportScalar() => throw new NotSupportedException("This key stays where it is.");

    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    protected virtual void Dispose(bool disposing) { }
}

/// <summary>Counts public-key operations for the survey. Key objects call <see cref="Count"/>; who is charged flows with the work.</summary>
public static class OperationMeter
{
    private static readonly AsyncLocal<Dictionary<string, int>?> s_current = new();
    private static volatile bool s_on;

    /// <summary>From here on, in this flow, operations are added to the ledger; returns the ledger that was in force.</summary>
    public static Dictionary<string, int>? Charge(Dictionary<string, int>? ledger)
    {
        var before = s_current.Value;
        if (ledger is not null)
            s_on = true;
        if (!ReferenceEquals(before, ledger))
            s_current.Value = ledger;
        return before;
    }

    /// <param name="operation">"sign P-256", "verify P-384", "agree P-256", "generate P-256".</param>
    public static void Count(string operation)
    {
        if (s_on && s_current.Value is { } ledger)
            ledger[operation] = ledger.GetValueOrDefault(operation) + 1;
    }
}
