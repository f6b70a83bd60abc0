using System.Text;
using System.Text.RegularExpressions;
using Hatchery.EapNoob.Device;
using Hatchery.EapNoob.Messages;
using Hatchery.EapNoob.Server;

namespace Hatchery.EapNoob.Tests.Ceremonies;

/// <summary>What is refused, with which error, and what stays as it was.</summary>
public sealed class RefusalTests
{
    private static NoobWorld Waiting(string seed, Func<NoobPeerOptions, NoobPeerOptions>? device = null, Func<NoobServerOptions, NoobServerOptions>? server = null)
    {
        var world = new NoobWorld(seed, device, server);
        OobMessage? shown = null;
        world.OnCode = m => shown = m;
        world.Start();
        Assert.True(world.Loop.RunUntil(() => shown is not null && world.WaitingCount == 1, TimeSpan.FromMinutes(5)));
        return world;
    }

    private static OobMessage Code(NoobWorld world) => OobMessage.Parse(world.People.LastShown(NoobSteps.ShowAtPeer)!.Reveal());

    private static NoobErrorCode Bring(NoobWorld world, OobMessage message) =>
        Assert.Throws<NoobException>(() => world.Loop.Complete(world.Oob.ReceiveAsync(message, NoobWorld.Account, world.Caller, default))).Code;

    [Fact]
    public void A_wrong_Hoob_five_times_drops_the_association()
    {
        var world = Waiting("hoob");
        var right = Code(world);
        var wrong = new OobMessage(right.PeerId, right.Noob.Reveal(), new byte[16]);
        for (int i = 0; i < 4; i++)
            Assert.Equal(NoobErrorCode.HmacFailure, Bring(world, wrong));
        Assert.Equal(4, world.Waiting(right.PeerId)!.OobFailures);
        Assert.Equal(NoobErrorCode.HmacFailure, Bring(world, wrong));
        Assert.Null(world.Waiting(right.PeerId));
        Assert.Equal(NoobErrorCode.UnexpectedPeerId, Bring(world, right));
        Assert.Equal(5, world.Audit.Count(a => a.Kind == "refused"));
        // The device notices at its next probe, begins anew, and is registered.
        world.WithUser();
        Assert.True(world.Run());
        Assert.True(world.IsDone);
        Assert.NotEqual(right.PeerId, world.State.PeerId);
    }

    [Fact]
    public void A_wrong_Hoob_five_times_at_the_device()
    {
        var world = new NoobWorld("hoob at device", d => d with { Directions = OobDirections.ServerToPeer });
        string first = "";
        world.People.On(NoobSteps.DeliverToPeer, (prompt, n) =>
        {
            first = n == 0 ? world.State.PeerId : first;
            var message = world.Loop.Complete(world.Oob.IssueAsync(world.State.PeerId, "bob", world.Caller, default));
            string text = n < 5 ? new OobMessage(message.PeerId, message.Noob.Reveal(), new byte[16]).ToQuery().Reveal() : message.ToQuery().Reveal();
            return Simulation.HumanReaction.Enters(prompt, n == 2 ? "nonsense" : text, TimeSpan.FromSeconds(5));
        });
        Assert.True(world.Start().Run());
        Assert.True(world.IsDone);
        Assert.NotEqual(first, world.State.PeerId);
        Assert.Equal(4, world.People.Shown.Count(p => p.Kind == NoobSteps.AlertUser));
    }

    [Fact]
    public void A_replayed_OOB_message_is_refused()
    {
        var world = Waiting("replay");
        var code = Code(world);
        world.Loop.Complete(world.Oob.ReceiveAsync(code, NoobWorld.Account, world.Caller, default));
        Assert.Equal(NoobErrorCode.StateMismatch, Bring(world, code));
        Assert.True(world.Run());
        Assert.True(world.IsDone);
        Assert.Equal(NoobErrorCode.UnexpectedPeerId, Bring(world, code));
        // Another device's, with this one's secret.
        var other = Waiting("replay 2");
        Assert.Equal(NoobErrorCode.UnexpectedPeerId, Bring(other, code));
        Assert.Equal(NoobErrorCode.HmacFailure, Bring(other, new OobMessage(other.State.PeerId, code.Noob.Reveal(), code.Hoob.Span)));
        // A direction that was not negotiated.
        Assert.Equal(NoobErrorCode.NoCommonDirection, Assert.Throws<NoobException>(() => other.Loop.Complete(other.Oob.IssueAsync(other.State.PeerId, "bob", other.Caller, default))).Code);
    }

