using System.Security.Cryptography;
using Hatchery.Cryptography;
using Hatchery.Fdo.Owner;
using Hatchery.Fdo.Tests.Ceremonies;

namespace Hatchery.Fdo.Tests.Simulated;

/// <summary>What the services refuse, each with the error of FDO 1.1 §5.1.1, and that nothing comes of it.</summary>
public sealed class ServiceRefusalTests
{
    private static readonly Chance s_chance = new SystemChance();

    private static (Fleet Fleet, DeviceCredential Credential, OwnershipVoucher Voucher) Sold(ServiceInfoPlan? plan = null)
    {
        var fleet = new Fleet(ECCurve.NamedCurves.nistP256, plan: plan);
        var credential = fleet.Manufacture(ECCurve.NamedCurves.nistP256);
        return (fleet, credential, fleet.SellAsync(credential.Guid).GetAwaiter().GetResult());
    }

    private static async Task NothingCameOfIt(Fleet fleet) =>
        Assert.Equal([OwnerVoucherState.Waiting], (await fleet.Vouchers.ListAsync(null, 10, Fleet.Operator, default)).Select(v => v.State));

    private static OwnerSign Registration(OwnershipVoucher voucher, Nonce nonce, FdoPrivateKey signer, uint wait = 3600, FdoHash? hash = null)
    {
        var to0d = To0d.Create(voucher, wait, nonce);
        return new OwnerSign(to0d, To1d.Sign([new To2AddressEntry(null, "thief.test", 80, TransportProtocol.Http)], hash ?? FdoHash.Of(HashType.Sha256, to0d.Raw.Span), signer, s_chance));
    }

    [Fact]
    public async Task A_redirect_that_the_owner_did_not_sign_is_error_3_and_is_not_registered()
    {
        var (fleet, credential, voucher) = Sold();
        using var thief = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var hand = new HandDevice(fleet, credential);
        var ack = Assert.IsType<To0HelloAck>(hand.Ask(new To0Hello(), Fleet.RendezvousHost));
        HandDevice.IsError(3, hand.Ask(Registration(voucher, ack.NonceTO0Sign, thief), Fleet.RendezvousHost));
        HandDevice.IsError(6, new HandDevice(fleet, credential).Ask(new HelloRV(credential.Guid, new SigInfo(SigInfo.For(PublicKeyType.Secp256R1))), Fleet.RendezvousHost));
        // The session is over with it.
        HandDevice.IsError(1, hand.Ask(Registration(voucher, ack.NonceTO0Sign, fleet.OwnerKey), Fleet.RendezvousHost));
        await NothingCameOfIt(fleet);
    }

    [Theory]
    [InlineData("nonce", 101)]
    [InlineData("hash", 101)]
    [InlineData("wait", 101)]
    [InlineData("no entries", 2)]
    [InlineData("right", 0)]
    public void A_registration_is_refused_for_what_is_wrong_with_it(string wrong, int error)
    {
        var (fleet, credential, voucher) = Sold();
        var hand = new HandDevice(fleet, credential);
        var nonce = Assert.IsType<To0HelloAck>(hand.Ask(new To0Hello(), Fleet.RendezvousHost)).NonceTO0Sign;
        var answer = hand.Ask(wrong switch
        {
            "nonce" => Registration(voucher, Nonce.Draw(s_chance, "n"), fleet.OwnerKey),
            "hash" => Registration(voucher, nonce, fleet.OwnerKey, hash: FdoHash.Of(HashType.Sha256, "other"u8)),
            "wait" => Registration(voucher, nonce, fleet.OwnerKey, wait: 0),
            "no entries" => Registration(new OwnershipVoucher(voucher.Header, voucher.HeaderHmac, voucher.DevCertChain), nonce, fleet.OwnerKey),
            _ => Registration(voucher, nonce, fleet.OwnerKey),
        }, Fleet.RendezvousHost);
        if (error == 0)
            Assert.Equal(3600u, Assert.IsType<AcceptOwner>(answer).WaitSeconds);
        else
            HandDevice.IsError(error, answer);
    }

