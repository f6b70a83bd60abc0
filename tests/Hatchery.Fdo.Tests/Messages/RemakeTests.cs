using Hatchery.Cryptography.Cose;

namespace Hatchery.Fdo.Tests;

/// <summary>Makes each signed message anew from its fields and the recorded randomness. A recorded signature is only handed out when it
/// verifies over the bytes that were to be signed, so equality says that key, structure and content are all right.</summary>
public sealed class RemakeTests
{
    [Theory, MemberData(nameof(Transcript.All), MemberType = typeof(Transcript))]
    public void DI(string name)
    {
        var run = Transcript.Read(name);
        var secret = new SecretBytes(run.Key("device_hmac_secret"));
        var header = run.Parse<SetCredentials>(11).Header;
        var hmac = run.Parse<SetHmac>(12).Hmac;
        Assert.Equal(run.First(12).Body, new SetHmac(VoucherHmac.Compute(hmac.Type, secret, header)).Raw.ToArray());
        var unextended = OwnershipVoucher.Parse(run.Bytes("voucher_unextended"));
        Assert.True(VoucherHmac.Verify(unextended.HeaderHmac, secret, unextended.Header));
        Assert.Equal(run.Bytes("voucher_unextended"), new OwnershipVoucher(header, hmac, unextended.DevCertChain).Raw.ToArray());
        var mfg = TranscriptTests.Again(header).PublicKey;
        var made = VoucherExtension.NewHeader(header.Guid, header.RendezvousInfo, header.DeviceInfo, mfg, unextended.DevCertChain);
        Assert.Equal(header.Raw.ToArray(), made.Raw.ToArray());
    }

    [Theory, MemberData(nameof(Transcript.All), MemberType = typeof(Transcript))]
    public void Voucher_extension(string name)
    {
        var run = Transcript.Read(name);
        var made = OwnershipVoucher.Parse(run.Bytes("voucher_unextended"));
        var recorded = OwnershipVoucher.Parse(run.Bytes("voucher_extended"));
        string[] signers = recorded.Entries.Length == 1 ? ["manufacturer_key_pkcs8"] : ["manufacturer_key_pkcs8", "reseller_key_pkcs8"];
        for (int i = 0; i < recorded.Entries.Length; i++)
        {
            var entry = recorded.Entries[i];
            using var key = run.Signing(signers[i]);
            var extra = entry.Extra.Span[0] == 0xF6 ? default : new BoundedCborReader(entry.Extra, FdoException.Voucher).Bytes("OVEExtra");
            made = VoucherExtension.Extend(made, key, entry.PublicKey, new RecordedRandomness().Signature("voucher.OVEntry", entry.Signed.Signature), extra);
        }
        Assert.Equal(run.Bytes("voucher_extended"), made.Raw.ToArray());
        using var owner = run.Signing("owner_key_pkcs8");
        Assert.True(VoucherVerifier.Verify(recorded, new VoucherPolicy { Owner = FdoPublicKey.From(owner) }).IsValid);
    }

    [Theory, MemberData(nameof(Transcript.All), MemberType = typeof(Transcript))]
    public void TO0_and_TO1(string name)
    {
        var run = Transcript.Read(name);
        using var owner = run.Signing("owner_key_pkcs8");
        using var device = run.Signing("device_key_pkcs8");
        var recorded = run.Parse<OwnerSign>(22);
        Assert.Equal(run.Parse<To0HelloAck>(21).NonceTO0Sign, recorded.To0d.NonceTO0Sign);
        var to0d = To0d.Create(OwnershipVoucher.Parse(run.Bytes("voucher_extended")), recorded.To0d.WaitSeconds, run.Parse<To0HelloAck>(21).NonceTO0Sign);
        var to1d = To1d.Sign(recorded.To1d.Addresses, FdoHash.Of(recorded.To1d.To1dTo0dHash.Type, to0d.Raw.Span), owner,
            new RecordedRandomness().Signature("TO0.to1d", recorded.To1d.Signed.Signature));
        Assert.Equal(run.First(22).Body, new OwnerSign(to0d, to1d).Raw.ToArray());
        Assert.Equal(run.First(33).Body, to1d.Raw.ToArray());
        var proof = run.Parse<ProveToRV>(32);
        Assert.Equal(run.First(32).Body, ProveToRV.Sign(run.Parse<HelloRVAck>(31).NonceTO1Proof, run.Parse<HelloRV>(30).Guid, device,
            new RecordedRandomness().Signature("TO1.ProveToRV", proof.Token.Signed.Signature)).Raw.ToArray());
        Assert.True(proof.Token.Verify(device.SubjectPublicKeyInfo));
        Assert.False(proof.Token.Verify(owner.SubjectPublicKeyInfo));
    }

