using System.Collections.Immutable;
using System.Security.Cryptography;
using Hatchery.Cryptography;
using Hatchery.Cryptography.Cose;
using Hatchery.Fdo.Owner;
using Hatchery.Fdo.Tests.Ceremonies;

namespace Hatchery.Fdo.Tests.Simulated;

/// <summary>The cases of the FIDO Alliance's conformance tool, role by role, with the error codes that it documents as intended.</summary>
public sealed class ConformanceTests
{
    private static readonly Chance s_chance = new SystemChance();
    private static readonly byte[] s_noCbor = [0xFF, 0x00, 0x1C];

    private readonly Fleet _fleet = new(ECCurve.NamedCurves.nistP256, plan: new ServiceInfoPlan("p", [new Download("f", new byte[10])]));
    private readonly DeviceCredential _credential;
    private readonly OwnershipVoucher _voucher;

    public ConformanceTests()
    {
        _credential = _fleet.Manufacture(ECCurve.NamedCurves.nistP256);
        _voucher = _fleet.SellAsync(_credential.Guid).GetAwaiter().GetResult();
    }

    private HandDevice Hand => new(_fleet, _credential);
    private static FdoHash Sha256(ReadOnlySpan<byte> bytes) => FdoHash.Of(HashType.Sha256, bytes);
    private static ImmutableArray<To2AddressEntry> Addresses { get; } = [new(null, "owner.test", 80, TransportProtocol.Http)];

    /// <summary>A byte string, as COSE and CBOR-in-CBOR hold it, written by hand: [content, content...].</summary>
    private static byte[] Array(params ReadOnlySpan<byte[]> encodedItems)
    {
        var writer = WireReading.Writer();
        writer.WriteStartArray(encodedItems.Length);
        foreach (var item in encodedItems)
            writer.WriteEncodedValue(item);
        writer.WriteEndArray();
        return writer.Encode();
    }

    private static byte[] Bytes(ReadOnlySpan<byte> content) => ServiceInfoValue.Bytes(content);

    // ---- Rendezvous server, TO0

    private FdoMessage Register(Func<Nonce, byte[]> body)
    {
        var hand = Hand;
        var nonce = Assert.IsType<To0HelloAck>(hand.Ask(new To0Hello(), Fleet.RendezvousHost)).NonceTO0Sign;
        return hand.Ask(22, body(nonce), Fleet.RendezvousHost);
    }

    private byte[] Sign(OwnershipVoucher voucher, Nonce nonce, FdoPrivateKey? key = null, FdoHash? hash = null)
    {
        var to0d = To0d.Create(voucher, 3600, nonce);
        return new OwnerSign(to0d, To1d.Sign(Addresses, hash ?? Sha256(to0d.Raw.Span), key ?? _fleet.OwnerKey, s_chance)).Raw.ToArray();
    }

    [Theory]
    [InlineData("20 bad encoding", 100)]
    [InlineData("22 bad encoding", 100)]
    [InlineData("22 bad to0d encoding", 100)]
    [InlineData("22 bad OwnerSign encoding", 100)]
    [InlineData("22 bad signature", 3)]
    [InlineData("22 bad to0d hash", 101)]
    [InlineData("22 bad nonce", 101)]
    [InlineData("22 bad rendezvous blob", 101)]
    [InlineData("positive", 0)]
    public void Rendezvous_server_in_TO0(string name, int code)
    {
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var answer = name switch
        {
            "20 bad encoding" => Hand.Ask(20, s_noCbor, Fleet.RendezvousHost),
            "22 bad encoding" => Register(_ => s_noCbor),
            "22 bad to0d encoding" => Register(n => Array(Bytes(s_noCbor), OwnerSign.Parse(Sign(_voucher, n)).To1d.Raw.ToArray())),
            "22 bad OwnerSign encoding" => Register(n => [.. Sign(_voucher, n), 0]),
            "22 bad signature" => Register(n => Sign(_voucher, n, other)),
            "22 bad to0d hash" => Register(n => Sign(_voucher, n, hash: Sha256("other"u8))),
            "22 bad nonce" => Register(_ => Sign(_voucher, Nonce.Draw(s_chance, "n"))),
            "22 bad rendezvous blob" => Register(n =>
            {
                var to0d = To0d.Create(_voucher, 3600, n);
                var blob = _fleet.OwnerKey.Sign(Array([0x80], Sha256(to0d.Raw.Span).Raw.ToArray()), CoseHeaders.Empty, s_chance, "test");
                return Array(Bytes(to0d.Raw.Span), blob.Raw.ToArray());
            }),
            _ => Register(n => Sign(_voucher, n)),
        };
        if (code == 0)
            Assert.IsType<AcceptOwner>(answer);
        else
            HandDevice.IsError(code, answer);
    }