    [Fact]
    public void In_TO1_another_key_another_device_and_an_old_nonce_are_error_101()
    {
        var (fleet, credential, voucher) = Sold();
        Assert.True(fleet.Register(voucher).Succeeded);
        using var own = SigningKeys.ImportPrivate(credential.AttestationKey!.Reveal());
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var hello = new HelloRV(credential.Guid, new SigInfo(SigInfo.For(PublicKeyType.Secp256R1)));
        FdoMessage Run(Func<Nonce, ProveToRV> proof)
        {
            var hand = new HandDevice(fleet, credential);
            return hand.Ask(proof(Assert.IsType<HelloRVAck>(hand.Ask(hello, Fleet.RendezvousHost)).NonceTO1Proof), Fleet.RendezvousHost);
        }
        HandDevice.IsError(101, Run(n => ProveToRV.Sign(n, credential.Guid, other, s_chance)));
        HandDevice.IsError(101, Run(n => ProveToRV.Sign(n, Guid.NewGuid(), own, s_chance)));
        ProveToRV? used = null;
        Assert.IsType<RVRedirect>(Run(n => used = ProveToRV.Sign(n, credential.Guid, own, s_chance)));
        HandDevice.IsError(101, Run(_ => used!));
    }

    [Fact]
    public void A_request_for_an_entry_behind_the_last_is_error_101_and_the_session_survives_three_of_them()
    {
        var (fleet, credential, _) = Sold();
        var hand = new HandDevice(fleet, credential).Hello();
        Assert.Equal(1, hand.Proof.Content.NumOVEntries);
        for (int i = 0; i < 3; i++)
        {
            HandDevice.IsError(101, hand.Ask(new GetOVNextEntry(1)));
            Assert.Equal(0, Assert.IsType<OVNextEntry>(hand.Ask(new GetOVNextEntry(0))).OVEntryNum);
        }
        HandDevice.IsError(101, hand.Ask(new GetOVNextEntry(255)));
        HandDevice.IsError(1, hand.Ask(new GetOVNextEntry(0)));
    }

    [Fact]
    public async Task A_proof_of_another_session_is_error_101()
    {
        var (fleet, credential, _) = Sold();
        var first = new HandDevice(fleet, credential).Prove();
        var second = new HandDevice(fleet, credential).Hello();
        HandDevice.IsError(101, second.Ask(first.Proven));
        // And the session that it was tried on is over.
        HandDevice.IsError(1, second.Ask(second.MakeProof()));
        await NothingCameOfIt(fleet);
    }

    [Fact]
    public async Task A_proof_by_another_key_or_for_another_device_is_error_101()
    {
        var (fleet, credential, _) = Sold();
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var hand = new HandDevice(fleet, credential).Hello();
        HandDevice.IsError(101, hand.Ask(hand.MakeProof(key: other)));
        hand = new HandDevice(fleet, credential).Hello();
        HandDevice.IsError(101, hand.Ask(hand.MakeProof(guid: Guid.NewGuid())));
        await NothingCameOfIt(fleet);
    }

    [Fact]
    public void A_missing_foreign_or_invented_token_is_error_1_and_hurts_nobody_else()
    {
        var (fleet, credential, voucher) = Sold();
        Assert.True(fleet.Register(voucher).Succeeded);
        var victim = new HandDevice(fleet, credential).Hello();
        HandDevice.IsError(1, new HandDevice(fleet, credential).Ask(new GetOVNextEntry(0)));
        HandDevice.IsError(1, new HandDevice(fleet, credential) { Token = "Bearer 00112233445566778899aabbccddeeff" }.Ask(new GetOVNextEntry(0)));
        HandDevice.IsError(1, new HandDevice(fleet, credential) { Token = new string('x', 4000) }.Ask(new GetOVNextEntry(0)));
        // A token of TO0 says nothing in TO1 on the same server.
        var owner = new HandDevice(fleet, credential);
        var ack = Assert.IsType<To0HelloAck>(owner.Ask(new To0Hello(), Fleet.RendezvousHost));
        using var own = SigningKeys.ImportPrivate(credential.AttestationKey!.Reveal());
        HandDevice.IsError(1, owner.Ask(ProveToRV.Sign(ack.NonceTO0Sign, credential.Guid, own, s_chance), Fleet.RendezvousHost));
        Assert.IsType<OVNextEntry>(victim.Ask(new GetOVNextEntry(0)));
    }

