using System.Security.Cryptography;
using System.Text;
using Hatchery.Radius.Client;
using Hatchery.Radius.Eap;
using Hatchery.Radius.Server;
using Hatchery.Radius.Tests.Methods;
using Hatchery.Simulation;

namespace Hatchery.Radius.Tests;

public sealed class ConversationTests
{
    [Fact]
    public void A_method_with_keys_from_end_to_end()
    {
        var world = new World();
        Assert.True(world.Run());
        Assert.Equal(["IdentityRequest", "Request", "Request", "Success"], world.Device.Heard);
        Assert.True(world.Client.KeysAgree);
        Assert.Equal(world.Method.Last!.Exported.Msk, world.Peer.Keys!.Exported.Msk);
        var accept = world.Client.Accept!.Packet;
        Assert.True(accept.TryGet(RadiusAttribute.EapKeyName, out var name));
        Assert.Equal(world.Peer.Keys.Exported.SessionId.Span, name);
        Assert.Equal("device@example.org", accept.Text(RadiusAttribute.UserName));
        Assert.Empty(world.Failed);
        // Message-Authenticator is the first attribute of every packet.
        Assert.All(world.Sent, s => Assert.Equal([80, 18], s.Bytes[20..22]));
    }

    [Fact]
    public void A_wrong_key_is_refused()
    {
        var world = new World();
        var peer = new Gpsk.Peer("device@example.org", new byte[32], world.Chance);
        world.Device = new AnsweringPeer("device@example.org", peer.Answer);
        Assert.False(world.Run());
        Assert.Null(world.Client.Accept);
        Assert.Contains("data: MIC", world.Refused);
    }

    /// <summary>Every datagram of a conversation lost, doubled, or overtaken by the next: it succeeds all the same, and no response is worked on twice.</summary>
    [Fact]
    public void Datagrams_lost_repeated_and_reordered()
    {
        for (int at = 0; at < 6; at++)
            foreach (string fault in new[] { "lose", "double", "late" })
            {
                var world = new World((ulong)at + 1);
                int number = -1;
                byte[]? held = null;
                world.Path = (_, bytes) =>
                {
                    number++;
                    if (number != at)
                        return held is { } late && number == at + 1 ? [bytes, late] : [bytes];
                    held = fault == "late" ? bytes : null;
                    return fault == "double" ? [bytes, bytes] : [];
                };
                Assert.True(world.Run(), $"{fault} {at}");
                Assert.Equal(1, world.Method.Completed);
                Assert.True(world.Client.KeysAgree);
            }
    }

    [Fact]
    public void A_repeated_request_gets_the_same_bytes_and_the_method_works_once()
    {
        var world = new World();
        Assert.True(world.Run());
        var last = world.Sent.Last(s => s.ToServer && s.Bytes[0] == 1).Bytes;
        var answer = world.Sent.Last(s => !s.ToServer).Bytes;
        Assert.Equal(answer, Assert.Single(world.Ask(last)));
        Assert.Equal(1, world.Method.Completed);

        // Beyond the engine's memory the conversation itself remembers: the same keys, in a new packet.
        world.Wait(TimeSpan.FromSeconds(30));
        var again = RadiusPacket.Parse(Assert.Single(world.Ask(last)));
        Assert.Equal(RadiusCode.AccessAccept, again.Code);
        Assert.Equal(1, world.Method.Completed);
        // And beyond that, the conversation is over.
        world.Wait(TimeSpan.FromSeconds(120));
        Assert.Equal(RadiusCode.AccessReject, RadiusPacket.Parse(Assert.Single(world.Ask(last))).Code);
        Assert.Equal(1, world.Method.Completed);
    }

    /// <summary>Sessions kept as bytes: any process can go on.</summary>
    [Fact]
    public void The_conversation_goes_on_in_another_process()
    {
        var world = new World(sessions: new WrittenSessions());
        Assert.True(world.Run());
        Assert.True(world.Client.KeysAgree);
    }

    private sealed class WrittenSessions : ISessions
    {
        private readonly Dictionary<string, byte[]> _all = [];
        public ValueTask<T?> TakeAsync<T>(string kind, string key, CancellationToken cancel) where T : class, ISessionState<T> => new(_all.Remove(key, out var bytes) ? T.Read(bytes) : null);
        public ValueTask DropAsync(string kind, string key, CancellationToken cancel) { _all.Remove(key); return default; }

        public ValueTask PutAsync<T>(string kind, string key, T value, TimeSpan life, CancellationToken cancel) where T : class, ISessionState<T>
        {
            _all[key] = value.Write();
            return default;
        }
    }

