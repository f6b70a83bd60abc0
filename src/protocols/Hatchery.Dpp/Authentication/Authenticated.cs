using System.Security.Cryptography;

namespace Hatchery.Dpp;

/// <summary>Roles as bits (DPP §8.1.1.7).</summary>
[Flags]
public enum DppCapabilities : byte { None = 0, Enrollee = 1, Configurator = 2, Both = 3 }

/// <summary>What two sides share after authentication, or after reconfiguration authentication, until configuration has ended.</summary>
public sealed class Authenticated : IDisposable
{
    private readonly byte[] _ke, _bk;

    internal Authenticated(DppCurve curve, byte[] ke, byte[] bk) => (Curve, _ke, _bk) = (curve, ke, bk);

    /// <summary>Of the protocol keys; sets lengths and hashes.</summary>
    public DppCurve Curve { get; }
    /// <summary>What we are.</summary>
    public DppCapabilities Role { get; init; }
    public bool IsInitiator { get; init; }
    public bool IsMutual { get; init; }
    /// <summary>The peer's, 1 if it said none.</summary>
    public int PeerVersion { get; init; } = 1;
    /// <summary>Of the peer, where it was authenticated or at least used.</summary>
    public BootstrappingKey? PeerBootstrapping { get; init; }
    /// <summary>The peer's protocol key, uncompressed.</summary>
    public ReadOnlyMemory<byte> PeerProtocolKey { get; init; }
    /// <summary>Ours; the Enrollee's becomes its netAccessKey.</summary>
    public AgreementKey? OwnProtocolKey { get; init; }
    internal byte[] Ke => _ke;
    /// <summary>Empty after reconfiguration: then there is no CSR, no new key and no backup.</summary>
    internal byte[] Bk => _bk;

    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(_ke);
        CryptographicOperations.ZeroMemory(_bk);
    }
}

/// <summary>What came of a message of authentication.</summary>
/// <param name="Reply">To be sent, also where <paramref name="Failure"/> is set: the peer is told.</param>
/// <param name="Done">Set when authentication succeeded.</param>
/// <param name="Failure">The end: nothing more may be sent or taken in this exchange.</param>
public readonly record struct AuthenticationTurn(DppFrame? Reply, Authenticated? Done, DppException? Failure)
{
    internal static AuthenticationTurn Wait => default;
}

/// <summary>What an initiator brings.</summary>
public sealed record InitiatorOptions
{
    public required BootstrappingKey Responder { get; init; }
    /// <summary>Null: a key for this exchange is made, so that the responder may ask for mutual authentication.</summary>
    public BootstrappingKeyPair? Own { get; init; }
    public required DppCapabilities Capabilities { get; init; }
    /// <summary>1 to 3.</summary>
    public int Version { get; init; } = 3;
    /// <summary>The keys come from PKEX or from NFC's negotiated handover: a response without our hash is an error.</summary>
    public bool RequiresMutual { get; init; }
    /// <summary>To go on there; null: stay.</summary>
    public DppChannel? Channel { get; init; }
}