    [Fact]
    public async Task Messages_out_of_order_are_error_101()
    {
        var (fleet, credential, voucher) = Sold();
        // 65 to 71 cannot be made before keys are; what is inside does not matter to the order.
        var keys = new HandDevice(fleet, credential).Prove().Keys;
        foreach (FdoMessage early in new FdoMessage[] { new DeviceServiceInfoReady(null, null), HandDevice.Silence, new Done(Nonce.Draw(s_chance, "n")) })
            HandDevice.IsError(101, new HandDevice(fleet, credential).Hello().Ask(SealedMessage.Seal(early, keys, s_chance)));
        HandDevice.IsError(101, new HandDevice(fleet, credential).Prove().AskSealed(HandDevice.Devmod("fdo.download")));
        HandDevice.IsError(101, new HandDevice(fleet, credential).Ready().AskSealed(new Done(Nonce.Draw(s_chance, "n"))));
        var proven = new HandDevice(fleet, credential).Prove();
        HandDevice.IsError(101, proven.Ask(proven.MakeProof()));
        HandDevice.IsError(101, new HandDevice(fleet, credential).Prove().Ask(new GetOVNextEntry(0)));
        // What no service answers here.
        HandDevice.IsError(100, new HandDevice(fleet, credential).Ask(new To0Hello()));
        HandDevice.IsError(100, new HandDevice(fleet, credential).Hello().Ask(new OVNextEntry(0, voucher.Entries[0])));
        await NothingCameOfIt(fleet);
    }

    [Fact]
    public async Task A_request_repeated_byte_by_byte_gets_the_same_answer_and_a_changed_one_does_not()
    {
        var (fleet, credential, _) = Sold();
        var hand = new HandDevice(fleet, credential).Hello();
        var proof = hand.MakeProof();
        var answer = hand.Ask(proof);
        Assert.Equal(answer.Raw, hand.Ask(proof).Raw);
        HandDevice.IsError(101, hand.Ask(hand.MakeProof()));
        await NothingCameOfIt(fleet);
    }

    [Fact]
    public async Task A_sealed_message_of_which_a_bit_is_changed_is_error_100()
    {
        var (fleet, credential, _) = Sold();
        var hand = new HandDevice(fleet, credential).Ready();
        byte[] bytes = SealedMessage.Seal(HandDevice.Devmod("fdo.download"), hand.Keys, s_chance).Raw.ToArray();
        bytes[^1] ^= 1;
        HandDevice.IsError(100, hand.Ask(SealedMessage.Parse(68, bytes)));
        HandDevice.IsError(1, hand.AskSealed(HandDevice.Devmod("fdo.download")));
        await NothingCameOfIt(fleet);
    }

    [Fact]
    public async Task ServiceInfo_behind_IsDone_and_devmod_behind_its_end_are_error_101()
    {
        var (fleet, credential, _) = Sold();
        var hand = new HandDevice(fleet, credential).Ready();
        Assert.True(Assert.IsType<OwnerServiceInfo>(hand.AskSealed(HandDevice.Devmod())).IsDone);
        HandDevice.IsError(101, hand.AskSealed(HandDevice.Silence));

        var (waiting, other, _) = Sold(new ServiceInfoPlan("p", [new Download("f", new byte[10])]));
        hand = new HandDevice(waiting, other).Ready();
        Assert.False(Assert.IsType<OwnerServiceInfo>(hand.AskSealed(HandDevice.Devmod("fdo.download"))).IsDone);
        HandDevice.IsError(101, hand.AskSealed(HandDevice.Devmod("fdo.download")));
        await NothingCameOfIt(fleet);
        await NothingCameOfIt(waiting);
    }

    [Fact]
    public async Task Another_module_before_devmod_is_complete_and_devmod_that_is_not_complete_are_error_101()
    {
        var (fleet, credential, _) = Sold();
        HandDevice.IsError(101, new HandDevice(fleet, credential).Ready().AskSealed(new DeviceServiceInfo(false, [new("fdo.download:done", new byte[] { 0 })])));
        HandDevice.IsError(101, new HandDevice(fleet, credential).Ready().AskSealed(new DeviceServiceInfo(false, [new("devmod:active", new byte[] { 0xF5 })])));
        await NothingCameOfIt(fleet);
    }

