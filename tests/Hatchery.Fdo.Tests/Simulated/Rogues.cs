using System.Collections.Immutable;
using System.Globalization;
using System.Security.Cryptography;
using Hatchery.Cryptography;
using Hatchery.Fdo.Tests.Ceremonies;
using Hatchery.Fdo.Transport;

namespace Hatchery.Fdo.Tests.Simulated;

/// <summary>A device that says what a test wants, in any order, to the real services.</summary>
internal sealed class HandDevice(Fleet fleet, DeviceCredential credential)
{
    private readonly Chance _chance = new SystemChance();
    private HelloDevice? _hello;
    private Nonce _setupDv;

    public string? Token { get; set; }
    public ProveOVHdr Proof { get; private set; } = null!;
    public ProveDevice Proven { get; private set; } = null!;
    public SessionKeys Keys { get; private set; } = null!;

    /// <summary>The answer as it came; an error is an answer.</summary>
    public FdoMessage Ask(FdoMessage message, string host = Fleet.OwnerHost) => Ask(message.Type, message.Raw, host);

    /// <summary>Any bytes as a message.</summary>
    public FdoMessage Ask(int type, ReadOnlyMemory<byte> body, string host = Fleet.OwnerHost)
    {
        KeyValuePair<string, string>[] headers = Token is null ? [] : [new("Authorization", Token)];
        var request = new PlainHttpRequest("POST", FdoHttp.Prefix + type.ToString(CultureInfo.InvariantCulture), headers, body);
        var caller = new Caller { Now = Fleet.Operator.Now, Listener = "test", Remote = "test", Session = new SessionId(Guid.NewGuid()) };
        var handled = fleet.Roles[host].HandleAsync(request, caller, default);
        Assert.True(handled.IsCompleted);
        var response = handled.Result;
        Token ??= response.Header("Authorization");
        var answer = FdoCodec.Parse(int.Parse(response.Header("Message-Type")!, CultureInfo.InvariantCulture), response.Body);
        Assert.Equal(answer is ErrorMessage ? 500 : 200, response.Status);
        return answer;
    }

    /// <summary>A message of 66 to 70, sealed; the answer opened.</summary>
    public FdoMessage AskSealed(FdoMessage content) => Ask(SealedMessage.Seal(content, Keys, _chance)) is var answer && answer is SealedMessage sealedAnswer ? sealedAnswer.Open(Keys) : answer;

    public HandDevice Hello()
    {
        _hello = new HelloDevice(ushort.MaxValue, credential.Guid, Nonce.Draw(_chance, "n"), "ECDH256", (int)CipherSuite.A256Gcm.Name, new SigInfo(SigInfo.For(PublicKeyType.Secp256R1)));
        Proof = Assert.IsType<ProveOVHdr>(Ask(_hello));
        return this;
    }

    public ProveDevice MakeProof(Nonce? nonce = null, FdoPrivateKey? key = null, Guid? guid = null)
    {
        using var exchange = KeyExchangeSuite.Ecdh256.BeginDevice(_chance, Proof.CuphOwnerPubKey);
        Keys = exchange.Complete(Proof.Content.XAKeyExchange, CipherSuite.A256Gcm);
        _setupDv = Nonce.Draw(_chance, "n");
        using var own = SigningKeys.ImportPrivate(credential.AttestationKey!.Reveal());
        return Proven = ProveDevice.Sign(nonce ?? Proof.CuphNonce, guid ?? credential.Guid, exchange.Parameter, _setupDv, key ?? own, _chance);
    }

    /// <summary>Through message 65.</summary>
    public HandDevice Prove()
    {
        Hello();
        for (int i = 0; i < Proof.Content.NumOVEntries; i++)
            Assert.IsType<OVNextEntry>(Ask(new GetOVNextEntry(i)));
        Assert.Equal(65, Ask(MakeProof()).Type);
        return this;
    }

    /// <summary>Through message 67.</summary>
    public HandDevice Ready()
    {
        Prove();
        Assert.IsType<OwnerServiceInfoReady>(AskSealed(new DeviceServiceInfoReady(VoucherHmac.Compute(HashType.HmacSha256, credential.HmacSecret!, Proof.Content.Header), 1300)));
        return this;
    }