    /// <summary>A voucher whose entries fit its changed header: only the change itself is wrong.</summary>
    private OwnershipVoucher Made(Func<OwnershipVoucherHeader, byte[]> header) => Assemble(101, header(_voucher.Header), _voucher.HeaderHmac, _voucher.DevCertChain);

    private OwnershipVoucher Assemble(int version, byte[] header, FdoHash hmac, ImmutableArray<ReadOnlyMemory<byte>> chain)
    {
        byte[] certificates = Array([.. chain.Select(c => Bytes(c.Span))]);
        byte[] info = Sha256(_voucher.Header.HeaderInfo()).Raw.ToArray();
        var entry = _fleet.ManufacturerKey.Sign(Array(FdoHash.Of(HashType.Sha256, header, hmac.Raw.Span).Raw.ToArray(), info, [0xF6], FdoPublicKey.From(_fleet.OwnerKey).Raw.ToArray()),
            CoseHeaders.Empty, s_chance, "test");
        return OwnershipVoucher.Parse(Array(Number(version), Bytes(header), hmac.Raw.ToArray(), certificates, Array(entry.Raw.ToArray())));
    }

    private static byte[] Number(int value) => ServiceInfoValue.Number(value);

    private static byte[] Header(OwnershipVoucherHeader h, int version = 101, byte[]? rendezvous = null, string? info = null, byte[]? key = null, byte[]? hash = null) =>
        Array(Number(version), Bytes(h.Guid.ToByteArray(bigEndian: true)), rendezvous ?? h.RendezvousInfo.Raw.ToArray(), ServiceInfoValue.Text(info ?? h.DeviceInfo), key ?? h.PublicKey.Raw.ToArray(),
            hash ?? h.DevCertChainHash!.Raw.ToArray());

    [Theory]
    [InlineData("header bad protocol version")]
    [InlineData("header empty RVInfo")]
    [InlineData("header empty DeviceInfo")]
    [InlineData("header bad public key")]
    [InlineData("header bad chain hash")]
    [InlineData("bad header bytes")]
    [InlineData("bad HMAC")]
    [InlineData("bad voucher version")]
    [InlineData("bad chain")]
    [InlineData("entry bad previous hash")]
    [InlineData("entry bad signature")]
    [InlineData("entry bad public key")]
    public void Vouchers_in_TO0_are_error_2(string name)
    {
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        byte[] Broken(ReadOnlyMemory<byte> part)
        {
            var raw = _voucher.Raw.ToArray();
            raw[raw.AsSpan().IndexOf(part.Span) + part.Length - 1] ^= 1;
            return raw;
        }
        var answer = Register(n => name switch
        {
            "header bad protocol version" => Sign(Made(h => Header(h, version: 100)), n),
            "header empty RVInfo" => Sign(Made(h => Header(h, rendezvous: [0x80])), n),
            "header empty DeviceInfo" => Sign(Made(h => Header(h, info: "")), n),
            "header bad public key" => Sign(OwnershipVoucher.Parse(Broken(_voucher.Header.PublicKey.SubjectPublicKeyInfo)), n),
            "header bad chain hash" => Sign(Made(h => Header(h, hash: Sha256("other"u8).Raw.ToArray())), n),
            "bad header bytes" => WithVoucher(n, Array(Number(101), Bytes(s_noCbor), _voucher.HeaderHmac.Raw.ToArray(), [0xF6], [0x80])),
            "bad HMAC" => Sign(OwnershipVoucher.Parse(Broken(_voucher.HeaderHmac.Value)), n),
            "bad voucher version" => Sign(Assemble(100, _voucher.Header.Raw.ToArray(), _voucher.HeaderHmac, _voucher.DevCertChain), n),
            "bad chain" => Sign(Assemble(101, _voucher.Header.Raw.ToArray(), _voucher.HeaderHmac, [s_noCbor]), n),
            "entry bad previous hash" => Sign(Entry(_fleet.ManufacturerKey, Sha256("other"u8), _fleet.OwnerKey), n),
            "entry bad signature" => Sign(Entry(other, null, _fleet.OwnerKey), n),
            _ => Sign(Entry(_fleet.ManufacturerKey, null, ECDsa.Create(ECCurve.NamedCurves.nistP384)), n, ECDsa.Create(ECCurve.NamedCurves.nistP384)),
        });
        HandDevice.IsError(2, answer);
        HandDevice.IsError(6, Hand.Ask(new HelloRV(_credential.Guid, new SigInfo(SignatureType.Es256)), Fleet.RendezvousHost));
    }

