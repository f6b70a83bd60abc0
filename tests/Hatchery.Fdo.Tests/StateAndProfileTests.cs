using System.Security.Cryptography;

namespace Hatchery.Fdo.Tests;

public sealed class StateAndProfileTests
{
    private static DeviceCredential Example()
    {
        var run = Transcript.Read("p256-x509-ecdh256-a256gcm-2hops");
        var header = run.Parse<SetCredentials>(11).Header;
        return DeviceCredential.Blank with
        {
            ProtocolVersion = 101,
            HmacSecret = new SecretBytes(run.Key("device_hmac_secret")),
            DeviceInfo = header.DeviceInfo,
            Guid = header.Guid,
            RendezvousInfo = header.RendezvousInfo.Raw,
            PublicKeyHash = FdoHash.Of(HashType.Sha256, header.PublicKey.Raw.Span).Raw,
            AttestationKey = new SecretBytes(run.Key("device_key_pkcs8")),
            SerialNumber = "SN-0001",
            Delivered = [new("fdo.download:agent", new SecretBytes([1, 2, 3]))],
        };
    }

    [Fact]
    public void A_credential_survives_its_file_and_secrets_are_not_in_it()
    {
        var state = Example() with { Active = false };
        using var sealer = new AesGcmSealer(new byte[32], new PlatformSigner());
        var file = DeviceCredential.Schema.Write(state, sealer, new RecordKey("device"));
        string text = System.Text.Encoding.UTF8.GetString(file);
        Assert.DoesNotContain(Convert.ToBase64String(state.HmacSecret!.Reveal()), text, StringComparison.Ordinal);
        Assert.DoesNotContain(Convert.ToBase64String(state.AttestationKey!.Reveal()), text, StringComparison.Ordinal);
        var read = DeviceCredential.Schema.Read(file, sealer, new RecordKey("device"));
        Assert.False(read.Active);
        Assert.Equal((state.Guid, state.DeviceInfo, state.HmacSecret, state.AttestationKey, state.SerialNumber), (read.Guid, read.DeviceInfo, read.HmacSecret, read.AttestationKey, read.SerialNumber));
        Assert.Equal(state.RendezvousInfo.ToArray(), read.RendezvousInfo.ToArray());
        Assert.Equal(state.Delivered[0].Content, read.Delivered[0].Content);
        Assert.True(read.Knows(Transcript.Read("p256-x509-ecdh256-a256gcm-2hops").Parse<SetCredentials>(11).Header));
        Assert.False(read.Knows(Transcript.Read("p256-x5chain-ecdh256-a128gcm").Parse<SetCredentials>(11).Header));
    }

    [Fact]
    public void A_reset_keeps_the_credential_arms_the_device_and_forgets_what_was_delivered()
    {
        var state = DeviceCredential.Schema.Reset(Example() with { Active = false });
        Assert.True(state.Active);
        Assert.True(state.IsInitialized);
        Assert.NotNull(state.AttestationKey);
        Assert.Empty(state.Delivered);
        Assert.DoesNotContain("56023a03", state.ToString(), StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public void The_recorded_credential_is_what_DI_left()
    {
        var run = Transcript.Read("p256-x509-ecdh256-a256gcm-2hops");
        var stored = run.Bytes("device_credential_after_di")!;
        var header = run.Parse<SetCredentials>(11).Header;
        Assert.True(stored.AsSpan().EndsWith(FdoHash.Of(HashType.Sha256, header.PublicKey.Raw.Span).Raw.Span));
        Assert.True(stored.AsSpan().IndexOf(header.RendezvousInfo.Raw.Span) > 0);
    }

    [Fact]
    public void The_profile_holds_together()
    {
        var protocol = FdoProfile.Protocol;
        Assert.Equal(protocol.Steps.Length, protocol.Steps.Select(s => s.Name).Distinct().Count());
        Assert.Equal([10, 11, 12, 13, 20, 21, 22, 23, 30, 31, 32, 33, .. Enumerable.Range(60, 12), 255], protocol.Steps.Where(s => s.Code is not null).Select(s => s.Code!.Value).Order());
        foreach (var method in protocol.Methods)
        {
            Assert.All(method.Steps, s => Assert.Contains(s, protocol.Steps));
            Assert.All(method.Steps, s => Assert.True(method.Players.Contains(s.From) && method.Players.Contains(s.To), s.Name));
            Assert.Equal(Phase.OperationProven, method.PhaseOf(method.Steps[^1]));
            foreach (var span in protocol.Terms.SelectMany(t => t.Spans).Where(s => s.Methods.IsEmpty || s.Methods.Contains(method.Id)))
                Assert.True(method.Steps.IndexOf(span.Start) >= 0 && method.Steps.IndexOf(span.Start) <= method.Steps.IndexOf(span.End), span.Start.Name);
        }
        Assert.All(protocol.Terms, t => Assert.True(t.Use is not WordUse.NotUsed || t.Spans.IsEmpty));
    }

    [Fact]
    public void Messages_are_found_by_the_GUID_and_a_sealed_one_only_when_it_was_opened()
    {
        var run = Transcript.Read("p256-x509-ecdh256-a256gcm-2hops");
        var key = new WitnessKey(new byte[32]);
        List<string> Names(FdoMessage message)
        {
            var names = new List<string>();
            var into = new Correlators(key, names);
            message.Identify(ref into);
            return names;
        }
        var hello = Names(run.Parse<HelloDevice>(60));
        Assert.Contains(Names(run.Parse<HelloRV>(30)).Single(), hello);
        Assert.Contains(Names(run.Parse<OwnerSign>(22))[0], hello);
        Assert.StartsWith("fdo.serial=", Assert.Single(Names(run.Parse<AppStart>(10))), StringComparison.Ordinal);
        var setup = run.Parse<SealedMessage>(65);
        Assert.Empty(Names(setup));
        using var keys = CipherSuite.A256Gcm.Restore(new SecretBytes(run.Exchange(0, "sek")));
        setup.Open(keys);
        Assert.Single(Names(setup));
    }

    [Fact]
    public void Peers_that_strip_zeros_are_understood_and_points_that_are_none_refused()
    {
        var run = Transcript.Read("p256-x509-ecdh256-a256gcm-2hops");
        var suite = (EcdhSuite)KeyExchangeSuite.Ecdh256;
        var good = run.Exchange(0, "xB");
        byte[] point = new byte[65], random = new byte[16];
        byte[] stripped = [0, 31, .. good.AsSpan(3, 31), .. good.AsSpan(34)];
        suite.Parse(stripped, "xB", point, random);
        Assert.Equal([4, 0, .. good.AsSpan(3, 31), .. good.AsSpan(36, 32)], point);
        foreach (var bad in new byte[][] { [], [0], [.. good, 0], good[..^1], [.. good[..70], .. good[71..]], [0, 33, 0, .. good.AsSpan(2)] })
            Assert.Equal("101", Assert.Throws<FdoException>(() => suite.Parse(bad, "xB", point, random)).Error);
        Assert.Equal(KeyExchangeSuite.Names.Order(), KeyExchangeSuite.All.Select(s => s.Name).Order());
        Assert.Equal("101", Assert.Throws<FdoException>(() => KeyExchangeSuite.Require("ECDH521")).Error);
    }
}