    [Fact]
    public void A_Nak_leads_to_the_other_method_of_the_realm()
    {
        var world = new World();
        world.Device = new AnsweringPeer("device@md5.example", new Gpsk.Peer("device@md5.example", World.Psk, world.Chance).Answer);
        Assert.True(world.Run());
        Assert.Equal(0, world.Md5.Judged);
        Assert.Equal(1, world.Method.Completed);

        // A peer that proposes nothing is refused.
        world = new World(client: chance => new RadiusEapClient<int>(new EapPeerOptions(Gpsk.Type) { Proposal = 0 }, new NasPortOptions("nas"), [new(1, new RadiusSecret("testing123"))], chance));
        world.Device = new AnsweringPeer("device@md5.example", world.Peer.Answer);
        Assert.False(world.Run());
        Assert.Equal(["IdentityRequest", "Failure"], world.Device.Heard);
    }

    [Fact]
    public void Realms_choose_and_refuse()
    {
        var chance = new SeededChance("radius");
        var world = new World(routes: [new EapRoute(".example.org", new Gpsk.Method("server", World.Psk, chance)), new EapRoute("", new Md5Method("x", chance))]);
        foreach (var (identity, heard) in new[] { ("a@b.example.org", 4), ("a@EXAMPLE.org", 2), ("a@example.net", 2), ("no realm\n@", 2) })
        {
            var fresh = new World(routes: [new EapRoute(".example.org", new Gpsk.Method("server", World.Psk, chance))]);
            var peer = new Gpsk.Peer(identity, World.Psk, chance);
            fresh.Device = new AnsweringPeer(identity, peer.Answer);
            Assert.Equal(heard == 4, fresh.Run());
            Assert.Equal(heard, fresh.Device.Heard.Count);
        }
        Assert.Empty(world.Failed);
    }

    [Theory]
    [InlineData("noob@eap-noob.arpa", "noob", "eap-noob.arpa")]
    [InlineData("@noob.eap.arpa", "", "noob.eap.arpa")]
    [InlineData("fred", "fred", null)]
    [InlineData("a@b@example.org", null, null)]
    [InlineData("@", null, null)]
    [InlineData("a@localhost", null, null)]
    [InlineData("a..b@example.org", null, null)]
    [InlineData(".a@example.org", null, null)]
    [InlineData("a@-x.org", null, null)]
    [InlineData("ünïcode@dömäin.example", "ünïcode", "dömäin.example")]
    public void Network_access_identifiers(string text, string? user, string? realm)
    {
        if (user is null)
        {
            Assert.Throws<RadiusException>(() => Nai.Parse(Encoding.UTF8.GetBytes(text)));
            return;
        }
        var nai = Nai.Parse(Encoding.UTF8.GetBytes(text));
        Assert.Equal((user, realm, text), (nai.User, nai.Realm, nai.Text));
    }

    [Fact]
    public void Another_secret_is_silence()
    {
        var world = new World(serverSecret: "other");
        Assert.False(world.Run());
        Assert.NotNull(world.Device.Fault);
        Assert.All(world.Sent, s => Assert.True(s.ToServer));
        Assert.Contains(world.Refused, r => r.StartsWith("Message-Authenticator: It is wrong", StringComparison.Ordinal));
        // RFC 5080 §2.2.1: the same bytes each time, after about 2, 4 and 8 seconds.
        Assert.Equal(4, world.Sent.Count);
        Assert.All(world.Sent, s => Assert.Equal(world.Sent[0].Bytes, s.Bytes));
    }

    /// <summary>CVE-2024-3596: who sits between may compute MD5 collisions, but not HMACs.</summary>
    [Fact]
    public void Blast_RADIUS()
    {
        byte[] Request(bool messageAuthenticator, Action<RadiusMessage> fill)
        {
            var message = new RadiusMessage(RadiusCode.AccessRequest).Add(RadiusAttribute.UserName, "fred@example.org");
            fill(message);
            byte[] signed = message.SignRequest(7, new byte[16], new RadiusSecret("testing123"));
            if (messageAuthenticator)
                return signed;
            byte[] without = [.. signed[..20], .. signed[38..]];
            System.Buffers.Binary.BinaryPrimitives.WriteUInt16BigEndian(without.AsSpan(2), (ushort)without.Length);
            return without;
        }
        var identity = new EapPacket(EapCode.Response, 1, EapType.Identity, "fred@example.org"u8.ToArray()).Encode();
        var strict = new World();
        Assert.Empty(strict.Ask(Request(false, m => m.AddEap(identity))));
        Assert.Empty(strict.Ask(Request(false, _ => { })));
        Assert.Single(strict.Ask(Request(true, m => m.AddEap(identity))));
        // A NAS that cannot: still not with EAP, nor with Proxy-State, in which a collision hides.
        var lax = new World(nas: n => n with { RequireMessageAuthenticator = false });
        Assert.Empty(lax.Ask(Request(false, m => m.AddEap(identity))));
        Assert.Empty(lax.Ask(Request(false, m => m.Add(RadiusAttribute.ProxyState, new byte[20]))));
        byte[] reject = Assert.Single(lax.Ask(Request(false, _ => { })));
        Assert.Equal((3, 80), (reject[0], reject[20]));

        // Towards us: an answer whose Response Authenticator is right, as a collision would make it, but without the attribute, or with a wrong one.
        foreach (bool wrong in new[] { false, true })
        {
            var world = new World();
            world.Path = (toServer, bytes) =>
            {
                if (toServer)
                    return [bytes];
                var request = world.Sent.Last(s => s.ToServer).Bytes;
                byte[] forged = wrong ? [.. bytes] : [.. bytes[..20], .. bytes[38..]];
                if (wrong)
                    forged[25] ^= 1;
                System.Buffers.Binary.BinaryPrimitives.WriteUInt16BigEndian(forged.AsSpan(2), (ushort)forged.Length);
                MD5.HashData([.. forged[..4], .. request[4..20], .. forged[20..], .. "testing123"u8]).CopyTo(forged, 4);
                return [forged];
            };
            Assert.False(world.Run());
            Assert.Equal(["IdentityRequest", "Lost"], world.Device.Heard);
        }
    }