    private OwnershipVoucher Entry(FdoPrivateKey signer, FdoHash? previous, FdoPrivateKey next)
    {
        var bare = new OwnershipVoucher(_voucher.Header, _voucher.HeaderHmac, _voucher.DevCertChain);
        return bare.Append(VoucherEntry.Sign(previous ?? FdoHash.Of(HashType.Sha256, bare.Header.Raw.Span, bare.HeaderHmac.Raw.Span), Sha256(bare.Header.HeaderInfo()), default, FdoPublicKey.From(next),
            signer, s_chance, "test"));
    }

    private byte[] WithVoucher(Nonce nonce, byte[] voucher)
    {
        byte[] to0d = Array(voucher, Number(3600), Bytes(nonce.Value.Span));
        return Array(Bytes(to0d), To1d.Sign(Addresses, Sha256(to0d), _fleet.OwnerKey, s_chance).Raw.ToArray());
    }

    // ---- Rendezvous server, TO1

    [Theory]
    [InlineData("30 bad encoding", 100)]
    [InlineData("30 unknown GUID", 6)]
    [InlineData("30 bad SigInfo", 101)]
    [InlineData("32 bad encoding", 100)]
    [InlineData("32 bad payload encoding", 100)]
    [InlineData("32 bad signature", 101)]
    [InlineData("32 bad nonce", 101)]
    [InlineData("positive", 0)]
    public void Rendezvous_server_in_TO1(string name, int code)
    {
        Assert.True(_fleet.Register(_voucher).Succeeded);
        using var own = FdoPrivateKey.Import(_credential.AttestationKey!.Reveal());
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var hand = Hand;
        FdoMessage Prove(Func<Nonce, byte[]> body)
        {
            var ack = Assert.IsType<HelloRVAck>(hand.Ask(new HelloRV(_credential.Guid, new SigInfo(SignatureType.Es256)), Fleet.RendezvousHost));
            return hand.Ask(32, body(ack.NonceTO1Proof), Fleet.RendezvousHost);
        }
        var answer = name switch
        {
            "30 bad encoding" => hand.Ask(30, s_noCbor, Fleet.RendezvousHost),
            "30 unknown GUID" => hand.Ask(new HelloRV(Guid.NewGuid(), new SigInfo(SignatureType.Es256)), Fleet.RendezvousHost),
            "30 bad SigInfo" => hand.Ask(new HelloRV(_credential.Guid, new SigInfo(SignatureType.Es384)), Fleet.RendezvousHost),
            "32 bad encoding" => Prove(_ => s_noCbor),
            "32 bad payload encoding" => Prove(_ => own.Sign(s_noCbor, CoseHeaders.Empty, s_chance, "test").Raw.ToArray()),
            "32 bad signature" => Prove(n => ProveToRV.Sign(n, _credential.Guid, other, s_chance).Raw.ToArray()),
            "32 bad nonce" => Prove(_ => ProveToRV.Sign(Nonce.Draw(s_chance, "n"), _credential.Guid, own, s_chance).Raw.ToArray()),
            _ => Prove(n => ProveToRV.Sign(n, _credential.Guid, own, s_chance).Raw.ToArray()),
        };
        if (code == 0)
            Assert.IsType<RVRedirect>(answer);
        else
            HandDevice.IsError(code, answer);
    }

    // ---- Owner onboarding service

