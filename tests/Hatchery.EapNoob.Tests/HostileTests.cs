using System.Text;
using CsCheck;
using Hatchery.EapNoob.Device;
using Hatchery.EapNoob.Messages;
using Hatchery.Simulation;

namespace Hatchery.EapNoob.Tests;

/// <summary>Whatever comes: the message, or one kind of exception.</summary>
public sealed class HostileTests
{
    private static readonly string[] s_seeds =
    [
        """{"Type":0,"PeerId":"p","ErrorCode":2003,"ErrorInfo":"x"}""", """{"Type":1}""", """{"Type":1,"PeerId":"p","PeerState":3}""",
        """{"Type":2,"Vers":[1],"PeerId":"p","NewNAI":"noob@a.example","Cryptosuites":[1,2],"Dirs":3,"ServerInfo":{"ServerURL":"https://a.example/x"}}""",
        """{"Type":2,"Verp":1,"PeerId":"p","Cryptosuitep":1,"Dirp":1,"PeerInfo":{"SerialNumber":"1"}}""",
        """{"Type":3,"PeerId":"p","PKs":{"kty":"OKP","crv":"X25519","x":"hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo"},"Ns":"PYO7NVd9Af3BxEri1MI6hL8Ck49YxwCjSRPqlC1SPbw","SleepTime":60}""",
        """{"Type":3,"PeerId":"p","PKp":{"kty":"EC","crv":"P-256","x":"_7ntrUZSoLjSOitW7p3dfchQoa_OuvoaKGJ3wXbJgvg","y":"hMiI2lr7Q6lFM_mKVb3-wTM2G_bMriKp8DJqNsGdRMk"},"Np":"PYO7NVd9Af3BxEri1MI6hL8Ck49YxwCjSRPqlC1SPbw"}""",
        """{"Type":4,"PeerId":"p","SleepTime":3600}""", """{"Type":5,"PeerId":"p","NoobId":"z_fuD8dFIij-htReYumHyA"}""",
        """{"Type":6,"PeerId":"p","NoobId":"z_fuD8dFIij-htReYumHyA","MACs":"dXWb_EYliQMAA80c7rtzsbU3AwHeuHnm7uyHTwK0h1s"}""",
        """{"Type":7,"Vers":[1],"PeerId":"p","Cryptosuites":[2],"ServerInfo":{}}""",
        """{"Type":8,"PeerId":"p","KeyingMode":1,"Ns2":"PYO7NVd9Af3BxEri1MI6hL8Ck49YxwCjSRPqlC1SPbw"}""",
        """{"Type":9,"PeerId":"p","MACs2":"dXWb_EYliQMAA80c7rtzsbU3AwHeuHnm7uyHTwK0h1s"}""",
    ];

    private static readonly Gen<byte[]> s_texts =
        from seed in Gen.Int[0, s_seeds.Length - 1]
        from edits in Gen.Select(Gen.Int[0, 400], Gen.Int[0, 3], Gen.Byte).Array[0, 6]
        select Edit(Encoding.UTF8.GetBytes(s_seeds[seed]), edits);

    private static byte[] Edit(byte[] text, (int At, int What, byte Value)[] edits)
    {
        var bytes = text.ToList();
        foreach (var (at, what, value) in edits)
        {
            if (bytes.Count == 0)
                break;
            int i = at % bytes.Count;
            switch (what)
            {
                case 0: bytes[i] = value; break;
                case 1: bytes.Insert(i, value); break;
                case 2: bytes.RemoveRange(i, Math.Min(value % 8, bytes.Count - i)); break;
                default: bytes.InsertRange(i, bytes.Skip(value % bytes.Count).Take(20).ToArray()); break;
            }
        }
        return [.. bytes];
    }

    private static NoobMessage? Parse(byte[] text, bool request, NoobVariant variant)
    {
        try
        {
            return request ? NoobRequests.Parse(text, variant) : NoobResponses.Parse(text, variant);
        }
        catch (NoobException)
        {
            return null;
        }
    }

    [Fact]
    public void Texts()
    {
        int parsed = 0;
        s_texts.Sample(text =>
        {
            foreach (var variant in new[] { NoobVariant.Rfc9140, NoobVariant.LegacyDraft02 })
                foreach (bool request in new[] { true, false })
                    if (Parse(text, request, variant) is { } message)
                    {
                        Interlocked.Increment(ref parsed);
                        Assert.True(message.Raw.Length <= text.Length);
                    }
            try
            {
                OobMessage.Parse(Encoding.Latin1.GetString(text));
            }
            catch (NoobException)
            {
            }
        }, iter: 20000, threads: 1);
        Assert.True(parsed > 100, $"{parsed}");
    }

    /// <summary>Found by the test below: a type that follows one that was refused.</summary>
    [Fact]
    public void Nothing_follows_an_error()
    {
        var options = new NoobPeerOptions(new Destination("radius", "x", 1, new ChannelSecurity.None(), NoobPlayers.Server));
        var start = NoobPeerState.Make("{}") with { State = AssociationState.Reconnecting, PeerId = "p", Nai = "noob@a.example", Cryptosuitep = 1, Verp = 1, Kz = new SecretBytes(new byte[32]), PeerInfoSent = "{}" };
        using var conversation = new PeerConversation(start, start.Nai, options, new SeededChance("error"));
        int[] codes = [.. s_seeds.Where(s => s.StartsWith("{\"Type\":1}", StringComparison.Ordinal) || s[8] is '7' or '8' or '9').Select(s =>
            conversation.Receive(NoobRequests.Parse(Encoding.UTF8.GetBytes(s), options.Variant)).Answer is ErrorMessage e ? e.ErrorCode : 0)];
        Assert.Equal([0, 0, 1003, 1004], codes);
    }

    /// <summary>Any messages in any order, in every state: an answer each time, and a registered device stays one.</summary>
    [Fact]
    public void The_peer_answers_everything()
    {
        var options = new NoobPeerOptions(new Destination("radius", "x", 1, new ChannelSecurity.None(), NoobPlayers.Server));
        Gen.Select(Gen.Int[0, 3], Gen.Int[0, s_seeds.Length - 1].Array[1, 6]).Sample((state, order) =>
        {
            var start = NoobPeerState.Make("{}") with
            {
                State = (AssociationState)state,
                PeerId = "p",
                Nai = "noob@a.example",
                Cryptosuitep = 1,
                Verp = 1,
                Kz = state == 3 ? new SecretBytes(new byte[32]) : null,
                Z = new SecretBytes(new byte[32]),
                Np = new byte[32],
                Ns = new byte[32],
                HashInput = "x"u8.ToArray(),
                ReceivedNoob = new SecretBytes(new byte[16]),
                PeerInfoSent = "{}",
            };
            using var conversation = new PeerConversation(start, "noob@a.example", options, new SeededChance("hostile"));
            foreach (int one in order)
                if (Parse(Encoding.UTF8.GetBytes(s_seeds[one]), true, options.Variant) is { } request)
                    Assert.NotNull(conversation.Receive(request).Answer);
            if (state == 3)
                Assert.Equal((start.Kz, start.PeerId, start.Nai), (conversation.State.Kz, conversation.State.PeerId, conversation.State.Nai));
        }, iter: 3000, threads: 1);
    }
}
