using System.Security.Cryptography;
using Hatchery.Cryptography;
using Hatchery.Fdo.Tests.Ceremonies;
using Hatchery.Fdo.Transport;

namespace Hatchery.Fdo.Tests.Simulated;

/// <summary>What a device refuses: it tells error and goes elsewhere, and its credential stays what it was.</summary>
public sealed class DeviceRefusalTests
{
    private static readonly Chance s_chance = new SystemChance();

    private sealed record Run(Outcome Outcome, List<DeviceCredential> Saved, List<string> Sent);

    private readonly Fleet _fleet = new(ECCurve.NamedCurves.nistP256);
    private readonly DeviceCredential _credential;
    private readonly OwnershipVoucher _voucher;

    public DeviceRefusalTests()
    {
        _credential = _fleet.Manufacture(ECCurve.NamedCurves.nistP256);
        _voucher = _fleet.SellAsync(_credential.Guid).GetAwaiter().GetResult();
        Assert.True(_fleet.Register(_voucher).Succeeded);
    }

    private Run Onboard(HandOwner? owner = null)
    {
        if (owner is not null)
            _fleet.Roles[Fleet.OwnerHost] = owner;
        var world = _fleet.World<DeviceCredential>();
        var outcome = world.Run(_fleet.Driver(_fleet.Device(_credential), world, DeviceCredential.Schema, FdoPlayers.Device));
        return new Run(outcome, world.Saved, world.Sent);
    }

    private void Refuses(HandOwner owner, int error, int inAnswerTo, string field)
    {
        var run = Onboard(owner);
        Assert.False(run.Outcome.Succeeded);
        Assert.Empty(run.Saved);
        var told = owner.Error;
        Assert.NotNull(told);
        Assert.Equal((error, inAnswerTo), (told.Code, told.PreviousType));
        Assert.Contains(field, told.Text, StringComparison.Ordinal);
    }

    private HandOwner Twisting<T>(Func<HandOwner, FdoMessage, T, FdoMessage> twist, FdoPrivateKey? key = null) where T : FdoMessage
    {
        HandOwner? owner = null;
        return owner = new HandOwner(key ?? _fleet.OwnerKey, _voucher) { Instead = (request, right) => right is T answer ? twist(owner!, request, answer) : right };
    }

    [Fact]
    public void The_owner_by_hand_onboards_a_device_if_nothing_is_twisted()
    {
        var owner = new HandOwner(_fleet.OwnerKey, _voucher);
        var run = Onboard(owner);
        Assert.True(run.Outcome.Succeeded, run.Outcome.Reason);
        Assert.Single(run.Saved);
        Assert.Null(owner.Error);
    }

    [Fact]
    public void A_redirect_that_the_owner_did_not_sign_is_found_out_in_TO2_with_error_101()
    {
        using var thief = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var right = To1d.Parse(To1dNow());
        var forged = To1d.Sign(right.Addresses, right.To1dTo0dHash, thief, s_chance);
        _fleet.Roles[Fleet.RendezvousHost] = new OtherRedirect(_fleet.Roles[Fleet.RendezvousHost], forged);
        Refuses(new HandOwner(_fleet.OwnerKey, _voucher), 101, 63, "to1d");
    }

    private ReadOnlyMemory<byte> To1dNow()
    {
        var hand = new HandDevice(_fleet, _credential);
        using var own = SigningKeys.ImportPrivate(_credential.AttestationKey!.Reveal());
        var ack = Assert.IsType<HelloRVAck>(hand.Ask(new HelloRV(_credential.Guid, new SigInfo(SigInfo.For(PublicKeyType.Secp256R1))), Fleet.RendezvousHost));
        return Assert.IsType<RVRedirect>(hand.Ask(ProveToRV.Sign(ack.NonceTO1Proof, _credential.Guid, own, s_chance), Fleet.RendezvousHost)).To1d.Raw;
    }

    /// <summary>A rendezvous server that gives another redirect.</summary>
    private sealed class OtherRedirect(IHttpRole real, To1d redirect) : IHttpRole
    {
        public System.Collections.Immutable.ImmutableArray<string> Routes => real.Routes;
        public int MaxBody => real.MaxBody;

        public async ValueTask<PlainHttpResponse> HandleAsync(PlainHttpRequest request, Caller caller, CancellationToken cancel)
        {
            var response = await real.HandleAsync(request, caller, cancel);
            return response.Header("Message-Type") == "33" ? response with { Body = redirect.Raw } : response;
        }
    }

    [Fact]
    public void Whoever_has_the_voucher_but_not_the_owners_key_is_refused_with_101()
    {
        using var thief = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        Refuses(new HandOwner(thief, _voucher), 101, 63, "CUPHOwnerPubKey");
    }

    [Fact]
    public async Task The_owner_of_another_device_is_refused_with_101()
    {
        var other = _fleet.Manufacture(ECCurve.NamedCurves.nistP256);
        var voucher = await _fleet.SellAsync(other.Guid);
        Refuses(new HandOwner(_fleet.OwnerKey, voucher), 101, 61, "OVGuid");
    }

    [Fact]
    public void A_voucher_without_entries_makes_nobody_the_owner() =>
        Refuses(new HandOwner(_fleet.OwnerKey, new OwnershipVoucher(_voucher.Header, _voucher.HeaderHmac, _voucher.DevCertChain)), 101, 61, "NumOVEntries");