    [Theory]
    [InlineData("60 bad encoding", 100)]
    [InlineData("62 bad encoding", 100)]
    [InlineData("62 bad index", 101)]
    [InlineData("64 bad encoding", 100)]
    [InlineData("64 bad EAT payload", 100)]
    [InlineData("64 bad signature", 101)]
    [InlineData("64 bad nonce", 101)]
    [InlineData("66 bad encoding", 100)]
    [InlineData("66 bad content", 100)]
    [InlineData("66 bad encryption", 100)]
    [InlineData("68 bad encoding", 100)]
    [InlineData("68 bad content", 100)]
    [InlineData("68 bad encryption", 100)]
    [InlineData("68 bad completion logic", 101)]
    [InlineData("70 bad encoding", 100)]
    [InlineData("70 bad content", 100)]
    [InlineData("70 bad encryption", 100)]
    [InlineData("70 bad nonce", 101)]
    public async Task Owner_onboarding_service(string name, int code)
    {
        var hand = Hand;
        int type = int.Parse(name.AsSpan(0, 2), System.Globalization.CultureInfo.InvariantCulture);
        switch (type)
        {
            case 62 or 64:
                hand.Hello();
                break;
            case 66:
                hand.Prove();
                break;
            case 68 or 70:
                hand.Ready();
                break;
        }
        if (type == 70)
        {
            hand.AskSealed(HandDevice.Devmod("fdo.download"));
            Assert.True(Assert.IsType<OwnerServiceInfo>(hand.AskSealed(new DeviceServiceInfo(false, [new("fdo.download:done", Number(10))]))).IsDone);
        }
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var own = FdoPrivateKey.Import(_credential.AttestationKey!.Reveal());
        using var wrong = CipherSuite.A256Gcm.Restore(new SecretBytes(new byte[32]));
        FdoMessage right = type switch { 66 => new DeviceServiceInfoReady(null, null), 68 => HandDevice.Silence, _ => new Done(new Nonce(new byte[16])) };
        var answer = name[3..] switch
        {
            "bad encoding" => hand.Ask(type, s_noCbor),
            "bad index" => hand.Ask(new GetOVNextEntry(1)),
            "bad EAT payload" => hand.Ask(64, own.Sign(s_noCbor, new CoseHeaders([(-259, Bytes(new byte[16]))]), s_chance, "test").Raw),
            "bad signature" => hand.Ask(hand.MakeProof(key: other)),
            "bad nonce" when type == 64 => hand.Ask(hand.MakeProof(nonce: Nonce.Draw(s_chance, "n"))),
            "bad content" => hand.Ask(type, hand.Keys.Seal(s_noCbor, fromOwner: false, s_chance)),
            "bad encryption" => hand.Ask(SealedMessage.Seal(right, wrong, s_chance)),
            "bad completion logic" => BadCompletion(hand),
            _ => hand.AskSealed(new Done(Nonce.Draw(s_chance, "n"))),
        };
        HandDevice.IsError(code, answer);
        Assert.Equal([OwnerVoucherState.Waiting], (await _fleet.Vouchers.ListAsync(null, 10, Fleet.Operator, TestContext.Current.CancellationToken)).Select(v => v.State));
    }

    /// <summary>After a finished devmod one empty 68, then one with IsMore that repeats a devmod pair.</summary>
    private static FdoMessage BadCompletion(HandDevice hand)
    {
        Assert.IsType<OwnerServiceInfo>(hand.AskSealed(HandDevice.Devmod("fdo.download")));
        Assert.IsType<OwnerServiceInfo>(hand.AskSealed(HandDevice.Silence));
        return hand.AskSealed(new DeviceServiceInfo(true, [HandDevice.Devmod().ServiceInfo[1]]));
    }

    /// <summary>The tool's own devmod: IsMore on every message, then an empty one that ends it; modules counted from 1.</summary>
    [Fact]
    public void A_devmod_that_ends_with_an_empty_message_and_counts_from_one_is_taken()
    {
        var hand = Hand.Ready();
        foreach (var pair in HandDevice.Devmod().ServiceInfo[..8])
            Assert.Empty(Assert.IsType<OwnerServiceInfo>(hand.AskSealed(new DeviceServiceInfo(true, [pair]))).ServiceInfo);
        byte[] modules = [0x83, 0x01, 0x01, 0x6D, .. "fido_alliance"u8];
        hand.AskSealed(new DeviceServiceInfo(true, [new("devmod:modules", modules)]));
        Assert.True(Assert.IsType<OwnerServiceInfo>(hand.AskSealed(HandDevice.Silence)).IsDone);
        Assert.IsType<Done2>(hand.AskSealed(new Done(hand.Proof.CuphNonce)));
    }

    // ---- Device