    [Fact]
    public void Proxy_State_comes_back_in_order_and_Status_Server_is_answered()
    {
        var world = new World();
        var identity = new EapPacket(EapCode.Response, 1, EapType.Identity, "fred@example.org"u8.ToArray()).Encode();
        var message = new RadiusMessage(RadiusCode.AccessRequest).Add(RadiusAttribute.ProxyState, [1, 2]).AddEap(identity).Add(RadiusAttribute.ProxyState, [3]);
        var answer = RadiusPacket.Parse(Assert.Single(world.Ask(message.SignRequest(9, new byte[16], new RadiusSecret("testing123")))));
        var states = new List<byte[]>();
        foreach (var attribute in answer.Attributes)
            if (attribute.Type == RadiusAttribute.ProxyState)
                states.Add(attribute.Value.ToArray());
        Assert.Equal([[1, 2], [3]], states);

        var status = RadiusPacket.Parse(Assert.Single(world.Ask(new RadiusMessage(RadiusCode.StatusServer).SignRequest(3, new byte[16], new RadiusSecret("testing123")))));
        Assert.Equal((RadiusCode.AccessAccept, (byte)3), (status.Code, status.Identifier));
    }

    [Fact]
    public void Out_of_order_responses_get_the_last_request_again()
    {
        var world = new World();
        var secret = new RadiusSecret("testing123");
        var identity = new EapPacket(EapCode.Response, 200, EapType.Identity, "fred@example.org"u8.ToArray()).Encode();
        RadiusPacket Send(byte id, byte[] eap, ReadOnlySpan<byte> state)
        {
            var message = new RadiusMessage(RadiusCode.AccessRequest).AddEap(eap);
            if (!state.IsEmpty)
                message.Add(RadiusAttribute.State, state);
            return RadiusPacket.Parse(Assert.Single(world.Ask(message.SignRequest(id, new byte[16], secret))));
        }
        var first = Send(1, identity, default);
        Assert.Equal(RadiusCode.AccessChallenge, first.Code);
        Assert.True(first.TryGet(RadiusAttribute.State, out var state));
        byte[] request = first.EapMessage()!;
        Assert.Equal(201, request[1]);
        byte number = 2;
        foreach (var wrong in new byte[][]
        {
            new EapPacket(EapCode.Response, 77, Gpsk.Type, new byte[10]).Encode(), new EapPacket(EapCode.Request, 201, Gpsk.Type, new byte[10]).Encode(),
            new EapPacket(EapCode.Response, 201, 99, new byte[10]).Encode(), [2, 201, 0, 99, 51],
        })
        {
            var answer = Send(number++, wrong, state);
            Assert.Equal((RadiusCode.AccessChallenge, 202u), (answer.Code, answer.Integer(RadiusAttribute.ErrorCause)));
            Assert.Equal(request, answer.EapMessage());
        }
        // A State that names nothing.
        Assert.Equal(RadiusCode.AccessReject, Send(number++, new EapPacket(EapCode.Response, 201, Gpsk.Type, default).Encode(), new byte[16]).Code);
        // EAP-Start (RFC 3579 §2.1): we ask for the identity.
        var started = Send(number++, [2, 0], default);
        Assert.Equal(EapType.Identity, EapPacket.Parse(started.EapMessage()!).Type);
        Assert.Equal(0, world.Method.Completed);
    }

