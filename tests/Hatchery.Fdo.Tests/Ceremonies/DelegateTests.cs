using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Hatchery.Fdo.Owner;

namespace Hatchery.Fdo.Tests.Ceremonies;

/// <summary>Experimental: delegates of an owner.</summary>
public sealed class DelegateTests
{
    private static readonly ECCurve s_p256 = ECCurve.NamedCurves.nistP256;
    private static readonly DelegatePermission[] s_all = [DelegatePermission.Redirect, DelegatePermission.OnboardNewCredential];

    private static byte[] Certify(ECDsa subject, ECDsa issuer, params DelegatePermission[] permissions)
    {
        var request = new CertificateRequest("CN=delegate", subject, HashAlgorithmName.SHA256);
        if (permissions.Length > 0)
            request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([.. permissions.Select(p => new Oid(DelegateChain.Oid(p)))], critical: true));
        var generator = X509SignatureGenerator.CreateForECDsa(issuer);
        return request.Create(new X500DistinguishedName("CN=owner"), generator, DirectWorld<DeviceCredential>.Start, DirectWorld<DeviceCredential>.Start.AddDays(1), [1, 2, 3]).RawData;
    }

    private static (Outcome Outcome, Fleet Fleet) Run(ECDsa owner, OwnerDelegate stands, bool rendezvous = true, bool device = true)
    {
        var fleet = new Fleet(ECDsa.Create(s_p256), owner, stands: stands, delegates: rendezvous);
        var credential = fleet.Manufacture(s_p256);
        var registered = fleet.Register(fleet.SellAsync(credential.Guid).GetAwaiter().GetResult());
        if (!registered.Succeeded)
            return (registered, fleet);
        var world = fleet.World<DeviceCredential>();
        return (world.Run(fleet.Driver(fleet.Device(credential, Fleet.DeviceOptions with { AllowDelegates = device }), world, DeviceCredential.Schema, FdoPlayers.Device)), fleet);
    }

    [Fact]
    public void A_delegate_redirects_and_onboards_in_the_owners_place()
    {
        using ECDsa owner = ECDsa.Create(s_p256), leaf = ECDsa.Create(s_p256), middle = ECDsa.Create(ECCurve.NamedCurves.nistP384);
        Assert.True(Run(owner, new OwnerDelegate(leaf, FdoPublicKey.FromChain([Certify(leaf, owner, s_all)]))).Outcome.Succeeded);
        var two = Run(owner, new OwnerDelegate(leaf, FdoPublicKey.FromChain([Certify(leaf, middle, s_all), Certify(middle, owner, s_all)])));
        Assert.True(two.Outcome.Succeeded, two.Outcome.Reason + string.Join(", ", two.Fleet.Refusals));
    }

    [Fact]
    public void Nobody_believes_a_delegate_unless_told()
    {
        using ECDsa owner = ECDsa.Create(s_p256), leaf = ECDsa.Create(s_p256);
        var stands = new OwnerDelegate(leaf, FdoPublicKey.FromChain([Certify(leaf, owner, s_all)]));
        Assert.Contains("3", Run(owner, stands, rendezvous: false).Outcome.Reason, StringComparison.Ordinal);
        Assert.Contains("believes no delegates", Run(owner, stands, device: false).Outcome.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void A_chain_of_another_owner_without_permission_or_with_a_gap_is_refused()
    {
        using ECDsa owner = ECDsa.Create(s_p256), leaf = ECDsa.Create(s_p256), thief = ECDsa.Create(s_p256), middle = ECDsa.Create(s_p256);
        FdoPublicKey[] wrong =
        [
            FdoPublicKey.FromChain([Certify(leaf, thief, s_all)]), FdoPublicKey.FromChain([Certify(leaf, owner)]), FdoPublicKey.FromChain([Certify(leaf, owner, DelegatePermission.Redirect)]),
            FdoPublicKey.FromChain([Certify(leaf, owner, DelegatePermission.Redirect, DelegatePermission.OnboardReuseCredential)]),
            FdoPublicKey.FromChain([Certify(leaf, thief, s_all), Certify(middle, owner, s_all)]), FdoPublicKey.FromChain([Certify(leaf, middle, s_all), Certify(middle, owner, DelegatePermission.Redirect)]),
            FdoPublicKey.FromChain([Certify(leaf, leaf, s_all), Certify(leaf, owner, s_all), Certify(owner, owner, s_all), Certify(owner, owner, s_all), Certify(owner, owner, s_all)]),
        ];
        foreach (var chain in wrong)
            Assert.False(Run(owner, new OwnerDelegate(leaf, chain)).Outcome.Succeeded);
        // The right chain, and another key that signs.
        Assert.False(Run(owner, new OwnerDelegate(thief, FdoPublicKey.FromChain([Certify(leaf, owner, s_all)]))).Outcome.Succeeded);
    }
}
