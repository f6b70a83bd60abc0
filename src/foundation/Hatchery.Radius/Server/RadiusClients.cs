using System.Collections.Immutable;
using System.Net;

namespace Hatchery.Radius.Server;

/// <summary>A NAS or proxy that may ask us (RFC 2865 calls it the client).</summary>
/// <param name="Name">Ours, for logs and policy.</param>
/// <param name="Prefix">Addresses that it speaks from.</param>
public sealed record RadiusNas(string Name, IPNetwork Prefix, RadiusSecret Secret)
{
    /// <summary>Access-Requests without Message-Authenticator are discarded. Off only for a NAS that cannot, and never for requests with EAP; without it the
    /// NAS accepts forged answers (CVE-2024-3596), which our own Message-Authenticator prevents only where the NAS checks it.</summary>
    public bool RequireMessageAuthenticator { get; init; } = true;
    /// <summary>Requests in work at once; further ones are dropped and come again.</summary>
    public int MaxPending { get; init; } = 1024;
}

/// <summary>Who may ask, by address: the longest prefix counts.</summary>
public sealed class RadiusClients
{
    private readonly ImmutableArray<RadiusNas> _byLength;

    public RadiusClients(IEnumerable<RadiusNas> all)
    {
        _byLength = [.. all.OrderByDescending(n => n.Prefix.PrefixLength)];
        for (int i = 1; i < _byLength.Length; i++)
            if (_byLength.AsSpan(0, i).ToArray().Any(n => n.Prefix.Equals(_byLength[i].Prefix)))
                throw new ArgumentException($"{_byLength[i].Prefix} stands there twice.", nameof(all));
    }

    /// <summary>Null: an unknown one.</summary>
    public RadiusNas? Find(IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6)
            address = address.MapToIPv4();
        foreach (var nas in _byLength)
            if (nas.Prefix.BaseAddress.AddressFamily == address.AddressFamily && nas.Prefix.Contains(address))
                return nas;
        return null;
    }
}
