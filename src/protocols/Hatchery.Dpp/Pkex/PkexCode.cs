using System.Text;

namespace Hatchery.Dpp;

/// <summary>A code that two people entered, one at each side, for one exchange of bootstrapping keys (DPP §5.6). Wrong answers are counted: at five it is of no
/// more use, and so it is after one success, whose participant could otherwise take part in the next. May be shared by threads.</summary>
public sealed class PkexCode
{
    public const int MaxFailures = 5, MaxCode = 512, MaxIdentifier = 80;
    private readonly byte[] _code;
    private int _failures, _spent, _busy;

    /// <param name="code">1 to 512 bytes; UTF-8 where people type it, and then 8 at least are wise.</param>
    /// <param name="identifier">At most 80 bytes of UTF-8; null: none.</param>
    /// <param name="failures">As kept from a run before.</param>
    public PkexCode(SecretBytes code, string? identifier, int failures = 0)
    {
        if (code.Length is 0 or > MaxCode)
            throw new ArgumentException($"A code has 1 to {MaxCode} bytes.", nameof(code));
        if (identifier is not null && Encoding.UTF8.GetByteCount(identifier) > MaxIdentifier)
            throw new ArgumentException($"An identifier has at most {MaxIdentifier} bytes.", nameof(identifier));
        (_code, Identifier, _failures) = (code.Reveal().ToArray(), identifier, failures);
    }

    public static PkexCode FromText(string code, string? identifier) => new(new SecretBytes(Encoding.UTF8.GetBytes(code)), identifier);

    public string? Identifier { get; }
    /// <summary>t of the standard.</summary>
    public int Failures => Volatile.Read(ref _failures);
    public bool IsUsable => Volatile.Read(ref _spent) == 0 && Failures < MaxFailures;
    internal ReadOnlySpan<byte> Bytes => _code;

    /// <summary>One exchange at a time; false: another is on its way, or the code is of no more use.</summary>
    internal bool TryBegin() => IsUsable && Interlocked.CompareExchange(ref _busy, 1, 0) == 0;
    internal void End() => Volatile.Write(ref _busy, 0);
    internal void Fail() => Interlocked.Increment(ref _failures);

    internal void Spend()
    {
        Volatile.Write(ref _spent, 1);
        System.Security.Cryptography.CryptographicOperations.ZeroMemory(_code);
    }
}

/// <summary>What a side of PKEX brings.</summary>
/// <param name="Version">Of PKEX: 1 binds the MAC addresses and is for radio only, 2 binds versions.</param>
/// <param name="ProtocolVersion">Ours.</param>
/// <param name="Own">On the curve of the exchange.</param>
/// <param name="OwnMac">6 bytes; of version 1.</param>
public sealed record PkexOptions(PkexCode Code, BootstrappingKeyPair Own, int Version, int ProtocolVersion, ReadOnlyMemory<byte> OwnMac, bool FromEnrollee);