    [Fact]
    public void Accounting_is_answered_when_it_is_recorded()
    {
        var recorded = new List<RadiusAccounting>();
        bool broken = false;
        var world = new World(service: new RadiusServiceOptions
        {
            Account = (what, _, _) =>
            {
                if (broken)
                    throw new IOException("full");
                recorded.Add(what);
                return default;
            },
        }, client: chance => new RadiusEapClient<int>(new EapPeerOptions(Gpsk.Type), new NasPortOptions("nas-1") { CallingStation = "02-00-00-00-00-01" },
            [new(1, new RadiusSecret("testing123"))], chance)
        { Accounts = true });
        Assert.True(world.Run());
        var start = world.Sent.Single(s => s.ToServer && s.Bytes[0] == 4).Bytes;
        Assert.Single(world.Ask(start));
        broken = true;
        Assert.Equal(RadiusCode.AccountingResponse, RadiusPacket.Parse(Assert.Single(world.Ask(start))).Code);
        var one = Assert.Single(recorded);
        Assert.Equal((AcctStatusType.Start, "02-00-00-00-00-01", "device@example.org"), (one.Status, one.CallingStation, one.UserName));
        // A changed one is discarded; one that cannot be recorded is not answered.
        start[^1] ^= 1;
        Assert.Empty(world.Ask(start));
        world.Client.Logoff(world.Now);
        var buffer = new byte[4096];
        Assert.True(world.Client.TryTransmit(buffer, out var stop));
        Assert.Empty(world.Ask(buffer[..stop.Length]));
        Assert.Single(world.Failed);
        broken = false;
        Assert.Single(world.Ask(buffer[..stop.Length]));
        Assert.Equal(AcctStatusType.Stop, recorded[1].Status);
    }

    [Fact]
    public void Long_packets_take_several_attributes()
    {
        var packet = new EapPacket(EapCode.Request, 1, 99, Enumerable.Range(0, 1015).Select(i => (byte)i).ToArray()).Encode();
        var message = new RadiusMessage(RadiusCode.AccessChallenge).AddEap(packet);
        var sent = RadiusPacket.Parse(message.SignAnswer(1, new byte[16], new RadiusSecret("s"), true, new SeededChance("radius")));
        Assert.Equal(5, sent.Count(RadiusAttribute.EapMessage));
        Assert.Equal(packet, sent.EapMessage());
        var apart = new RadiusMessage(RadiusCode.AccessChallenge).AddEap([1, 2]).Add(RadiusAttribute.State, [1]).AddEap([3]);
        Assert.Throws<RadiusException>(() => RadiusPacket.Parse(apart.SignAnswer(1, new byte[16], new RadiusSecret("s"), true, new SeededChance("radius"))).EapMessage());
    }

    [Fact]
    public void Profiles_become_attributes()
    {
        var profile = new RadiusProfile("full") { Vlan = "10", FilterId = "isolated", SessionTimeout = TimeSpan.FromHours(1) };
        var world = new World(service: new RadiusServiceOptions { Profiles = System.Collections.Immutable.ImmutableDictionary<string, RadiusProfile>.Empty.Add("full", profile) });
        Assert.True(world.Run());
        var accept = world.Client.Accept!.Packet;
        Assert.Equal((13u, 6u, "10", "isolated", 3600u), (accept.Integer(RadiusAttribute.TunnelType), accept.Integer(RadiusAttribute.TunnelMediumType),
            accept.Text(RadiusAttribute.TunnelPrivateGroupId), accept.Text(RadiusAttribute.FilterId), accept.Integer(RadiusAttribute.SessionTimeout)));
    }

    [Fact]
    public void Clients_by_the_longest_prefix()
    {
        RadiusNas Nas(string name, string prefix) => new(name, System.Net.IPNetwork.Parse(prefix), new RadiusSecret(name));
        var clients = new RadiusClients([Nas("all", "10.0.0.0/8"), Nas("floor", "10.1.0.0/16"), Nas("one", "10.1.2.3/32"), Nas("six", "2001:db8::/32")]);
        Assert.Equal("one", clients.Find(System.Net.IPAddress.Parse("10.1.2.3"))?.Name);
        Assert.Equal("floor", clients.Find(System.Net.IPAddress.Parse("::ffff:10.1.2.4"))?.Name);
        Assert.Equal("all", clients.Find(System.Net.IPAddress.Parse("10.2.2.4"))?.Name);
        Assert.Equal("six", clients.Find(System.Net.IPAddress.Parse("2001:db8::1"))?.Name);
        Assert.Null(clients.Find(System.Net.IPAddress.Parse("11.0.0.1")));
        Assert.Throws<ArgumentException>(() => new RadiusClients([Nas("a", "10.0.0.0/8"), Nas("b", "10.0.0.0/8")]));
    }
}