    [Theory, MemberData(nameof(Transcript.All), MemberType = typeof(Transcript))]
    public void TO2_proofs_and_key_exchange(string name)
    {
        var run = Transcript.Read(name);
        using var ownerKey = run.Signing("owner_key_pkcs8");
        using var deviceKey = run.Signing("device_key_pkcs8");
        var hello = run.Parse<HelloDevice>(60);
        var voucher = OwnershipVoucher.Parse(run.Bytes("voucher_extended"));
        var proof = run.Parse<ProveOVHdr>(61);
        var proveDevice = run.Parse<ProveDevice>(64);
        var suite = KeyExchangeSuite.Require(run.KexSuite);
        using var ownerHalf = suite.BeginOwner(Recorded(run, 1, "TO2.xA", proof.Content.XAKeyExchange));
        using var deviceHalf = suite.BeginDevice(Recorded(run, 0, "TO2.xB", proveDevice.XBKeyExchange), proof.CuphOwnerPubKey);
        var content = new ProveOVHdrContent(voucher.Header, voucher.Entries.Length, voucher.HeaderHmac, hello.NonceTO2ProveOV, hello.ASigInfo, ownerHalf.Parameter,
            FdoHash.Of(proof.Content.HelloDeviceHash.Type, hello.Raw.Span), proof.Content.MaxOwnerMessageSize);
        Assert.Equal(run.First(61).Body, ProveOVHdr.Sign(content, proof.CuphNonce, proof.CuphOwnerPubKey, ownerKey,
            new RecordedRandomness().Signature("TO2.ProveOVHdr", proof.Signed.Signature)).Raw.ToArray());
        Assert.True(proof.Verify());
        foreach (var recorded in run.Messages.Where(m => m.Type == 63))
        {
            var entry = (OVNextEntry)FdoCodec.Parse(63, recorded.Body);
            Assert.Equal(recorded.Body, new OVNextEntry(entry.OVEntryNum, voucher.Entries[entry.OVEntryNum]).Raw.ToArray());
        }
        Assert.Equal(run.First(64).Body, ProveDevice.Sign(proof.CuphNonce, hello.Guid, suite is AsymmetricSuite ? proveDevice.XBKeyExchange : deviceHalf.Parameter, proveDevice.EuphNonce, deviceKey,
            new RecordedRandomness().Signature("TO2.ProveDevice", proveDevice.Token.Signed.Signature)).Raw.ToArray());
        if (deviceHalf is EcdhExchange deviceEcdh && ownerHalf is EcdhExchange ownerEcdh)
        {
            Assert.Equal(run.Exchange(0, "shse"), deviceEcdh.SharedSecret(proof.Content.XAKeyExchange, "xA", ((EcdhSuite)suite).Coordinate));
            Assert.Equal(run.Exchange(1, "shse"), ownerEcdh.SharedSecret(proveDevice.XBKeyExchange, "xB", ((EcdhSuite)suite).Coordinate));
        }
        else if (deviceHalf is DhExchange deviceDh && ownerHalf is DhExchange ownerDh)
        {
            Assert.Equal(run.Exchange(0, "shse"), deviceDh.SharedSecret(proof.Content.XAKeyExchange));
            Assert.Equal(run.Exchange(1, "shse"), ownerDh.SharedSecret(proveDevice.XBKeyExchange));
        }
        var cipher = CipherSuite.Require(hello.CipherSuiteName).As(EncryptThenMacProfile.GoFdo);
        using var expected = run.SessionKeys(0);
        using var device = deviceHalf.Complete(proof.Content.XAKeyExchange, cipher);
        using var owner = ownerHalf.Complete(proveDevice.XBKeyExchange, cipher, ownerKey);
        Assert.Equal(expected.Material, owner.Material);
        Assert.Equal(expected.Material, device.Material);
        // The owner's half goes on in another process.
        using var exported = ownerHalf.Export();
        using var restored = suite.RestoreOwner(exported.Reveal());
        using var again = restored.Complete(proveDevice.XBKeyExchange, cipher, ownerKey);
        Assert.Equal(expected.Material, again.Material);
    }