    [Fact]
    public async Task Done_before_the_owner_is_done_and_with_another_nonce_is_error_101()
    {
        var (fleet, credential, _) = Sold(new ServiceInfoPlan("p", [new Download("f", new byte[10])]));
        var hand = new HandDevice(fleet, credential).Ready();
        Assert.IsType<OwnerServiceInfo>(hand.AskSealed(HandDevice.Devmod("fdo.download")));
        HandDevice.IsError(101, hand.AskSealed(new Done(hand.Proof.CuphNonce)));
        await NothingCameOfIt(fleet);

        var (other, device, _) = Sold();
        hand = new HandDevice(other, device).Ready();
        Assert.True(Assert.IsType<OwnerServiceInfo>(hand.AskSealed(HandDevice.Devmod())).IsDone);
        HandDevice.IsError(101, hand.AskSealed(new Done(Nonce.Draw(s_chance, "n"))));
        await NothingCameOfIt(other);
        hand = new HandDevice(other, device).Ready();
        hand.AskSealed(HandDevice.Devmod());
        Assert.IsType<Done2>(hand.AskSealed(new Done(hand.Proof.CuphNonce)));
        Assert.Contains(await other.Vouchers.ListAsync(null, 10, Fleet.Operator, TestContext.Current.CancellationToken), v => v.State == OwnerVoucherState.Onboarded);
    }

    [Fact]
    public async Task After_a_hundred_silent_rounds_the_owner_gives_up_with_error_101()
    {
        var (fleet, credential, _) = Sold(new ServiceInfoPlan("p", [new Download("f", new byte[10])]));
        var hand = new HandDevice(fleet, credential).Ready();
        Assert.NotEmpty(Assert.IsType<OwnerServiceInfo>(hand.AskSealed(HandDevice.Devmod("fdo.download"))).ServiceInfo);
        for (int i = 0; i < 100; i++)
            Assert.Empty(Assert.IsType<OwnerServiceInfo>(hand.AskSealed(HandDevice.Silence)).ServiceInfo);
        HandDevice.IsError(101, hand.AskSealed(HandDevice.Silence));
        HandDevice.IsError(1, hand.AskSealed(HandDevice.Silence));
        await NothingCameOfIt(fleet);
    }

    [Fact]
    public async Task A_device_without_a_secret_to_renew_is_error_102_and_one_that_nobody_knows_6()
    {
        var (fleet, credential, _) = Sold();
        HandDevice.IsError(102, new HandDevice(fleet, credential).Prove().AskSealed(new DeviceServiceInfoReady(null, null)));
        HandDevice.IsError(6, new HandDevice(fleet, credential).Ask(new HelloDevice(0, Guid.NewGuid(), Nonce.Draw(s_chance, "n"), "ECDH256", 3, new SigInfo(SigInfo.For(PublicKeyType.Secp256R1)))));
        HandDevice.IsError(101, new HandDevice(fleet, credential).Ask(new HelloDevice(0, credential.Guid, Nonce.Draw(s_chance, "n"), "ECDH384", 3, new SigInfo(SigInfo.For(PublicKeyType.Secp256R1)))));
        HandDevice.IsError(101, new HandDevice(fleet, credential).Ask(new HelloDevice(0, credential.Guid, Nonce.Draw(s_chance, "n"), "ECDH256", 77, new SigInfo(SigInfo.For(PublicKeyType.Secp256R1)))));
        await NothingCameOfIt(fleet);
    }

    [Fact]
    public async Task A_voucher_of_another_owner_is_not_imported_and_a_device_is_not_sold_twice()
    {
        var (fleet, credential, voucher) = Sold();
        var (elsewhere, _, _) = Sold();
        Assert.Equal(FdoErrorCode.InvalidOwnershipVoucher, (await Assert.ThrowsAsync<FdoException>(async () => await elsewhere.Vouchers.ImportAsync(voucher, Fleet.Operator, TestContext.Current.CancellationToken))).Code);
        using var second = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        Assert.Equal(FdoErrorCode.InvalidOwnershipVoucher,
            (await Assert.ThrowsAsync<FdoException>(async () => await fleet.Made.ExtendAsync(credential.Guid, FdoPublicKey.From(second), Fleet.Operator, TestContext.Current.CancellationToken))).Code);
    }

    [Fact]
    public void In_DI_SetHMAC_begins_nothing()
    {
        var (fleet, credential, voucher) = Sold();
        HandDevice.IsError(1, new HandDevice(fleet, credential).Ask(new SetHmac(voucher.HeaderHmac), Fleet.ManufacturerHost));
    }
}
