namespace Hatchery.Fdo.Tests;

public sealed class TranscriptTests
{
    [Theory, MemberData(nameof(Transcript.All), MemberType = typeof(Transcript))]
    public void Every_message_of_a_recorded_run_is_parsed_and_encoded_to_the_same_bytes(string name)
    {
        var run = Transcript.Read(name);
        foreach (var recorded in run.Messages.Where(m => m.Type < 65))
        {
            var message = FdoCodec.Parse(recorded.Type, recorded.Body);
            Assert.Equal(recorded.Type, message.Type);
            Assert.Equal(recorded.Body, FdoCodec.Encode(message).ToArray());
            Assert.Equal(recorded.Body, Again(message).Raw.ToArray());
        }
        Assert.Contains(run.Messages, m => m.Type == 64);
    }

    [Theory, MemberData(nameof(Transcript.All), MemberType = typeof(Transcript))]
    public void Every_sealed_message_opens_under_the_recorded_key_and_its_content_encodes_to_the_same_bytes(string name)
    {
        var run = Transcript.Read(name);
        using var keys = run.SessionKeys(0);
        int opened = 0;
        foreach (var recorded in run.Messages.Where(m => m.Type is >= 65 and <= 71))
        {
            var message = Assert.IsType<SealedMessage>(FdoCodec.Parse(recorded.Type, recorded.Body));
            Assert.Equal(Protection.Full, message.Protection);
            var content = message.Open(keys);
            Assert.Equal(recorded.Type, content.Type);
            Assert.Equal(recorded.Plaintext, content.Raw.ToArray());
            Assert.Equal(recorded.Plaintext, Again(content).Raw.ToArray());
            opened++;
        }
        Assert.True(opened >= 10);
    }

    [Theory, MemberData(nameof(Transcript.Gcm), MemberType = typeof(Transcript))]
    public void Every_sealed_message_is_made_again_byte_for_byte_from_its_content_and_IV(string name)
    {
        var run = Transcript.Read(name);
        using var keys = run.SessionKeys(1);
        foreach (var recorded in run.Messages.Where(m => m.Type is >= 65 and <= 71))
        {
            var envelope = Hatchery.Cryptography.Cose.CoseEncrypt0.Parse(recorded.Body, FdoException.Body);
            var content = ((SealedMessage)FdoCodec.Parse(recorded.Type, recorded.Body)).Open(keys);
            var made = SealedMessage.Seal(Again(content), keys, new RecordedRandomness().Value("TO2.IV", envelope.Iv));
            Assert.Equal(recorded.Body, made.Raw.ToArray());
        }
    }

    [Theory, MemberData(nameof(Transcript.Mac), MemberType = typeof(Transcript))]
    public void Sealed_messages_of_encrypt_then_MAC_are_made_again_and_the_device_finds_out_how_they_are_read(string name)
    {
        var run = Transcript.Read(name);
        using var keys = run.SessionKeys(1);
        foreach (var recorded in run.Messages.Where(m => m.Type is >= 65 and <= 71))
        {
            // [protected, unprotected, payload [protected, {1: alg, 5: iv}, ciphertext], mac]: the IV is found by its label and length.
            int at = recorded.Body.AsSpan().IndexOf((byte[])[0x05, 0x50]) + 2;
            var content = ((SealedMessage)FdoCodec.Parse(recorded.Type, recorded.Body)).Open(keys);
            var made = SealedMessage.Seal(Again(content), keys, new RecordedRandomness().Value("TO2.IV", recorded.Body.AsMemory(at, 16)));
            Assert.Equal(recorded.Body, made.Raw.ToArray());
        }
        var suite = CipherSuite.Require(run.CipherSuiteNumber);
        using var finding = suite.As(null).Derive(run.Exchange(0, "shse"), []);
        Assert.Throws<InvalidOperationException>(() => finding.Material);
        ((SealedMessage)FdoCodec.Parse(65, run.First(65).Body)).Open(finding);
        Assert.Equal(EncryptThenMacProfile.GoFdo, ((EncryptThenMacSession)finding).Profile);
        // Once settled, no other reading is believed.
        using var strict = suite.Derive(run.Exchange(0, "shse"), []);
        var other = SealedMessage.Seal(new Done2(new Nonce(new byte[16])), strict, new PlatformSigner());
        Assert.Equal("100", Assert.Throws<FdoException>(() => ((SealedMessage)FdoCodec.Parse(71, other.Raw)).Open(finding)).Error);
    }

    /// <summary>The same message with nothing but its fields, so that it must be encoded.</summary>
    internal static FdoMessage Again(FdoMessage message) => message switch
    {
        AppStart m => m with { },
        SetCredentials m => m with { Header = Again(m.Header) },
        SetHmac m => m with { Hmac = new FdoHash(m.Hmac.Type, m.Hmac.Value) },
        OwnerSign m => m with { To0d = To0d.Create(m.To0d.Voucher, m.To0d.WaitSeconds, m.To0d.NonceTO0Sign) },
        HelloRV m => m with { ASigInfo = new SigInfo(m.ASigInfo.Type) },
        HelloRVAck m => m with { BSigInfo = new SigInfo(m.BSigInfo.Type) },
        HelloDevice m => m with { ASigInfo = new SigInfo(m.ASigInfo.Type) },
        _ => Copy(message),
    };

    private static FdoMessage Copy(FdoMessage message) => message switch
    {
        DiDone m => m with { },
        To0Hello m => m with { },
        To0HelloAck m => m with { },
        AcceptOwner m => m with { },
        ProveToRV m => m with { },
        RVRedirect m => m with { },
        ProveOVHdr m => m with { },
        GetOVNextEntry m => m with { },
        OVNextEntry m => m with { },
        ProveDevice m => m with { },
        SetupDevice m => m with { },
        DeviceServiceInfoReady m => m with { },
        OwnerServiceInfoReady m => m with { },
        DeviceServiceInfo m => m with { },
        OwnerServiceInfo m => m with { },
        Done m => m with { },
        Done2 m => m with { },
        ErrorMessage m => m with { },
        _ => throw new ArgumentException($"{message.Kind} is not known here."),
    };

    internal static OwnershipVoucherHeader Again(OwnershipVoucherHeader h) => new(h.Guid, new RendezvousInfo(h.RendezvousInfo.Directives), h.DeviceInfo,
        h.PublicKey.Encoding == PublicKeyEncoding.X5Chain ? FdoPublicKey.FromChain(h.PublicKey.Chain, h.PublicKey.Type) : FdoPublicKey.FromSubjectPublicKeyInfo(h.PublicKey.SubjectPublicKeyInfo, h.PublicKey.Encoding, h.PublicKey.Type),
        h.DevCertChainHash);
}
