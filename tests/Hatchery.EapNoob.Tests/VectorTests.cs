using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Hatchery.EapNoob.Device;
using Hatchery.EapNoob.Messages;
using Hatchery.Simulation;

namespace Hatchery.EapNoob.Tests;

/// <summary>Values of others, byte for byte.</summary>
public sealed class VectorTests
{
    private static JsonElement Open(string file) => JsonDocument.Parse(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Vectors", file))).RootElement;
    private static string Text(JsonElement json, string name) => json.GetProperty(name).GetString()!;
    private static byte[] Hex(JsonElement json, string name) => Convert.FromHexString(Text(json, name));
    private static byte[] Raw(JsonElement json, string name) => Encoding.UTF8.GetBytes(json.GetProperty(name).GetRawText());

    private static byte[] Url64(string text)
    {
        var value = new byte[text.Length * 3 / 4];
        Assert.True(Base64Text.TryDecode(text, value), text);
        return value;
    }

    public static TheoryData<int> Cases() => [0, 1, 2, 3];

    [Theory]
    [MemberData(nameof(Cases))]
    public void Derivations(int number)
    {
        var root = Open("derivation.json");
        var (inputs, one) = (root.GetProperty("inputs"), root.GetProperty("cases")[number]);
        string peerId = Text(inputs, "PeerId"), nai = Text(inputs, "NAI");
        int suite = one.GetProperty("cryptosuite").GetInt32();
        bool datalength = Text(one, "kdf") == "datalength";
        var variant = NoobVariant.Rfc9140 with { Datalength = datalength };
        byte[] noob = Url64(Text(inputs, "Noob")), np = Url64(Text(inputs, "Np")), ns = Url64(Text(inputs, "Ns"));
        string serverInfo = Text(inputs, "ServerInfo"), peerInfo = Text(inputs, "PeerInfo");

        var request2 = InitialRequest.Make([1], peerId, null, [1, 2], (OobDirections)3, Encoding.UTF8.GetBytes(serverInfo), variant);
        var response2 = InitialResponse.Make(1, peerId, suite, (OobDirections)2, Encoding.UTF8.GetBytes(peerInfo));
        var request3 = InitialKeyRequest.Make(peerId, Encoding.UTF8.GetBytes(Text(one, "PKs")), ns, 60, variant);
        var response3 = InitialKeyResponse.Make(peerId, Encoding.UTF8.GetBytes(Text(one, "PKp")), np, variant);
        byte[] middle = HashInput.Initial(request2.Members, response2.Members, request3.Members, response3.Members, HashInput.InitialNai(variant, null, nai));
        Assert.Equal(Text(one, "Hoob_input"), Encoding.UTF8.GetString(HashInput.Array(2, middle, noob)));
        Assert.Equal(Text(one, "MACs_input"), Encoding.UTF8.GetString(HashInput.Array(2, middle, noob)));
        Assert.Equal(Text(one, "MACp_input"), Encoding.UTF8.GetString(HashInput.Array(1, middle, noob)));

        // Both sides' secret, from the private keys of the vector and the public keys as they came.
        var keysOf = inputs.GetProperty(suite == 1 ? "x25519" : "p256");
        using var sks = Cryptosuites.Restore(suite, new SecretBytes(Hex(keysOf, "sks")));
        using var skp = Cryptosuites.Restore(suite, new SecretBytes(Hex(keysOf, "skp")));
        byte[] z = response3.Pkp.Agree(sks, suite);
        Assert.Equal(Hex(one, "Z"), z);
        Assert.Equal(z, request3.Pks.Agree(skp, suite));
        Assert.Equal(Text(one, "PKs"), Encoding.UTF8.GetString(EcdheKey.Write(sks, suite, variant)));
        Assert.Equal(Text(one, "PKp"), Encoding.UTF8.GetString(EcdheKey.Write(skp, suite, variant)));

        var completion = one.GetProperty("completion");
        using var keys = KeySchedule.Derive(z, np, ns, noob, datalength);
        Check(completion, keys, "");
        Assert.Equal(Hex(completion, "Kz"), keys.Kz);
        Assert.Equal(Text(completion, "Hoob"), Base64Text.Encode(HashInput.Hoob(OobDirections.ServerToPeer, middle, noob)));
        Assert.Equal(Text(completion, "MACs"), Base64Text.Encode(HashInput.Macs(keys, middle, noob)));
        Assert.Equal(Text(completion, "MACp"), Base64Text.Encode(HashInput.Macp(keys, middle, noob)));
        var message = new OobMessage(peerId, noob, HashInput.Hoob(OobDirections.ServerToPeer, middle, noob));
        Assert.Equal(Text(one, "oob_query"), message.ToQuery().Reveal());

        var kz = new SecretBytes(keys.Kz);
        foreach (var reconnect in completion.TryGetProperty("reconnect", out var inside) ? inside.EnumerateArray() : one.GetProperty("reconnect").EnumerateArray())
            Reconnect(reconnect, inputs, kz, datalength, nai);
    }

    private static void Check(JsonElement expected, NoobKeys keys, string suffix)
    {
        Assert.Equal(Hex(expected, "MSK"), keys.Msk);
        Assert.Equal(Hex(expected, "EMSK"), keys.Emsk);
        Assert.Equal(Hex(expected, "AMSK"), keys.Amsk);
        Assert.Equal(Hex(expected, "MethodId"), keys.MethodId);
        Assert.Equal(Hex(expected, "Kms" + suffix), keys.Kms);
        Assert.Equal(Hex(expected, "Kmp" + suffix), keys.Kmp);
        Assert.Equal(Hex(expected, "SessionId"), keys.ToEap("x").SessionId.Span);
    }

    private static void Reconnect(JsonElement one, JsonElement inputs, SecretBytes kz, bool datalength, string nai)
    {
        var mode = (KeyingMode)one.GetProperty("KeyingMode").GetInt32();
        var variant = Text(one, "reconnect_nai") == "empty" ? NoobVariant.DraftExamples : NoobVariant.Rfc9140;
        byte[] np2 = Url64(Text(inputs, "Np2")), ns2 = Url64(Text(inputs, "Ns2"));
        string input = Text(one, "MACs2_input");
        using var expected = JsonDocument.Parse(input);
        var elements = expected.RootElement;
        byte[] Element(int n) => elements[n - 1].ValueKind == JsonValueKind.Object ? Encoding.UTF8.GetBytes(elements[n - 1].GetRawText()) : [];
        string peerId = Text(inputs, "PeerId");
        var request7 = ReconnectRequest.Make([1], peerId, [1, 2], null, Element(7), variant);
        var response7 = ReconnectResponse.Make(1, peerId, one.GetProperty("Cryptosuitep").GetInt32(), Element(11));
        var request8 = ReconnectKeyRequest.Make(peerId, mode, Element(13), ns2, variant);
        var response8 = ReconnectKeyResponse.Make(peerId, Element(15), np2, variant);
        byte[] middle = HashInput.Reconnect(request7.Members, response7.Members, request8.Members, response8.Members, HashInput.ReconnectNai(variant, null, nai));
        Assert.Equal(input, Encoding.UTF8.GetString(HashInput.Array(2, middle, default)));
        Assert.Equal(Text(one, "MACp2_input"), Encoding.UTF8.GetString(HashInput.Array(1, middle, default)));
        using var keys = KeySchedule.Reconnect(mode == KeyingMode.WithoutEcdhe ? null : Hex(one, "Z"), np2, ns2, kz, datalength);
        Check(one, keys, "2");
        if (mode == KeyingMode.EcdheNewCryptosuite)
            Assert.Equal(Hex(one, "Kz"), keys.Kz);
        Assert.Equal(Text(one, "MACs2"), Base64Text.Encode(HashInput.Macs(keys, middle, default)));
        Assert.Equal(Text(one, "MACp2"), Base64Text.Encode(HashInput.Macp(keys, middle, default)));
    }

    [Fact]
    public void NoobId_in_its_forms()
    {
        var root = Open("derivation.json");
        byte[] noob = Url64(Text(root.GetProperty("inputs"), "Noob"));
        var expected = root.GetProperty("NoobId");
        Assert.Equal(Text(expected.GetProperty("concat"), "value"), Base64Text.Encode(HashInput.NoobId(noob, NoobIdForm.Concat)));
        Assert.Equal(Text(expected.GetProperty("json_array"), "value"), Base64Text.Encode(HashInput.NoobId(noob, NoobIdForm.JsonArray)));
        foreach (var (file, form) in new[] { ("transcript-rfc9140-c-peer.json", NoobIdForm.JsonUnquoted), ("transcript-rfc9140-namib-server.json", NoobIdForm.JsonArray) })
        {
            var oob = Open(file).GetProperty("oob");
            Assert.Equal(Text(oob, "NoobId"), Base64Text.Encode(HashInput.NoobId(Url64(Text(oob, "Noob")), form)));
            Assert.Equal(form, HashInput.FormOf(Url64(Text(oob, "NoobId")), Url64(Text(oob, "Noob"))));
        }
    }

    /// <summary>Our peer answers the vector's requests: the upgrade, the loss of its last response, and the way back.</summary>
    [Fact]
    public void Recovery_of_a_lost_upgrade()
    {
        var (root, inputs) = (Open("recovery.json"), Open("derivation.json").GetProperty("inputs"));
        var start = root.GetProperty("start");
        var state = NoobPeerState.Make("{}") with
        {
            State = AssociationState.Reconnecting,
            PeerId = Text(start, "PeerId"),
            Nai = Text(start, "NAI"),
            Verp = 1,
            Cryptosuitep = 1,
            Kz = new SecretBytes(Hex(start.GetProperty("peer"), "Kz")),
            PeerInfoSent = "{}",
        };
        var options = new NoobPeerOptions(new Destination("radius", "x", 1, new ChannelSecurity.None(), NoobPlayers.Server)) { Cryptosuites = [2] };
        var step1 = Open("derivation.json").GetProperty("cases")[0].GetProperty("completion").TryGetProperty("reconnect", out var inside)
            ? inside : Open("derivation.json").GetProperty("cases")[0].GetProperty("reconnect");
        var upgrade = step1.EnumerateArray().Single(r => Text(r, "reconnect_nai") == "persistent" && r.GetProperty("KeyingMode").GetInt32() == 3);
        var elements = JsonDocument.Parse(Text(upgrade, "MACs2_input")).RootElement;
        byte[] d = Hex(inputs.GetProperty("p256"), "skp");
        var first = Converse(state, options, new RecordedChance().Add("EAP-NOOB.PKp2", d).Add("EAP-NOOB.Np2", Url64(Text(inputs, "Np2"))),
            """{"Type":1}""",
            $$"""{"Type":7,"Vers":[1],"PeerId":"{{state.PeerId}}","Cryptosuites":[1,2]}""",
            $$"""{"Type":8,"PeerId":"{{state.PeerId}}","KeyingMode":3,"PKs2":{{elements[12].GetRawText()}},"Ns2":"{{Text(inputs, "Ns2")}}"}""",
            $$"""{"Type":9,"PeerId":"{{state.PeerId}}","MACs2":"{{Text(root.GetProperty("step1_upgrade_lost"), "MACs2")}}"}""");
        Assert.Equal($$"""{"Type":9,"PeerId":"{{state.PeerId}}","MACp2":"{{Text(root.GetProperty("step1_upgrade_lost"), "MACp2")}}"}""", first.Answers[^1]);
        Check(root.GetProperty("step1_upgrade_lost").GetProperty("peer_after"), first.State);

        var step2 = root.GetProperty("step2_reconnect");
        var np2 = JsonDocument.Parse(Text(step2, "response8")).RootElement;
        // The vector does not say the peer's second private key, but all that follows from it.
        var second = first.State with { State = AssociationState.Reconnecting };
        var request7 = (ReconnectRequest)NoobRequests.Parse(Encoding.UTF8.GetBytes(Text(step2, "request7")), NoobVariant.Rfc9140);
        var response7 = (ReconnectResponse)NoobResponses.Parse(Encoding.UTF8.GetBytes(Text(step2, "response7")), NoobVariant.Rfc9140);
        var request8 = (ReconnectKeyRequest)NoobRequests.Parse(Encoding.UTF8.GetBytes(Text(step2, "request8")), NoobVariant.Rfc9140);
        var response8 = (ReconnectKeyResponse)NoobResponses.Parse(Encoding.UTF8.GetBytes(Text(step2, "response8")), NoobVariant.Rfc9140);
        byte[] middle = HashInput.Reconnect(request7.Members, response7.Members, request8.Members, response8.Members, second.Nai);
        Assert.Equal(Text(step2, "MACs2_input"), Encoding.UTF8.GetString(HashInput.Array(2, middle, default)));
        using (var withKz = KeySchedule.Reconnect(Hex(step2, "Z"), response8.Np2.Span, request8.Ns2.Span, second.Kz!, false))
            Assert.Equal(Text(step2, "peer_first_try_with_Kz_gives"), Base64Text.Encode(HashInput.Macs(withKz, middle, default)));
        using var back = KeySchedule.Reconnect(Hex(step2, "Z"), response8.Np2.Span, request8.Ns2.Span, second.KzPrev!, false);
        Assert.Equal(Text(step2, "peer_second_try_with_KzPrev_gives"), Base64Text.Encode(HashInput.Macs(back, middle, default)));
        Assert.Equal(Hex(step2, "MSK"), back.Msk);
        Assert.Equal(Hex(step2, "EMSK"), back.Emsk);
        Assert.Equal(Hex(root.GetProperty("end").GetProperty("peer"), "Kz"), back.Kz);
        Assert.Contains(Base64Text.Encode(HashInput.Macp(back, middle, default)), Text(step2, "response9"), StringComparison.Ordinal);
    }

    private static void Check(JsonElement expected, NoobPeerState state)
    {
        Assert.Equal((expected.GetProperty("Cryptosuitep").GetInt32(), expected.GetProperty("CryptosuitepPrev").GetInt32()), (state.Cryptosuitep, state.CryptosuitepPrev));
        Assert.Equal(Hex(expected, "Kz"), state.Kz!.Reveal());
        Assert.Equal(Hex(expected, "KzPrev"), state.KzPrev!.Reveal());
        Assert.Equal(AssociationState.Registered, state.State);
    }

    private static (List<string> Answers, NoobPeerState State) Converse(NoobPeerState state, NoobPeerOptions options, Chance chance, params string[] requests)
    {
        using var conversation = new PeerConversation(state, state.Nai, options, chance);
        var answers = new List<string>();
        foreach (string request in requests)
            answers.Add(Encoding.UTF8.GetString(conversation.Receive(NoobRequests.Parse(Encoding.UTF8.GetBytes(request), options.Variant)).Answer.Raw.Span));
        return (answers, conversation.State);
    }

    /// <summary>Our peer, given the vector's private keys and nonces, gives the vector's answers.</summary>
    [Theory]
    [InlineData(0, 1)]
    [InlineData(2, 2)]
    public void The_peer_replays_an_initial_exchange(int number, int suite)
    {
        var root = Open("derivation.json");
        var (inputs, one) = (root.GetProperty("inputs"), root.GetProperty("cases")[number]);
        string peerId = Text(inputs, "PeerId");
        var state = NoobPeerState.Make(Text(inputs, "PeerInfo"), Text(inputs, "NAI"));
        var chance = new RecordedChance().Add("EAP-NOOB.PKp", Hex(inputs.GetProperty(suite == 1 ? "x25519" : "p256"), "skp")).Add("EAP-NOOB.Np", Url64(Text(inputs, "Np")));
        var options = new NoobPeerOptions(new Destination("radius", "x", 1, new ChannelSecurity.None(), NoobPlayers.Server)) { Cryptosuites = [suite], Directions = OobDirections.ServerToPeer };
        using var conversation = new PeerConversation(state, state.ConfiguredNai, options, chance);
        string Ask(string request) => Encoding.UTF8.GetString(conversation.Receive(NoobRequests.Parse(Encoding.UTF8.GetBytes(request), options.Variant)).Answer.Raw.Span);
        Assert.Equal("""{"Type":1,"PeerState":0}""", Ask("""{"Type":1}"""));
        Assert.Equal($$"""{"Type":2,"Verp":1,"PeerId":"{{peerId}}","Cryptosuitep":{{suite}},"Dirp":2,"PeerInfo":{{Text(inputs, "PeerInfo")}}}""",
            Ask($$"""{"Type":2,"Vers":[1],"PeerId":"{{peerId}}","Cryptosuites":[1,2],"Dirs":3,"ServerInfo":{{Text(inputs, "ServerInfo")}}}"""));
        Assert.Equal($$"""{"Type":3,"PeerId":"{{peerId}}","PKp":{{Text(one, "PKp")}},"Np":"{{Text(inputs, "Np")}}"}""",
            Ask($$"""{"Type":3,"PeerId":"{{peerId}}","PKs":{{Text(one, "PKs")}},"Ns":"{{Text(inputs, "Ns")}}","SleepTime":60}"""));
        chance.AssertUsed();
        Assert.Equal(Hex(one, "Z"), conversation.State.Z!.Reveal());
        Assert.Equal(Text(one.GetProperty("completion"), "Hoob"), Base64Text.Encode(HashInput.Hoob(OobDirections.ServerToPeer, conversation.State.HashInput.Span, Url64(Text(inputs, "Noob")))));

        // The server has the OOB message; MACs of both profiles of the KDF are taken.
        using var completing = new PeerConversation(conversation.State with { State = AssociationState.OobReceived, ReceivedNoob = new SecretBytes(Url64(Text(inputs, "Noob"))) },
            state.ConfiguredNai, options, chance);
        string Go(string request) => Encoding.UTF8.GetString(completing.Receive(NoobRequests.Parse(Encoding.UTF8.GetBytes(request), options.Variant)).Answer.Raw.Span);
        var literal = root.GetProperty("cases").EnumerateArray().Single(c => c.GetProperty("cryptosuite").GetInt32() == suite && Text(c, "kdf") == "datalength").GetProperty("completion");
        Go("""{"Type":1}""");
        string noobId = Text(root.GetProperty("NoobId").GetProperty("json_array"), "value");
        Assert.Equal($$"""{"Type":5,"PeerId":"{{peerId}}","NoobId":"{{noobId}}"}""", Go($$"""{"Type":5,"PeerId":"{{peerId}}"}"""));
        Assert.Equal($$"""{"Type":6,"PeerId":"{{peerId}}","MACp":"{{Text(literal, "MACp")}}"}""",
            Go($$"""{"Type":6,"PeerId":"{{peerId}}","NoobId":"{{noobId}}","MACs":"{{Text(literal, "MACs")}}"}"""));
        Assert.True(completing.State.Datalength);
        Assert.Equal(Hex(literal, "Kz"), completing.State.Kz!.Reveal());
    }

    public static TheoryData<string> Transcripts() => ["transcript-rfc9140-c-peer.json", "transcript-rfc9140-namib-server.json", "transcripts-legacy-draft02.json"];

    /// <summary>Conversations of other implementations: every message parsed, every Hoob, MAC and key recomputed that the record has what is needed for.</summary>
    [Theory]
    [MemberData(nameof(Transcripts))]
    public void Recorded_conversations(string file)
    {
        var root = Open(file);
        var variant = file.Contains("legacy", StringComparison.Ordinal) ? NoobVariant.LegacyDraft02 : NoobVariant.Rfc9140;
        int messages = 0, macs = 0, hoobs = 0;
        foreach (var scenario in root.TryGetProperty("scenarios", out var many) ? [.. many.EnumerateArray()] : new[] { root })
            new Transcript(variant).Follow(scenario, ref messages, ref macs, ref hoobs);
        Assert.True(messages >= 20 && hoobs >= 1, $"{messages} messages, {hoobs} hoobs");
        Assert.True(file.Contains("c-peer", StringComparison.Ordinal) || macs >= 4, $"{macs} MACs");
    }

    private sealed class Transcript(NoobVariant variant)
    {
        private readonly Dictionary<(int, bool), NoobMessage> _last = [];
        private byte[] _initial = [];
        private string _nai = "";

        public void Follow(JsonElement scenario, ref int messages, ref int macs, ref int hoobs)
        {
            var oob = scenario.GetProperty("oob");
            byte[] noob = Url64(Text(oob, "Noob"));
            foreach (var step in scenario.GetProperty("steps").EnumerateArray())
            {
                string step1 = Text(step, "step");
                foreach (var message in step.GetProperty("messages").EnumerateArray())
                    Take(message, ref messages);
                if (step1 == "initial")
                {
                    var request2 = (InitialRequest)_last[(2, true)];
                    _initial = HashInput.Initial(request2.Members, _last[(2, false)].Members, _last[(3, true)].Members, _last[(3, false)].Members, HashInput.InitialNai(variant, request2.NewNai, _nai));
                    byte[] hoob = HashInput.Hoob((OobDirections)oob.GetProperty("Dir").GetInt32(), _initial, noob);
                    Assert.Equal(Text(oob, "Hoob"), Base64Text.Encode(hoob));
                    hoobs++;
                }
                if (step.TryGetProperty("crypto", out var crypto))
                    Keys(step1, crypto, noob, ref macs);
            }
        }

        private void Take(JsonElement message, ref int messages)
        {
            byte[] eap = message.TryGetProperty("eap", out var packet) && packet.ValueKind == JsonValueKind.String ? Convert.FromHexString(packet.GetString()!) : [];
            if (eap.Length < 6)
                return;
            bool fromServer = Text(message, "dir") == "server-to-peer";
            if (eap[4] == 1 && !fromServer)
                _nai = Encoding.UTF8.GetString(eap[5..]);
            if (eap[4] != NoobEap.Type)
                return;
            var parsed = fromServer ? NoobRequests.Parse(eap.AsMemory(5), variant) : NoobResponses.Parse(eap.AsMemory(5), variant);
            _last[(parsed.Type, fromServer)] = parsed;
            messages++;
        }

        private void Keys(string step, JsonElement crypto, byte[] noob, ref int macs)
        {
            bool completion = step == "completion";
            byte[] np, ns, middle;
            KeyingMode mode = KeyingMode.Completion;
            if (completion)
                (np, ns, middle) = (((InitialKeyResponse)_last[(3, false)]).Np.ToArray(), ((InitialKeyRequest)_last[(3, true)]).Ns.ToArray(), _initial);
            else
            {
                var (request7, request8, response8) = ((ReconnectRequest)_last[(7, true)], (ReconnectKeyRequest)_last[(8, true)], (ReconnectKeyResponse)_last[(8, false)]);
                (np, ns, mode) = (response8.Np2.ToArray(), request8.Ns2.ToArray(), request8.KeyingMode);
                middle = HashInput.Reconnect(request7.Members, _last[(7, false)].Members, request8.Members, response8.Members, HashInput.ReconnectNai(variant, request7.NewNai, _nai));
            }
            if (crypto.TryGetProperty("MACs_input", out var input))
                Assert.Equal(input.GetString(), Encoding.UTF8.GetString(HashInput.Array(2, middle, completion ? noob : [])));
            // In KeyingMode 1, Z is Kz; SuppPrivInfo is recorded where there is one.
            byte[] supp = completion ? noob : crypto.TryGetProperty("SuppPrivInfo", out var s) ? Convert.FromHexString(s.GetString()!) : [];
            if (!completion && mode != KeyingMode.WithoutEcdhe && supp.Length == 0)
                return;
            using var keys = KeySchedule.Derive(Hex(crypto, "Z"), np, ns, supp, false);
            string output = crypto.TryGetProperty("kdf_out", out var o) ? o.GetString()! : Text(crypto, "kdf");
            byte[] block = Convert.FromHexString(output);
            Assert.Equal(block, keys.Block[..block.Length]);
            var (request, response) = completion
                ? (((CompletionRequest)_last[(6, true)]).Macs, ((CompletionResponse)_last[(6, false)]).Macp)
                : (((ReconnectMacRequest)_last[(9, true)]).Macs2, ((ReconnectMacResponse)_last[(9, false)]).Macp2);
            Assert.Equal(request.ToArray(), HashInput.Macs(keys, middle, completion ? noob : []));
            Assert.Equal(response.ToArray(), HashInput.Macp(keys, middle, completion ? noob : []));
            macs += 2;
        }
    }

    /// <summary>EAPOL frames through a stock authenticator: the bodies are packets of this method.</summary>
    [Fact]
    public void Recorded_frames()
    {
        int methods = 0;
        foreach (var frame in Open("eapol-legacy-draft02.json").GetProperty("frames").EnumerateArray())
        {
            byte[] eapol = Convert.FromHexString(Text(frame, "eapol"));
            if (eapol[1] != 0 || eapol.Length < 10 || eapol[8] != NoobEap.Type)
                continue;
            int length = (eapol[6] << 8) + eapol[7];
            var data = eapol.AsMemory(9, length - 5);
            _ = eapol[4] == 1 ? NoobRequests.Parse(data, NoobVariant.LegacyDraft02) : NoobResponses.Parse(data, NoobVariant.LegacyDraft02);
            methods++;
        }
        Assert.True(methods >= 10, $"{methods}");
    }

    /// <summary>RFC 7748 §6.1, and points of small order.</summary>
    [Fact]
    public void X25519()
    {
        using var a = Cryptography.X25519Agreement.FromPrivate(Convert.FromHexString("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"));
        using var b = Cryptography.X25519Agreement.FromPrivate(Convert.FromHexString("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"));
        Assert.Equal("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a", Convert.ToHexStringLower(a.PublicPoint.Span));
        Assert.Equal("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742", Convert.ToHexStringLower(a.Agree(b.PublicPoint.Span)));
        foreach (string small in new[] { new string('0', 64), "01" + new string('0', 62), "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
            "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f" })
            Assert.Throws<CryptographicException>(() => a.Agree(Convert.FromHexString(small)));
        Assert.Throws<CryptographicException>(() => a.Agree(new byte[31]));
    }
}