    [Theory, MemberData(nameof(Transcript.All), MemberType = typeof(Transcript))]
    public void TO2_setup_replacement_and_done(string name)
    {
        var run = Transcript.Read(name);
        using var keys = run.SessionKeys(0);
        T Content<T>(int type) where T : FdoMessage => ((SealedMessage)FdoCodec.Parse(type, run.First(type).Body)).Open<T>(keys);
        var proof = run.Parse<ProveOVHdr>(61);
        var proveDevice = run.Parse<ProveDevice>(64);
        var setup = Content<SetupDevice>(65);
        using var owner2 = run.Signing(run.HasKey("owner2_key_pkcs8") ? "owner2_key_pkcs8" : "owner_key_pkcs8");
        Assert.Equal(run.First(65).Plaintext, SetupDevice.Sign(setup.RendezvousInfo, setup.Guid, proveDevice.EuphNonce, setup.Owner2Key, owner2,
            new RecordedRandomness().Signature("TO2.SetupDevice", setup.Signed.Signature)).Raw.ToArray());
        Assert.True(setup.Verify());
        var ready = Content<DeviceServiceInfoReady>(66);
        if (run.IsReuse)
            Assert.Null(ready.ReplacementHMac);
        else
        {
            var replaced = proof.Content.Header.Replace(setup.Guid, setup.RendezvousInfo, setup.Owner2Key);
            Assert.Equal(run.Bytes("replacement_ovheader"), replaced.Raw.ToArray());
            Assert.True(VoucherHmac.Verify(ready.ReplacementHMac!, new SecretBytes(run.Key("device_hmac_secret")), replaced));
            var voucher = OwnershipVoucher.Parse(run.Bytes("voucher_extended"));
            Assert.Equal(run.Bytes("voucher_replacement"), new OwnershipVoucher(replaced, ready.ReplacementHMac!, voucher.DevCertChain).Raw.ToArray());
        }
        Assert.Equal(run.First(70).Plaintext, new Done(proof.CuphNonce).Raw.ToArray());
        Assert.Equal(run.First(71).Plaintext, new Done2(proveDevice.EuphNonce).Raw.ToArray());
    }

    private static RecordedRandomness Recorded(Transcript run, int side, string use, ReadOnlyMemory<byte> parameter)
    {
        var chance = new RecordedRandomness();
        if (run.KexSuite.StartsWith("ECDH", StringComparison.Ordinal))
        {
            var bytes = parameter.ToArray();
            int width = bytes[1];
            byte[] point = [4, .. bytes.AsSpan(2, width), .. bytes.AsSpan(4 + width, width)];
            return chance.Agreement(use, run.Exchange(side, "own_priv"), point).Value(use + ".Random", bytes.AsMemory(6 + 2 * width));
        }
        if (run.KexSuite.StartsWith("DH", StringComparison.Ordinal))
            return chance.Value(use, run.Exchange(side, "own_priv"));
        // The OAEP seed of the run is not known: what the device encrypts is checked by its decryption.
        return chance.Value(use, run.Exchange(side, side == 0 ? "shse" : "context_rand")).Value("TO2.xB.OAEP", new byte[32]);
    }
}
