using System.Text.Json;
using Hatchery.Radius.Eap;
using Hatchery.Radius.Eapol;

namespace Hatchery.Radius.Tests;

public sealed class VectorTests
{
    private static byte[] Hex(string text) => Convert.FromHexString(text.Replace(" ", "", StringComparison.Ordinal));

    /// <summary>RFC 2865 §7.1: a user named nemo, secret xyzzy5461, password arctangent.</summary>
    [Fact]
    public void The_example_of_RFC_2865()
    {
        var secret = new RadiusSecret("xyzzy5461");
        var request = RadiusPacket.Parse(Hex("01 00 00 38 0f 40 3f 94 73 97 80 57 bd 83 d5 cb 98 f4 22 7a 01 06 6e 65 6d 6f 02 12 0d be 70 8d 93 d4 13 ce 31 96 e4 3f 78 2a 0a ee 04 06 c0 a8 01 10 05 06 00 00 00 03"));
        Assert.Equal("nemo", request.Text(RadiusAttribute.UserName));
        Assert.Equal("192.168.1.16", $"{request.Address(RadiusAttribute.NasIpAddress)}");
        Assert.Equal(3u, request.Integer(RadiusAttribute.NasPort));
        Assert.True(request.TryGet(RadiusAttribute.UserPassword, out var hidden));
        using var password = HiddenAttributes.RevealPassword(secret, request.Authenticator, hidden);
        Assert.Equal("arctangent"u8, password.Reveal());
        Assert.Equal(hidden, HiddenAttributes.HidePassword(secret, request.Authenticator, "arctangent"u8));

        var accept = RadiusPacket.Parse(Hex("02 00 00 26 86 fe 22 0e 76 24 ba 2a 10 05 f6 bf 9b 55 e0 b2 06 06 00 00 00 01 0f 06 00 00 00 00 0e 06 c0 a8 01 03"));
        Assert.True(secret.CheckPacketMd5(accept, request.Authenticator));
        Assert.False(new RadiusSecret("xyzzy5462").CheckPacketMd5(accept, request.Authenticator));
        byte[] made = new RadiusMessage(RadiusCode.AccessAccept).Add(RadiusAttribute.ServiceType, 1).Add((RadiusAttribute)15, 0).Add((RadiusAttribute)14, Hex("c0a80103"))
            .SignAnswer(0, request.Authenticator, secret, messageAuthenticator: false, new Cryptography.SystemChance());
        Assert.Equal(accept.Bytes.ToArray(), made);
    }

    public static TheoryData<string> Transcripts() => ["transcript-rfc9140-c-peer.json", "transcript-rfc9140-namib-server.json", "transcripts-legacy-draft02.json"];

    /// <summary>Conversations of other implementations, byte for byte: every authenticator, every EAP packet, every key.</summary>
    [Theory]
    [MemberData(nameof(Transcripts))]
    public void Recorded_conversations(string file)
    {
        using var document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Vectors", file)));
        var root = document.RootElement;
        int packets = 0, keys = 0;
        foreach (var scenario in root.TryGetProperty("scenarios", out var many) ? [.. many.EnumerateArray()] : new[] { root })
        {
            var secret = new RadiusSecret(scenario.GetProperty("radius_secret").GetString()!);
            // A step's last answer may be recorded with the next step.
            byte[] authenticator = [];
            foreach (var step in scenario.GetProperty("steps").EnumerateArray())
                keys += Conversation(step, secret, ref authenticator, ref packets);
        }
        Assert.True(packets > 20 && keys >= 2, $"{packets} packets, {keys} keys");
    }

    private static int Conversation(JsonElement step, RadiusSecret secret, ref byte[] authenticator, ref int packets)
    {
        int keys = 0;
        foreach (var message in step.GetProperty("messages").EnumerateArray())
        {
            var packet = RadiusPacket.Parse(Hex(message.GetProperty("radius").GetString()!));
            bool isRequest = message.GetProperty("dir").GetString() == "peer-to-server";
            if (isRequest)
                authenticator = packet.Authenticator.ToArray();
            else
                Assert.True(secret.CheckPacketMd5(packet, authenticator));
            Assert.Equal(MessageAuthenticatorState.Right, secret.CheckMessageAuthenticator(packet, authenticator));
            byte[] eap = packet.EapMessage()!;
            Assert.Equal(message.GetProperty("eap").GetString(), Convert.ToHexStringLower(eap));
            Assert.Equal(eap, EapPacket.Parse(eap).Encode());
            Assert.Equal(isRequest ? EapCode.Response : packet.Code switch
            {
                RadiusCode.AccessChallenge => EapCode.Request,
                RadiusCode.AccessAccept => EapCode.Success,
                _ => EapCode.Failure,
            }, EapPacket.Parse(eap).Code);
            packets++;
            if (packet.Code == RadiusCode.AccessAccept)
                keys += Keys(step, packet, authenticator, secret);
        }
        return keys;
    }

    private static int Keys(JsonElement step, in RadiusPacket accept, byte[] authenticator, RadiusSecret secret)
    {
        string msk = step.TryGetProperty("MSK", out var value) ? value.GetString()!
            : step.GetProperty("crypto").TryGetProperty("MSK", out value) ? value.GetString()! : step.GetProperty("mppe_recv").GetString()! + step.GetProperty("mppe_send").GetString()!;
        int at = 0;
        foreach (byte type in new[] { HiddenAttributes.MppeRecvKey, HiddenAttributes.MppeSendKey })
        {
            Assert.True(accept.TryGetVendor(HiddenAttributes.Microsoft, type, out var hidden));
            using var key = HiddenAttributes.RevealKey(secret, authenticator, hidden);
            Assert.Equal(msk.Substring(at, 64), Convert.ToHexStringLower(key.Reveal()));
            // Hidden again under the same salt it is the same bytes.
            Assert.Equal(hidden, HiddenAttributes.HideKey(secret, authenticator, (ushort)(hidden[0] << 8 | hidden[1]), key.Reveal()));
            at += 64;
        }
        return 2;
    }

    [Fact]
    public void Recorded_frames_of_a_wired_port()
    {
        using var document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Vectors", "eapol-legacy-draft02.json")));
        int starts = 0, packets = 0;
        foreach (var recorded in document.RootElement.GetProperty("frames").EnumerateArray())
        {
            byte[] bytes = Hex(recorded.GetProperty("eapol").GetString()!);
            var frame = EapolFrame.Parse(bytes);
            if (frame.Type == EapolType.Start)
                starts++;
            else
            {
                var packet = EapPacket.Parse(frame.Body.ToArray());
                Assert.Equal(recorded.GetProperty("dir").GetString() == "peer-to-authenticator", packet.Code == EapCode.Response);
                packets++;
            }
            var again = new byte[bytes.Length];
            Assert.Equal(bytes.Length, EapolFrame.Encode(frame.Type, frame.Body, again));
            Assert.Equal(bytes[1..], again[1..]);
            // An Ethernet frame has at least 46 bytes: what follows the body is padding.
            Assert.Equal(frame.Body, EapolFrame.Parse((byte[])[.. bytes, .. new byte[40]]).Body);
        }
        Assert.Equal((3, 27), (starts, packets));
    }
}