    /// <summary>Every message on the path changed in every member: the error of the RFC, nothing that lasts, and a later attempt succeeds.</summary>
    [Fact]
    public void Members_changed_on_the_path()
    {
        foreach (var (pattern, replacement, expected) in new[]
        {
            ("\"Vers\":\\[1\\]", "\"Vers\":[2]", 3001), ("\"Cryptosuites\":\\[1,2\\]", "\"Cryptosuites\":[7]", 3002), ("\"Dirs\":3", "\"Dirs\":2", 3003),
            ("\"Verp\":1", "\"Verp\":2", 1003), ("\"Cryptosuitep\":1", "\"Cryptosuitep\":3", 1003), ("\"Cryptosuites\":\\[1,2\\]", "\"Cryptosuites\":[1,1]", 1003),
            ("\"Dirs\":3", "\"Dirs\":4", 1003), ("\"PeerState\":0", "\"PeerState\":4", 1003), ("\"SleepTime\":60", "\"SleepTime\":3601", 1003),
            ("\"Vers\":\\[1\\],", "", 1002), ("\"Vers\":\\[1\\]", "\"Vers\":[1],\"Vers\":[1]", 1002), ("\"Dirs\":3", "\"Dirs\":\"3\"", 1002), ("\\{\"Type\":2", "{\"Type\":2,\"Extra\":1", 1002),
            ("\"kty\":\"OKP\"", "\"kty\":\"EC\"", 1005), ("\"x\":\"[^\"]*\"", "\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"", 1005),
            ("\"Ns\":\"[^\"]*\"", "\"Ns\":\"AAAA\"", 1003), ("\"Np\":\"[^\"]*\"", "\"Np\":\"AAAA=\"", 1003),
            ("\"PeerId\":\"[^\"]*\",\"PKs\"", "\"PeerId\":\"other\",\"PKs\"", 2004), ("\"PeerId\":\"[^\"]*\",\"PKp\"", "\"PeerId\":\"other\",\"PKp\"", 2004),
            ("\\{\"Type\":3", "{\"Type\":5", 1002), ("^\\{", "[", 1002), ("\"Type\":2,\"Verp\"", "\"Type\":12,\"Verp\"", 1003),
        })
        {
            bool changed = false;
            var world = new NoobWorld($"member {pattern} {replacement}", d => d with { Backoff = TimeSpan.FromSeconds(5) });
            var (before, after) = (world.ServerOptions, world.PeerOptions);
            world.ServerOptions = before;
            using var tamper = new Tampering(world, text =>
            {
                if (changed || !Regex.IsMatch(text, pattern))
                    return text;
                changed = true;
                return new Regex(pattern).Replace(text, replacement, 1);
            });
            world.WithUser().Start();
            Assert.True(world.Run(), $"{pattern}: {string.Join("; ", world.Refused)}");
            Assert.True(changed, pattern);
            Assert.True(world.IsDone, pattern);
            Assert.Contains(world.Said, s => s.Json.Contains($"\"ErrorCode\":{expected}", StringComparison.Ordinal));
            Assert.Empty(world.Failed);
        }
    }

    /// <summary>Somebody between them changed what was negotiated or the keys: Hoob shows it to whoever receives the OOB message.</summary>
    [Theory]
    [InlineData("\"Cryptosuites\":\\[1,2\\]", "\"Cryptosuites\":[2]")]
    [InlineData("\"Vers\":\\[1\\]", "\"Vers\":[1,2]")]
    [InlineData("\"ServerName\":\"Example\"", "\"ServerName\":\"Evil\"")]
    [InlineData("\"SerialNumber\":\"DU-9999\"", "\"SerialNumber\":\"DU-0000\"")]
    [InlineData("\"PKs\":\\{.*?\\}", "\"PKs\":{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo\"}")]
    public void A_downgrade_shows_in_Hoob(string pattern, string replacement)
    {
        bool changed = false;
        var world = new NoobWorld("downgrade " + pattern);
        using var tamper = new Tampering(world, text =>
        {
            changed |= Regex.IsMatch(text, pattern);
            return Regex.Replace(text, pattern, replacement);
        });
        OobMessage? shown = null;
        world.OnCode = m => shown = m;
        world.Start();
        Assert.True(world.Loop.RunUntil(() => shown is not null && world.WaitingCount == 1, TimeSpan.FromMinutes(5)));
        Assert.True(changed);
        Assert.Equal(NoobErrorCode.HmacFailure, Bring(world, shown!));
        Assert.Equal(AssociationState.WaitingForOob, world.State.State);
    }

    [Theory]
    [InlineData("MACs")]
    [InlineData("MACp")]
    public void A_wrong_MAC_in_the_Completion_Exchange(string member)
    {
        bool changed = false;
        var world = new NoobWorld("mac " + member, d => d with { Backoff = TimeSpan.FromSeconds(5) }) { ResetsWhenTold = true }.WithUser();
        using var tamper = new Tampering(world, text =>
        {
            if (changed || !text.Contains($"\"{member}\"", StringComparison.Ordinal))
                return text;
            changed = true;
            return Regex.Replace(text, $"\"{member}\":\"...", $"\"{member}\":\"AAA");
        });
        world.Start();
        Assert.True(world.Loop.RunUntil(() => world.IsDone, TimeSpan.FromHours(3)));
        Assert.True(changed);
        Assert.Contains(world.Said, s => s.Json.Contains("\"ErrorCode\":4001", StringComparison.Ordinal));
        // The device had believed the server when its own MAC was changed: RFC 9140's one case that needs the user.
        Assert.Equal(member == "MACs" ? 0 : 1, world.Resets);
    }

    [Theory]
    [InlineData("MACs2")]
    [InlineData("MACp2")]
    public void A_wrong_MAC_in_the_Reconnect_Exchange(string member)
    {
        var world = NoobWorld.Onboarded("mac2 " + member, d => d with { Backoff = TimeSpan.FromSeconds(5) });
        var kz = world.State.Kz;
        bool changed = false;
        using var tamper = new Tampering(world, text =>
        {
            if (changed || !text.Contains($"\"{member}\"", StringComparison.Ordinal))
                return text;
            changed = true;
            return Regex.Replace(text, $"\"{member}\":\"...", $"\"{member}\":\"AAA");
        });
        world.Restart();
        Assert.True(world.Run());
        Assert.True(changed && world.IsDone);
        Assert.Contains(world.Said, s => s.Json.Contains("\"ErrorCode\":4001", StringComparison.Ordinal));
        Assert.Equal(kz, world.State.Kz);
    }

    /// <summary>The last response of an upgrade lost for good: the device goes back to the key before, without the user (RFC 9140 §3.4.3).</summary>
    [Fact]
    public void A_lost_last_response_of_an_upgrade()
    {
        var world = NoobWorld.Onboarded("lost", d => d with { Backoff = TimeSpan.FromSeconds(5) }, s => s with { Cryptosuites = [1] });
        world.ServerOptions = world.ServerOptions with { Cryptosuites = [2] };
        world.Server.Kill();
        world.Loop.Post(world.Server.Start);
        bool loses = true;
        world.Network.Intercept(p => loses && Encoding.ASCII.GetString(p.Payload.Span).Contains("\"MACp2\"", StringComparison.Ordinal) ? Simulation.PathVerdict.Drops : Simulation.PathVerdict.Passes);
        world.Restart();
        Assert.True(world.Loop.RunUntil(() => world.State.KzPrev is not null, TimeSpan.FromMinutes(10)));
        Assert.NotEqual(world.State.Kz, world.Registered(world.State.PeerId)!.Kz);
        world.Loop.RunUntil(() => false, TimeSpan.FromMinutes(3));
        loses = false;
        Assert.True(world.Run());
        Assert.True(world.IsDone, world.Outcomes[^1].Reason);
        Assert.Equal(world.State.Kz, world.Registered(world.State.PeerId)!.Kz);
        Assert.Equal(0, world.Resets);
    }

    [Fact]
    public void A_reconnect_cannot_be_made_weaker_or_older()
    {
        foreach (var (pattern, replacement, code) in new[] { ("\"Cryptosuites\":\\[1,2\\]", "\"Cryptosuites\":[9]", 3002), ("\"Vers\":\\[1\\]", "\"Vers\":[0]", 3001), ("\"KeyingMode\":2", "\"KeyingMode\":1", 1002),
            ("\"KeyingMode\":2", "\"KeyingMode\":4", 1003) })
        {
            var world = NoobWorld.Onboarded("weaker " + pattern + replacement, d => d with { MaxFailures = 1 });
            using (new Tampering(world, text => Regex.Replace(text, pattern, replacement)))
            {
                world.Restart();
                Assert.True(world.Run());
            }
            Assert.Equal((false, code.ToString(System.Globalization.CultureInfo.InvariantCulture)), (world.Outcomes[^1].Succeeded, world.Outcomes[^1].ProtocolError));
            world.Restart();
            Assert.True(world.Run());
            Assert.True(world.IsDone);
        }
    }

    [Fact]
    public void The_server_has_lost_the_association()
    {
        var world = NoobWorld.Onboarded("server lost");
        Assert.True(world.Loop.Complete(world.Oob.RemoveAsync(world.State.PeerId, "operator", world.Caller, default)));
        world.Restart();
        Assert.True(world.Run());
        Assert.Equal((false, "2002"), (world.Outcomes[^1].Succeeded, world.Outcomes[^1].ProtocolError));
        // Nothing in band makes the device forget; its user does.
        Assert.Equal(AssociationState.Registered, world.State.State);
        Assert.Contains(world.People.Shown, p => p.Kind == NoobSteps.AlertUser);
        world.Outcomes.Clear();
        world.Loop.Post(() => world.Reset(world.Device));
        Assert.True(world.Run());
        Assert.True(world.IsDone);
    }

    [Fact]
    public void The_device_has_lost_the_association()
    {
        var world = NoobWorld.Onboarded("device lost");
        string before = world.State.PeerId;
        world.Outcomes.Clear();
        world.Loop.Post(() => world.Reset(world.Device));
        Assert.True(world.Run());
        Assert.True(world.IsDone);
        Assert.NotEqual(before, world.State.PeerId);
        // The old association stays until somebody removes it.
        Assert.NotNull(world.Registered(before));
    }

    [Fact]
    public void The_server_has_lost_a_waiting_device()
    {
        var world = Waiting("waiting lost");
        string before = world.State.PeerId;
        var unit = world.Store.Begin(world.Caller);
        var stored = world.Loop.Complete(unit.GetAsync(WaitingPeer.Schema, new(before), default))!;
        unit.Delete(WaitingPeer.Schema, stored.Key, stored.Version);
        world.Loop.Complete(unit.CommitAsync(default));
        world.WithUser();
        Assert.True(world.Run());
        Assert.True(world.IsDone);
        Assert.NotEqual(before, world.State.PeerId);
    }

    [Fact]
    public void A_device_in_state_1_or_2_is_not_taken_for_a_registered_one()
    {
        var world = NoobWorld.Onboarded("states", d => d with { MaxFailures = 1 });
        foreach (int state in new[] { 1, 2 })
        {
            using (new Tampering(world, text => text.Replace("\"PeerState\":3", $"\"PeerState\":{state}", StringComparison.Ordinal)))
            {
                world.Restart();
                Assert.True(world.Run());
            }
            Assert.Equal("2002", world.Outcomes[^1].ProtocolError);
            Assert.NotNull(world.Registered(world.State.PeerId));
        }
    }

    [Fact]
    public void Infos_that_are_not_wanted()
    {
        foreach (var (device, server, code) in new (Func<NoobPeerOptions, NoobPeerOptions>, Func<NoobServerOptions, NoobServerOptions>, string)[]
        {
            (d => d with { JudgeServerInfo = _ => "not my owner" }, s => s, "5002"),
            (d => d, s => s with { ServerInfo = """{"ServerURL":"http://noob.example.org/oob"}""" }, "5003"),
            (d => d, s => s with { ServerInfo = "{}" }, "5003"),
            (d => d, s => s with { JudgePeerInfo = _ => "Acme is not welcome" }, "5004"),
        })
        {
            var world = new NoobWorld("info " + code, d => device(d) with { MaxFailures = 1 }, server).Start();
            Assert.True(world.Run());
            Assert.Equal(code, world.Outcomes[^1].ProtocolError);
            Assert.Equal(0, world.WaitingCount);
        }
        Assert.Throws<ArgumentException>(() => new NoobServerOptions { ServerInfo = """{"ServerURL":"https://noob.example.org/oob?x=1"}""" });
        Assert.Throws<ArgumentException>(() => new NoobServerOptions { ServerInfo = """{"A":1,"A":2}""" });
        Assert.Throws<NoobException>(() => NoobPeerState.Make("""{"A":1,"A":2}"""));
        Assert.Throws<NoobException>(() => NoobPeerState.Make($$"""{"A":"{{new string('a', 500)}}"}"""));
    }

    /// <summary>A peer answers a type that was not asked for.</summary>
    [Fact]
    public void Types_out_of_order()
    {
        var state = NoobPeerState.Make("{}");
        var options = new NoobPeerOptions(new Destination("radius", "x", 1, new ChannelSecurity.None(), NoobPlayers.Server));
        string[] requests =
        [
            """{"Type":2,"Vers":[1],"PeerId":"p","Cryptosuites":[1],"Dirs":3,"ServerInfo":{"ServerURL":"https://a.example/x"}}""",
            """{"Type":3,"PeerId":"p","PKs":{"kty":"OKP","crv":"X25519","x":"hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo"},"Ns":"PYO7NVd9Af3BxEri1MI6hL8Ck49YxwCjSRPqlC1SPbw"}""",
            """{"Type":4,"PeerId":"p"}""", """{"Type":5,"PeerId":"p"}""",
            """{"Type":6,"PeerId":"p","NoobId":"z_fuD8dFIij-htReYumHyA","MACs":"dXWb_EYliQMAA80c7rtzsbU3AwHeuHnm7uyHTwK0h1s"}""",
            """{"Type":7,"Vers":[1],"PeerId":"p","Cryptosuites":[1]}""",
            """{"Type":8,"PeerId":"p","KeyingMode":1,"Ns2":"PYO7NVd9Af3BxEri1MI6hL8Ck49YxwCjSRPqlC1SPbw"}""",
            """{"Type":9,"PeerId":"p","MACs2":"dXWb_EYliQMAA80c7rtzsbU3AwHeuHnm7uyHTwK0h1s"}""",
        ];
        foreach (var association in Enum.GetValues<AssociationState>().Where(s => s != AssociationState.Registered))
            for (int first = 0; first < requests.Length; first++)
            {
                PeerConversation New() => new(state with { State = association, PeerId = "p", ReceivedNoob = new SecretBytes(new byte[16]) }, "x@example.org", options, new Simulation.SeededChance("order"));
                using PeerConversation early = New(), conversation = New();
                NoobMessage Say(string text) => conversation.Receive(NoobRequests.Parse(Encoding.UTF8.GetBytes(text), options.Variant)).Answer;
                // Nothing before type 1, and no second one.
                Assert.Equal(1004, Assert.IsType<ErrorMessage>(early.Receive(NoobRequests.Parse(Encoding.UTF8.GetBytes(requests[first]), options.Variant)).Answer).ErrorCode);
                Say("""{"Type":1}""");
                bool due = (association, first + 2) is (not AssociationState.Reconnecting, 2) or (AssociationState.WaitingForOob, 4 or 6) or (AssociationState.OobReceived, 5) or (AssociationState.Reconnecting, 7);
                var answer = Say(requests[first]);
                Assert.Equal(due, answer is not ErrorMessage { ErrorCode: 1004 });
                Assert.Equal(1004, Assert.IsType<ErrorMessage>(Say("""{"Type":1}""")).ErrorCode);
            }
    }

    [Theory]
    [InlineData("""{"Type":1,"PeerState":0}x""", 1002)]
    [InlineData("""{"Type":1,"PeerState":0}{}""", 1002)]
    [InlineData("""{"Type":1,"PeerState":0,"PeerState":0}""", 1002)]
    [InlineData("""{"Type":1,"PeerState":0,"Peer\u0053tate":0}""", 1002)]
    [InlineData("""{"Type":1,"PeerState":0,"More":0}""", 1002)]
    [InlineData("""{"Type":1,"PeerState":1}""", 1002)]
    [InlineData("""{"Type":1,"PeerState":0.5}""", 1003)]
    [InlineData("""{"Type":1,"PeerState":1e99}""", 1003)]
    [InlineData("""{"Type":1,"PeerState":"0"}""", 1002)]
    [InlineData("""{"Type":1,"PeerState":3,"PeerId":"\ud800"}""", 1002)]
    [InlineData("""{"Type":1,"PeerState":3,"PeerId":"0123456789012345678901234567890123456789012345678901234567890"}""", 1003)]
    [InlineData("""{"PeerState":0}""", 1002)]
    [InlineData("""{"Type":-1}""", 1003)]
    [InlineData("""{"Type":10}""", 1003)]
    [InlineData("""{"Type":4,"PeerId":"x","SleepTime":1}""", 1002)]
    [InlineData("""{"Type":2,"Verp":1,"PeerId":"x","Cryptosuitep":1,"Dirp":0,"PeerInfo":{}}""", 1003)]
    [InlineData("""{"Type":2,"Verp":1,"PeerId":"x","Cryptosuitep":1,"Dirp":1,"PeerInfo":[]}""", 1002)]
    [InlineData("""{"Type":2,"Verp":1,"PeerId":"x","Cryptosuitep":1,"Dirp":1,"PeerInfo":{"A":1,"A":2}}""", 1003)]
    [InlineData("""{"Type":2,"Verp":1,"PeerId":"x","Cryptosuitep":1,"Dirp":1,"PeerInfo":{"A":[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]}}""", 1002)]
    [InlineData("""{"Type":3,"PeerId":"x","PKp":{"kty":"OKP","crv":"X25519","x":"3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK09"},"Np":"HIvB6g0n2btpxEcU7YXnWB-451ED6L6veQQd6ugiPFU"}""", 1005)]
    [InlineData("""{"Type":3,"PeerId":"x","PKp":{"kty":"EC","crv":"P-256","x":"3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08"},"Np":"HIvB6g0n2btpxEcU7YXnWB-451ED6L6veQQd6ugiPFU"}""", 1005)]
    [InlineData("""{"Type":2,"Verp":1,"PeerId":"x","Cryptosuitep":1,"Dirp":1,"PeerInfo":{"SerialNumber":"\ud800"}}""", 1003)]
    [InlineData("""{"Type":3,"PeerId":"x","PKp":{"kty":"\ud800","crv":"X25519","x":"3p7b"},"Np":"HIvB6g0n2btpxEcU7YXnWB-451ED6L6veQQd6ugiPFU"}""", 1005)]
    [InlineData("""{"Type":5,"PeerId":"x","NoobId":"z_fuD8dFIij-htReYumHyB"}""", 1003)]
    [InlineData("""{"Type":6,"PeerId":"x","MACp":"MTISEYaL5bVx4u0jqmH0rNPBfzgrm2gXR8jD5iGppa"}""", 1003)]
    [InlineData("""{"Type":1,"PeerState":0} /* */""", 1002)]
    [InlineData("", 1002)]
    [InlineData("[]", 1002)]
    public void Responses_that_are_none(string text, int code) =>
        Assert.Equal(code, (int)Assert.Throws<NoobException>(() => NoobResponses.Parse(Encoding.UTF8.GetBytes(text), NoobVariant.Rfc9140)).Code);

    [Fact]
    public void Oversized_and_broken_texts()
    {
        byte[] big = Encoding.UTF8.GetBytes($$"""{"Type":2,"Verp":1,"PeerId":"x","Cryptosuitep":1,"Dirp":1,"PeerInfo":{"A":"{{new string('a', 1000)}}"} }""");
        Assert.Equal(NoobErrorCode.InvalidMessageStructure, Assert.Throws<NoobException>(() => NoobResponses.Parse(big, NoobVariant.Rfc9140)).Code);
        byte[] info = Encoding.UTF8.GetBytes($$"""{"Type":2,"Verp":1,"PeerId":"x","Cryptosuitep":1,"Dirp":1,"PeerInfo":{"A":"{{new string('a', 500)}}"} }""");
        Assert.Equal(NoobErrorCode.InvalidData, Assert.Throws<NoobException>(() => NoobResponses.Parse(info, NoobVariant.Rfc9140)).Code);
        byte[] nul = [.. Encoding.UTF8.GetBytes("""{"Type":1,"PeerState":0}"""), 0];
        Assert.Equal(NoobErrorCode.InvalidMessageStructure, Assert.Throws<NoobException>(() => NoobResponses.Parse(nul, NoobVariant.Rfc9140)).Code);
        NoobResponses.Parse(nul, NoobVariant.LegacyDraft02);
        byte[] latin = [.. "{\"Type\":1,\"PeerState\":3,\"PeerId\":\""u8, 0xE9, .. "\"}"u8];
        Assert.Equal(NoobErrorCode.InvalidMessageStructure, Assert.Throws<NoobException>(() => NoobResponses.Parse(latin, NoobVariant.Rfc9140)).Code);
    }

    /// <summary>A device that begins again and again has a few places, not the server's whole store.</summary>
    [Fact]
    public void Waiting_places_of_one_station_are_limited()
    {
        var world = new NoobWorld("places", server: s => s with { MaxPerStation = 3 }).Start();
        for (int i = 0; i < 6; i++)
        {
            Assert.True(world.Loop.RunUntil(() => world.State.State == AssociationState.WaitingForOob, TimeSpan.FromMinutes(5)));
            world.Loop.RunUntil(() => false, TimeSpan.FromSeconds(2));
            world.Loop.Post(() => world.Reset(world.Device));
            world.Loop.RunUntil(() => false, TimeSpan.FromSeconds(1));
        }
        Assert.Equal(3, world.WaitingCount);
    }

    [Theory]
    [InlineData("P=a&N=x3JlolaPciK4Wa6XlMJxtQ&H=rV8zK-OEvqJ2MywCKjwAsg", true)]
    [InlineData("https://noob.example.org/oob?H=rV8zK-OEvqJ2MywCKjwAsg&lang=en&N=x3JlolaPciK4Wa6XlMJxtQ&P=a#top", true)]
    [InlineData("P=a&P=b&N=x3JlolaPciK4Wa6XlMJxtQ&H=rV8zK-OEvqJ2MywCKjwAsg", false)]
    [InlineData("P=&N=x3JlolaPciK4Wa6XlMJxtQ&H=rV8zK-OEvqJ2MywCKjwAsg", false)]
    [InlineData("P=a&N=x3JlolaPciK4Wa6XlMJxtR&H=rV8zK-OEvqJ2MywCKjwAsg", false)]
    [InlineData("P=a&N=x3JlolaPciK4Wa6XlMJxtQ", false)]
    [InlineData("", false)]
    public void Texts_of_OOB_messages(string text, bool valid)
    {
        if (!valid)
        {
            Assert.Throws<NoobException>(() => OobMessage.Parse(text));
            return;
        }
        var message = OobMessage.Parse(text);
        Assert.Equal("a", message.PeerId);
        Assert.Equal(message.ToQuery(), OobMessage.Parse(message.ToBytes()).ToQuery());
        Assert.DoesNotContain("x3Jlol", message.ToString(), StringComparison.Ordinal);
    }

    /// <summary>Changes EAP-NOOB's text on its way, as any network can: EAP is in the clear.</summary>
    private sealed class Tampering : IDisposable
    {
        private readonly NoobWorld _world;

        public Tampering(NoobWorld world, Func<string, string> change) => (_world = world).OnPath = change;

        public void Dispose() => _world.OnPath = text => text;
    }
}
