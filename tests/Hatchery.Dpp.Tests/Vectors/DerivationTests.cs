using System.Text.Json;
using Hatchery.Cryptography;
using Hatchery.Simulation;

namespace Hatchery.Dpp.Tests.Vectors;

public class DerivationTests
{
    [Fact]
    public void Aes_siv_is_that_of_rfc_5297_and_counts_empty_components()
    {
        int count = 0;
        foreach (var v in Vector.Load("aes_siv").GetProperty("vectors").EnumerateArray())
        {
            using var siv = new AesSiv(v.Hex("key"));
            ReadOnlyMemory<byte>[] associated = [.. v.GetProperty("ad").EnumerateArray().Select(a => (ReadOnlyMemory<byte>)Convert.FromHexString(a.GetString()!))];
            byte[] output = v.Hex("output");
            Assert.Equal(output.ToHex(), siv.Seal(v.Hex("plaintext"), associated).ToHex());
            Assert.True(siv.TryOpen(output, out byte[] plain, associated));
            Assert.Equal(v.Hex("plaintext"), plain);
            output[count % output.Length] ^= 1;
            Assert.False(siv.TryOpen(output, out _, associated));
            count++;
        }
        Assert.True(count > 5);
    }

    [Fact]
    public void Uris_are_read_and_written()
    {
        var vectors = Vector.Load("bootstrap_uri");
        foreach (var v in vectors.GetProperty("valid").EnumerateArray())
        {
            var uri = DppUri.Parse(v.Text("uri"));
            Assert.Equal(uri.Key, DppUri.Parse(uri.ToString()).Key);
            foreach (var expected in v.GetProperty("expect").EnumerateObject())
            {
                string value = expected.Value.ToString();
                switch (expected.Name)
                {
                    case "curve": Assert.Equal(value, uri.Key.Curve.Name); break;
                    case "version": Assert.Equal(value, uri.Version?.ToString() ?? ""); break;
                    case "channels": Assert.Equal(expected.Value.EnumerateArray().Select(c => c.GetString()), uri.Channels.Select(c => c.ToString())); break;
                    case "information": Assert.Equal(value, uri.Information); break;
                    case "mac": Assert.Equal(value, Convert.ToHexStringLower(uri.Mac.AsSpan())); break;
                    case "host": Assert.Equal(value, uri.Host); break;
                    case "port": Assert.Equal(value, uri.Port.ToString()); break;
                    case "supported_curves": Assert.Equal(expected.Value.EnumerateArray().Select(c => c.GetString()), uri.Curves!.Value.Select(c => c.Name)); break;
                    default: Assert.Contains(expected.Name, (string[])["note", "channel_list_present", "spki", "hash"]); break;
                }
            }
        }
        foreach (var v in vectors.GetProperty("invalid").EnumerateArray())
            Assert.Throws<DppException>(() => DppUri.Parse(v.Text("uri")));
        foreach (var v in vectors.GetProperty("keys").EnumerateArray())
            CheckKey(v);
    }

    private static void CheckKey(JsonElement v)
    {
        var names = v.EnumerateObject().ToDictionary(p => p.Name, p => p.Value.ToString());
        string spki = names.First(n => n.Key.StartsWith("spki", StringComparison.Ordinal)).Value;
        var key = BootstrappingKey.FromSpki(Convert.FromHexString(spki));
        Assert.Equal(spki, BootstrappingKey.FromPoint(key.Curve, key.Point.Span).Spki.ToHex());
        Assert.Contains(key.Hash.ToHex(), names.Values);
        Assert.Contains(key.ChirpHash.ToHex(), names.Values);
    }