    /// <summary>Runs the device against an owner whose answers of one type are changed, and expects that nothing is saved.</summary>
    private void DeviceRefuses(int type, Func<HandOwner, ReadOnlyMemory<byte>, ReadOnlyMemory<byte>>? leaving = null, Func<HandOwner, FdoMessage, FdoMessage>? instead = null, string? token = "Bearer t", int? code = null)
    {
        Assert.True(_fleet.Register(_voucher).Succeeded);
        HandOwner owner = null!;
        owner = new HandOwner(_fleet.OwnerKey, _voucher)
        {
            Leaving = (t, body) => t == type && leaving is not null ? leaving(owner, body) : body,
            Instead = (_, right) => right.Type == type && instead is not null ? instead(owner, right) : right,
            GivenToken = token,
        };
        _fleet.Roles[Fleet.OwnerHost] = owner;
        var world = _fleet.World<DeviceCredential>();
        var outcome = world.Run(_fleet.Driver(_fleet.Device(_credential), world, DeviceCredential.Schema, FdoPlayers.Device));
        Assert.False(outcome.Succeeded);
        Assert.Empty(world.Saved);
        Assert.NotNull(owner.Error);
        if (code is { } expected)
            Assert.Equal((expected, type), (owner.Error.Code, owner.Error.PreviousType));
    }

    [Theory]
    [InlineData("bad encoding", 100)]
    [InlineData("bad payload encoding", 100)]
    [InlineData("bad OVHeader", 101)]
    [InlineData("bad NonceTO2ProveOV", 101)]
    [InlineData("bad eBSigInfo", 101)]
    [InlineData("bad HelloDeviceHash", 101)]
    [InlineData("bad COSE signature", 101)]
    [InlineData("missing Authorization header", 101)]
    public void Device_at_ProveOVHdr(string name, int code)
    {
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        FdoMessage Content(HandOwner owner, FdoMessage right, Func<ProveOVHdrContent, ProveOVHdrContent> change, FdoPrivateKey? key = null)
        {
            var proof = (ProveOVHdr)right;
            return ProveOVHdr.Sign(change(proof.Content), proof.CuphNonce, owner.Public, key ?? owner.Key, s_chance);
        }
        int? answered = name is "bad encoding" or "bad payload encoding" or "missing Authorization header" ? null : code;
        switch (name)
        {
            case "bad encoding":
                DeviceRefuses(61, (_, _) => s_noCbor);
                break;
            case "bad payload encoding":
                DeviceRefuses(61, (owner, body) => owner.Key.Sign(s_noCbor, ProveOVHdr.Parse(body).Signed.Unprotected, s_chance, "test").Raw);
                break;
            case "missing Authorization header":
                DeviceRefuses(61, token: null);
                break;
            case "bad OVHeader":
                DeviceRefuses(61, instead: (o, r) => Content(o, r, c => c with { Header = new OwnershipVoucherHeader(c.Header.Guid, c.Header.RendezvousInfo, "other", c.Header.PublicKey, c.Header.DevCertChainHash) }), code: answered);
                break;
            case "bad NonceTO2ProveOV":
                DeviceRefuses(61, instead: (o, r) => Content(o, r, c => c with { NonceTO2ProveOV = Nonce.Draw(s_chance, "n") }), code: answered);
                break;
            case "bad eBSigInfo":
                DeviceRefuses(61, instead: (o, r) => Content(o, r, c => c with { BSigInfo = new SigInfo(SignatureType.Es384) }), code: answered);
                break;
            case "bad HelloDeviceHash":
                DeviceRefuses(61, instead: (o, r) => Content(o, r, c => c with { HelloDeviceHash = Sha256("other"u8) }), code: answered);
                break;
            default:
                DeviceRefuses(61, instead: (o, r) => Content(o, r, c => c, other), code: answered);
                break;
        }
    }

    [Theory]
    [InlineData("bad entry signature")]
    [InlineData("bad payload")]
    [InlineData("wrong entry number")]
    [InlineData("mixed hash types")]
    public void Device_at_OVNextEntry(string name)
    {
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var header = _voucher.Header;
        VoucherEntry Entry(HashType previous, HashType info, FdoPrivateKey key) => VoucherEntry.Sign(FdoHash.Of(previous, header.Raw.Span, _voucher.HeaderHmac.Raw.Span), FdoHash.Of(info, header.HeaderInfo()), default,
            FdoPublicKey.From(_fleet.OwnerKey), key, s_chance, "test");
        switch (name)
        {
            case "bad entry signature":
                DeviceRefuses(63, instead: (_, r) => ((OVNextEntry)r) with { Entry = Entry(HashType.Sha256, HashType.Sha256, other) }, code: 101);
                break;
            case "bad payload":
                DeviceRefuses(63, (_, _) => Array(Number(0), _fleet.ManufacturerKey.Sign(s_noCbor, CoseHeaders.Empty, s_chance, "test").Raw.ToArray()));
                break;
            case "mixed hash types":
                DeviceRefuses(63, instead: (_, r) => ((OVNextEntry)r) with { Entry = Entry(HashType.Sha256, HashType.Sha384, _fleet.ManufacturerKey) }, code: 101);
                break;
            default:
                DeviceRefuses(63, instead: (_, r) => ((OVNextEntry)r) with { OVEntryNum = 7 }, code: 101);
                break;
        }
    }