    [Fact]
    public void A_voucher_extended_by_somebody_who_did_not_own_it_is_refused_with_101()
    {
        using var thief = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var bare = new OwnershipVoucher(_voucher.Header, _voucher.HeaderHmac, _voucher.DevCertChain);
        var hash = FdoHash.Of(HashType.Sha256, bare.Header.Raw.Span, bare.HeaderHmac.Raw.Span);
        var forged = bare.Append(VoucherEntry.Sign(hash, FdoHash.Of(HashType.Sha256, bare.Header.HeaderInfo()), default, FdoPublicKey.From(thief), thief, s_chance, "forged"));
        Refuses(new HandOwner(thief, forged), 101, 63, "");
    }

    [Theory]
    [InlineData("nonce", "NonceTO2ProveOV")]
    [InlineData("hash", "helloDeviceHash")]
    [InlineData("hmac", "HMac")]
    [InlineData("signature", "TO2.ProveOVHdr")]
    public void A_proof_of_ownership_that_is_wrong_is_error_101(string wrong, string field)
    {
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        Refuses(Twisting<ProveOVHdr>((owner, _, right) => ProveOVHdr.Sign(wrong switch
        {
            "nonce" => right.Content with { NonceTO2ProveOV = Nonce.Draw(s_chance, "n") },
            "hash" => right.Content with { HelloDeviceHash = FdoHash.Of(HashType.Sha256, "another"u8) },
            "hmac" => right.Content with { Hmac = VoucherHmac.Compute(HashType.HmacSha256, new SecretBytes(new byte[32]), right.Content.Header) },
            _ => right.Content,
        }, right.CuphNonce, owner.Public, wrong == "signature" ? other : owner.Key, s_chance)), 101, 61, field);
    }

    [Fact]
    public void An_entry_of_another_number_is_error_101() => Refuses(Twisting<OVNextEntry>((_, _, right) => right with { OVEntryNum = 1 }), 101, 63, "OVEntryNum");

    [Fact]
    public void SetupDevice_that_its_key_did_not_sign_is_error_101()
    {
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        Refuses(Twisting<SetupDevice>((owner, _, right) => SetupDevice.Sign(right.RendezvousInfo, right.Guid, right.NonceTO2SetupDv, owner.Public, other, s_chance)), 101, 65, "TO2.SetupDevice");
    }

    [Fact]
    public void SetupDevice_with_another_nonce_is_error_101() =>
        Refuses(Twisting<SetupDevice>((owner, _, right) => SetupDevice.Sign(right.RendezvousInfo, right.Guid, Nonce.Draw(s_chance, "n"), owner.Public, owner.Key, s_chance)),
            101, 65, "NonceTO2SetupDv");

    [Fact]
    public void SetupDevice_that_changes_nothing_is_error_102() =>
        Refuses(Twisting<SetupDevice>((owner, _, right) => SetupDevice.Sign(right.RendezvousInfo, _credential.Guid, right.NonceTO2SetupDv, owner.Public, owner.Key, s_chance)),
            102, 65, "");

    [Fact]
    public void Done2_with_another_nonce_is_error_101_and_the_credential_is_not_replaced() =>
        Refuses(Twisting<Done2>((_, _, _) => new Done2(Nonce.Draw(s_chance, "n"))), 101, 71, "NonceTO2SetupDv");

    [Fact]
    public void IsDone_together_with_more_is_error_101() =>
        Refuses(Twisting<OwnerServiceInfo>((_, _, _) => new OwnerServiceInfo(true, true, [])), 101, 69, "IsMoreServiceInfo");

    [Fact]
    public void An_owner_that_never_says_anything_is_given_up_after_a_hundred_rounds_with_error_101()
    {
        var owner = Twisting<OwnerServiceInfo>((_, _, _) => new OwnerServiceInfo(false, false, []));
        Refuses(owner, 101, 69, "nothing was said");
        Assert.InRange(owner.Heard.OfType<DeviceServiceInfo>().Count(), 100, 102);
    }

    [Fact]
    public void An_answer_of_another_kind_than_the_request_asks_for_is_error_101()
    {
        var owner = new HandOwner(_fleet.OwnerKey, _voucher) { Instead = (request, right) => request is GetOVNextEntry ? new To0Hello() : right };
        var run = Onboard(owner);
        Assert.False(run.Outcome.Succeeded);
        Assert.Empty(run.Saved);
        Assert.Equal(101, owner.Error!.Code);
    }

    [Theory]
    [InlineData(61)]
    [InlineData(63)]
    [InlineData(65)]
    [InlineData(67)]
    [InlineData(69)]
    [InlineData(71)]
    public void An_error_message_ends_the_session_and_nothing_more(int instead)
    {
        var owner = new HandOwner(_fleet.OwnerKey, _voucher)
        {
            Instead = (_, right) => right.Type == instead ? new ErrorMessage(500, instead - 1, "forged by anybody", null, 1) : right,
        };
        var run = Onboard(owner);
        Assert.False(run.Outcome.Succeeded);
        Assert.Empty(run.Saved);
        // Errors are not answered by errors.
        Assert.Null(owner.Error);
        // The device is none the worse.
        Assert.True(Onboard(new HandOwner(_fleet.OwnerKey, _voucher)).Outcome.Succeeded);
    }
}