    [Theory]
    [InlineData("p256_mutual"), InlineData("p256_responder_only"), InlineData("p521_mutual")]
    public void Keys_of_authentication_are_the_published_ones(string name)
    {
        var v = Vector.Load("auth_keys").GetProperty("vectors").GetProperty(name);
        var curve = v.Curve();
        using var bR = BootstrappingKeyPair.FromScalar(curve, v.Hex("bR"));
        using var bI = BootstrappingKeyPair.FromScalar(curve, v.Hex("bI"));
        Assert.Equal(v.Text("BR_spki"), bR.Public.Spki.ToHex());
        Assert.Equal(v.Text("BI_hash"), bI.Public.Hash.ToHex());
        Assert.Equal(v.Text("BR_chirp_hash"), bR.Public.ChirpHash.ToHex());
        bool mutual = v.GetProperty("mutual").GetBoolean();
        Assert.Equal(v.Text("k1"), KeySchedule.K1(curve, v.Hex("Mx")).ToHex());
        Assert.Equal(v.Text("k2"), KeySchedule.K2(curve, v.Hex("Nx")).ToHex());
        byte[] bk = KeySchedule.Bk(curve, v.Hex("I_nonce"), v.Hex("R_nonce"), v.Hex("Mx"), v.Hex("Nx"), v.Hex("Lx"));
        Assert.Equal(v.Text("bk"), bk.ToHex());
        Assert.Equal(v.Text("ke"), KeySchedule.Ke(curve, bk).ToHex());
        byte[] pi = [4, .. v.Hex("PI")], pr = [4, .. v.Hex("PR")];
        var bi = mutual ? bI.Public.Point : default;
        Assert.Equal(v.Text("R_auth"), KeySchedule.RAuth(curve, v.Hex("I_nonce"), v.Hex("R_nonce"), pi, pr, bi, bR.Public.Point).ToHex());
        Assert.Equal(v.Text("I_auth"), KeySchedule.IAuth(curve, v.Hex("I_nonce"), v.Hex("R_nonce"), pi, pr, bi, bR.Public.Point).ToHex());
    }

    public static TheoryData<string> PkexNames() => ["v1_p256", .. Vector.Load("pkex").GetProperty("v2").EnumerateObject().Select(p => p.Name)];

    [Theory]
    [MemberData(nameof(PkexNames))]
    public void Pkex_is_the_published_one_on_both_sides(string name)
    {
        var all = Vector.Load("pkex");
        var v = name == "v1_p256" ? all.GetProperty(name) : all.GetProperty("v2").GetProperty(name);
        var curve = v.Curve();
        int version = v.GetProperty("version").GetInt32();
        byte[] macI = v.Hex("mac_initiator"), macR = v.Hex("mac_responder");
        using var a = BootstrappingKeyPair.FromScalar(curve, v.Hex("a"));
        using var b = BootstrappingKeyPair.FromScalar(curve, v.Hex("b"));
        PkexCode Code() => PkexCode.FromText(v.Text("code"), v.Text("identifier"));
        int protocolVersion = version == 1 ? 1 : 3;
        if (v.TryGetProperty("version_initiator", out var said))
            protocolVersion = said.GetInt32();
        var codes = (Code(), Code());
        using var initiator = new PkexInitiator(new PkexOptions(codes.Item1, a, version, protocolVersion, macI, true), new RecordedChance().Add("PKEX.x", v.Hex("x")));
        using var responder = new PkexResponder(new PkexOptions(codes.Item2, b, version, protocolVersion, macR, false), new RecordedChance().Add("PKEX.y", v.Hex("y")));
        Assert.Equal(v.Text("M"), initiator.Request.Attributes.Get(DppAttribute.EncryptedKey).ToHex());
        var response = responder.Receive(initiator.Request, macI);
        Assert.Equal(v.Text("N"), response.Attributes.Get(DppAttribute.EncryptedKey).ToHex());
        var reveal = initiator.Receive(response, macR);
        Assert.Equal(v.Text("commit_reveal_req_wrapped"), reveal.Attributes.Get(DppAttribute.WrappedData).ToHex());
        var (peer, revealed) = responder.Finish(reveal);
        Assert.Equal(v.Text("commit_reveal_resp_wrapped"), revealed.Attributes.Get(DppAttribute.WrappedData).ToHex());
        Assert.Equal(a.Public, peer);
        Assert.Equal(b.Public, initiator.Finish(revealed));
        Assert.False(codes.Item1.IsUsable || codes.Item2.IsUsable);
    }
}
