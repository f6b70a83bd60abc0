using System.Collections.Immutable;

namespace Hatchery.Fdo.Owner;

/// <summary>The owner's keys, found by the SHA-256 of their SubjectPublicKeyInfo.</summary>
public sealed class OwnerKeys
{
    private readonly ImmutableDictionary<string, (FdoPrivateKey Key, FdoPublicKey Public)> _keys;

    public OwnerKeys(params ReadOnlySpan<FdoPrivateKey> keys)
    {
        var all = ImmutableDictionary.CreateBuilder<string, (FdoPrivateKey, FdoPublicKey)>();
        foreach (var key in keys)
        {
            var known = FdoPublicKey.From(key);
            all[known.Fingerprint] = (key, known);
        }
        _keys = all.ToImmutable();
    }

    public IEnumerable<FdoPublicKey> Public => _keys.Values.Select(k => k.Public).OrderBy(k => k.Type);
    public (FdoPrivateKey Key, FdoPublicKey Public)? Find(string fingerprint) => _keys.TryGetValue(fingerprint, out var found) ? found : null;
}

public sealed class OwnerOptions
{
    public required OwnerKeys Keys { get; init; }
    /// <summary>What devices are told to use from then on; null: what they had.</summary>
    public RendezvousInfo? ReplacementRendezvousInfo { get; init; }
    public IServiceInfoPlanner Planner { get; init; } = new OnePlan(ServiceInfoPlan.Empty);
    /// <summary>Where devices are redirected to; signed into to1d.</summary>
    public ImmutableArray<To2AddressEntry> Addresses { get; init; } = [];
    /// <summary>Asked for in TO0, in seconds.</summary>
    public uint WaitSeconds { get; init; } = 7 * 24 * 3600;
    /// <summary>Bytes of ServiceInfo that we take in one message.</summary>
    public ushort MaxDeviceServiceInfo { get; init; } = 8192;
    /// <summary>Which devices are asked to keep their credential (FDO 1.1 §7), by their GUID and the profile that the policy gave; null: none. Whoever owns
    /// such a device may onboard it again and again, so it is for demonstrations and for tests in a factory.</summary>
    public Func<Guid, string, bool>? ReuseCredential { get; init; }
    /// <summary>How messages are sealed where the device chose AES-CTR or AES-CBC: the owner speaks first, so it must know what its devices understand.</summary>
    public EncryptThenMacProfile EncryptThenMac { get; init; } = EncryptThenMacProfile.Strict;
    /// <summary>Experimental: who signs to1d and ProveOVHdr in the place of the owner's key of this fingerprint; null: the owner's key itself.</summary>
    public Func<string, OwnerDelegate?>? Delegate { get; init; }
    /// <summary>A conversation that says nothing for so long is forgotten.</summary>
    public TimeSpan Idle { get; init; } = TimeSpan.FromMinutes(5);
}
