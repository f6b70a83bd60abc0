using System.Collections.Immutable;

namespace Hatchery.Fdo.Device;

/// <summary>What devmod tells the owner (FDO 1.1 §3.8.3.1).</summary>
public sealed record DeviceFacts(string Os, string Arch, string Version, string Device, string? SerialNumber = null, string Separator = ";",
    string PathSeparator = "/", string Binary = "x64", string? Newline = "\n");

public sealed record DeviceOptions
{
    public required DeviceFacts Facts { get; init; }
    /// <summary>Names of the modules behind <see cref="ServiceInfoNeed"/>; devmod is added.</summary>
    public ImmutableArray<string> Modules { get; init; } = [];
    public CipherSuite Cipher { get; init; } = CipherSuite.A256Gcm;
    /// <summary>How messages are sealed under AES-CTR and AES-CBC; null: found out from the owner's first.</summary>
    public EncryptThenMacProfile? EncryptThenMac { get; init; }
    /// <summary>Null: what fits the owners' keys; with RSA keys Diffie-Hellman, which protects the past when a key is lost.</summary>
    public KeyExchangeSuite? KeyExchange { get; init; }
    /// <summary>The longest message that we take.</summary>
    public ushort MaxMessage { get; init; } = ushort.MaxValue;
    /// <summary>Bytes of ServiceInfo that we take in one message; at least 256.</summary>
    public ushort MaxServiceInfo { get; init; } = 1300;
    /// <summary>Take the present credential again where the owner wishes it (FDO 1.1 §7): the owner may then onboard the device as often as it likes. Otherwise
    /// such an owner is answered with error 102.</summary>
    public bool AcceptCredentialReuse { get; init; }
    /// <summary>Experimental: believe an owner's delegate.</summary>
    public bool AllowDelegates { get; init; }
    /// <summary>Messages 68 and 69 in one TO2, both sides counted; the standard's limit.</summary>
    public int MaxRounds { get; init; } = 1_000_000;
    /// <summary>A voucher without entries makes the manufacturer the owner.</summary>
    public bool ManufacturerMayOwn { get; init; }
    /// <summary>How often all directives are tried before the run ends as failed; null: for ever, as the standard has it.</summary>
    public int? Rounds { get; init; }
    /// <summary>Between two rounds, if the last directive names no delay; give or take a quarter.</summary>
    public TimeSpan RoundDelay { get; init; } = TimeSpan.FromSeconds(120);
}