    public static DeviceServiceInfo Devmod(params string[] modules) => new(false,
    [
        new("devmod:active", new byte[] { 0xF5 }), new("devmod:os", Text("Linux")), new("devmod:arch", Text("x")), new("devmod:version", Text("1")), new("devmod:device", Text("d")),
        new("devmod:sep", Text(";")), new("devmod:bin", Text("x64")), new("devmod:nummodules", new byte[] { (byte)modules.Length }),
        new("devmod:modules", new byte[] { (byte)(0x80 + 2 + modules.Length), 0, (byte)modules.Length }.Concat(modules.SelectMany(Text)).ToArray()),
    ]);

    public static DeviceServiceInfo Silence { get; } = new(false, []);

    /// <summary>Short text as CBOR.</summary>
    private static byte[] Text(string text) => [(byte)(0x60 + text.Length), .. System.Text.Encoding.ASCII.GetBytes(text)];

    public static void IsError(int code, FdoMessage answer)
    {
        var error = Assert.IsType<ErrorMessage>(answer);
        Assert.True(code == error.Code, $"{code} expected, but {error.Code}: {error.Text}");
    }
}

/// <summary>An owner (or who wants to be taken for one) by hand: correct but for what a test puts in the place of an answer.</summary>
internal sealed class HandOwner(FdoPrivateKey key, OwnershipVoucher voucher) : IHttpRole
{
    private readonly Chance _chance = new SystemChance();
    private readonly FdoHttpServer _binding = new([60, 62, 64, 66, 68, 70], new SystemChance());
    private KeyExchange? _exchange;
    private SessionKeys? _keys;

    /// <summary>Called with type and body of each answer as it leaves; null token: none is sent.</summary>
    public Func<int, ReadOnlyMemory<byte>, ReadOnlyMemory<byte>> Leaving { get; init; } = (_, body) => body;
    public string? GivenToken { get; init; } = "Bearer t";
    public List<FdoMessage> Heard { get; } = [];
    /// <summary>Request (opened) and right answer (not yet sealed) to what is answered.</summary>
    public Func<FdoMessage, FdoMessage, FdoMessage> Instead { get; init; } = (_, right) => right;
    public Nonce SetupDv { get; private set; }
    public FdoPublicKey Public => FdoPublicKey.From(key);
    public FdoPrivateKey Key => key;
    public ErrorMessage? Error => Heard.OfType<ErrorMessage>().SingleOrDefault();

    public ImmutableArray<string> Routes => _binding.Routes;
    public int MaxBody => _binding.MaxBody;

    public ValueTask<PlainHttpResponse> HandleAsync(PlainHttpRequest request, Caller caller, CancellationToken cancel)
    {
        var message = (FdoMessage)_binding.Parse(request, caller);
        if (message is SealedMessage closed)
            message = closed.Open(_keys!);
        Heard.Add(message);
        if (message is ErrorMessage)
            return new(_binding.Encode(new Reply(null), request));
        var answer = Instead(message, Answer(message));
        if (answer.Type is >= 65 and <= 71)
            answer = SealedMessage.Seal(answer, _keys!, _chance);
        var response = _binding.Encode(new Reply(answer, message is HelloDevice ? GivenToken : null), request);
        return new(response with { Body = Leaving(answer.Type, response.Body) });
    }

    private FdoMessage Answer(FdoMessage message)
    {
        switch (message)
        {
            case HelloDevice hello:
                _exchange = KeyExchangeSuite.Ecdh256.BeginOwner(_chance);
                return ProveOVHdr.Sign(new ProveOVHdrContent(voucher.Header, voucher.Entries.Length, voucher.HeaderHmac, hello.NonceTO2ProveOV, hello.ASigInfo, _exchange.Parameter,
                    FdoHash.Of(HashType.Sha256, hello.Raw.Span), ushort.MaxValue), Nonce.Draw(_chance, "n"), Public, key, _chance);
            case GetOVNextEntry next:
                return new OVNextEntry(next.OVEntryNum, voucher.Entries[next.OVEntryNum]);
            case ProveDevice proof:
                _keys = _exchange!.Complete(proof.XBKeyExchange, CipherSuite.A256Gcm);
                SetupDv = proof.EuphNonce;
                return SetupDevice.Sign(voucher.Header.RendezvousInfo, Guid.NewGuid(), SetupDv, Public, key, _chance);
            case DeviceServiceInfoReady:
                return new OwnerServiceInfoReady(8192);
            case DeviceServiceInfo info:
                return new OwnerServiceInfo(false, !info.IsMoreServiceInfo, []);
            default:
                return new Done2(SetupDv);
        }
    }
}