    [Theory]
    [InlineData(65, "bad encoding")]
    [InlineData(65, "bad bytes")]
    [InlineData(65, "bad encryption wrapping")]
    [InlineData(65, "bad payload")]
    [InlineData(65, "bad COSE signature")]
    [InlineData(65, "bad nonce")]
    [InlineData(67, "bad encoding")]
    [InlineData(67, "bad bytes")]
    [InlineData(67, "bad encryption wrapping")]
    [InlineData(69, "bad encoding")]
    [InlineData(69, "bad bytes")]
    [InlineData(69, "bad encryption wrapping")]
    [InlineData(71, "bad encoding")]
    [InlineData(71, "bad bytes")]
    [InlineData(71, "bad encryption wrapping")]
    [InlineData(71, "bad nonce")]
    public void Device_at_sealed_messages(int type, string name)
    {
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        switch (name)
        {
            case "bad encoding":
                DeviceRefuses(type, (_, _) => s_noCbor);
                break;
            case "bad bytes":
                DeviceRefuses(type, (_, body) =>
                {
                    var changed = body.ToArray();
                    changed[^1] ^= 1;
                    return changed;
                });
                break;
            case "bad encryption wrapping":
                // The container of another suite around the same bytes.
                DeviceRefuses(type, (_, body) => (byte[])[0xD1, 0x84, 0x43, 0xA1, 0x01, 0x05, 0xA0, .. Bytes(body.Span), .. Bytes(new byte[32])]);
                break;
            case "bad payload":
                DeviceRefuses(type, instead: (o, r) => Sealed(r, (s, owner) => owner.Sign(s_noCbor, CoseHeaders.Empty, s_chance, "test").Raw, o));
                break;
            case "bad COSE signature":
                DeviceRefuses(65, instead: (o, r) => ((SetupDevice)r) is var s ? SetupDevice.Sign(s.RendezvousInfo, s.Guid, s.NonceTO2SetupDv, o.Public, other, s_chance) : r, code: 101);
                break;
            default:
                DeviceRefuses(type, instead: (o, r) => r is SetupDevice s ? SetupDevice.Sign(s.RendezvousInfo, s.Guid, Nonce.Draw(s_chance, "n"), o.Public, o.Key, s_chance) : new Done2(Nonce.Draw(s_chance, "n")), code: 101);
                break;
        }
    }

    /// <summary>A message of the same type with other bytes inside the encryption.</summary>
    private static SetupDevice Sealed(FdoMessage right, Func<FdoMessage, FdoPrivateKey, ReadOnlyMemory<byte>> content, HandOwner owner)
    {
        var setup = (SetupDevice)right;
        return setup with { Signed = CoseSign1.Parse(content(right, owner.Key), FdoException.Body) };
    }

    [Theory]
    [InlineData(31, "bad encoding")]
    [InlineData(33, "bad encoding")]
    [InlineData(33, "bad to1d")]
    public void Device_in_TO1(int type, string name)
    {
        Assert.True(_fleet.Register(_voucher).Succeeded);
        var world = _fleet.World<DeviceCredential>();
        world.Incoming = r => r.Header("Message-Type") != type.ToString(System.Globalization.CultureInfo.InvariantCulture) ? r
            : r with { Body = name == "bad encoding" ? s_noCbor : _fleet.OwnerKey.Sign(Array([0x80], Sha256("x"u8).Raw.ToArray()), CoseHeaders.Empty, s_chance, "test").Raw };
        var told = new List<ErrorMessage>();
        world.Outgoing = r =>
        {
            if (r.Path.EndsWith("/255", StringComparison.Ordinal))
                told.Add(ErrorMessage.Parse(r.Body));
            return r;
        };
        Assert.False(world.Run(_fleet.Driver(_fleet.Device(_credential), world, DeviceCredential.Schema, FdoPlayers.Device)).Succeeded);
        Assert.Single(told);
        Assert.DoesNotContain("TO2.HelloDevice", world.Sent);
    }
}
