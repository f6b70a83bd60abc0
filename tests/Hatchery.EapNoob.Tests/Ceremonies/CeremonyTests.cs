using Hatchery.EapNoob.Device;
using Hatchery.EapNoob.Messages;
using Hatchery.EapNoob.Server;

namespace Hatchery.EapNoob.Tests.Ceremonies;

public sealed class CeremonyTests
{
    private static List<int> Types(NoobWorld world) => [.. world.Said.Where(s => s.Json.StartsWith('{')).Select(s => s.Json[s.Json.IndexOf(':', StringComparison.Ordinal) + 1] - '0')];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void From_device_to_server(int suite)
    {
        var world = NoobWorld.Onboarded($"p2s {suite}", d => d with { Cryptosuites = [suite] });
        Assert.Equal([1, 1, 2, 2, 3, 3, 1, 1, 6, 6], Types(world));
        Assert.Equal("@noob.eap.arpa", world.Said[0].Json);
        // The keys at both ends and in the authenticator's hands are the same.
        Assert.True(world.Client!.KeysAgree);
        Assert.Equal(world.Party!.Keys!.Msk, world.ServerKeys!.Msk);
        Assert.Equal(world.Party.Keys.Emsk, world.ServerKeys.Emsk);
        Assert.Equal(33, world.Party.Keys.SessionId.Length);
        var (device, server) = (world.State, world.Registered(world.State.PeerId)!);
        Assert.Equal(device.Kz, server.Kz);
        Assert.Equal((suite, "@noob.eap.arpa", NoobWorld.Account), (server.Cryptosuitep, server.Nai, server.Account));
        Assert.Null(device.Z);
        Assert.Null(world.Waiting(device.PeerId));
        Assert.Equal(["seen", "decided", "imparted", "owner-changed"], world.Audit.Select(a => a.Kind).Where(k => k != "administered"));
        Assert.Empty(world.Failed);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void From_server_to_device(int suite)
    {
        var world = new NoobWorld($"s2p {suite}", d => d with { Cryptosuites = [suite], Directions = OobDirections.ServerToPeer });
        world.People.On(NoobSteps.DeliverToPeer, (prompt, _) =>
        {
            var message = world.Loop.Complete(world.Oob.IssueAsync(world.State.PeerId, "bob", world.Caller, default));
            return Simulation.HumanReaction.Enters(prompt, message.ToQuery().Reveal(), TimeSpan.FromSeconds(40));
        });
        Assert.True(world.Start().Run());
        Assert.True(world.IsDone, world.Outcomes[^1].Reason);
        Assert.Equal([1, 1, 2, 2, 3, 3, 1, 1, 5, 5, 6, 6], Types(world));
        Assert.Equal("bob", world.Registered(world.State.PeerId)!.Account);
        Assert.True(world.Client!.KeysAgree);
    }

    /// <summary>Dirp 3: both show, the first delivered wins; a message does not work backwards.</summary>
    [Fact]
    public void In_both_directions()
    {
        var world = new NoobWorld("both", d => d with { Directions = OobDirections.Both });
        OobMessage? shown = null;
        world.OnCode = m => shown = m;
        bool reflected = false;
        world.People.On(NoobSteps.DeliverToPeer, (prompt, n) =>
        {
            if (n > 0)
                return Simulation.HumanReaction.Enters(prompt, world.Loop.Complete(world.Oob.IssueAsync(world.State.PeerId, "bob", world.Caller, default)).ToQuery().Reveal(), TimeSpan.FromSeconds(5));
            // Its own message back at the device: Hoob says the direction.
            reflected = true;
            return Simulation.HumanReaction.Enters(prompt, shown!.ToQuery().Reveal(), TimeSpan.FromSeconds(5));
        });
        Assert.True(world.Start().Run());
        Assert.True(reflected && world.IsDone);
        Assert.Contains(world.People.Shown, p => p.Kind == NoobSteps.AlertUser);

        // And the server's own message brought to the server.
        var other = new NoobWorld("both 2", d => d with { Directions = OobDirections.Both }).Start();
        Assert.True(other.Loop.RunUntil(() => other.State.State == AssociationState.WaitingForOob && other.WaitingCount == 1, TimeSpan.FromMinutes(5)));
        var issued = other.Loop.Complete(other.Oob.IssueAsync(other.State.PeerId, "bob", other.Caller, default));
        var fault = Assert.Throws<NoobException>(() => other.Loop.Complete(other.Oob.ReceiveAsync(issued, "bob", other.Caller, default)));
        Assert.Equal(NoobErrorCode.HmacFailure, fault.Code);
    }

    [Fact]
    public void Waiting_with_SleepTime_until_the_user_comes()
    {
        var world = new NoobWorld("sleep", server: s => s with { SleepTime = 600 }).WithUser(TimeSpan.FromMinutes(15)).Start();
        Assert.True(world.Run());
        // 10 minutes: waiting; 20 minutes: done.
        Assert.Equal(1, world.Said.Count(s => s.ToServer && s.Json.StartsWith("{\"Type\":4", StringComparison.Ordinal)));
        Assert.InRange(world.Loop.Now.Elapsed, TimeSpan.FromMinutes(20), TimeSpan.FromMinutes(21));
        Assert.Single(world.People.Shown);
    }

    /// <summary>NoobInterval: half an hour later a new code is shown and the one before is still good; older ones are not.</summary>
    [Fact]
    public void Codes_are_renewed_and_expire()
    {
        var codes = new List<OobMessage>();
        var world = new NoobWorld("renew", server: s => s with { SleepTime = 900 }) { OnCode = codes.Add }.Start();
        Assert.False(world.Run(TimeSpan.FromHours(2)));
        Assert.InRange(codes.Count, 4, 5);
        Assert.InRange(world.State.Noobs.Length, 2, 4);
        // The oldest: Hoob is right for the server, but the device does not know NoobId any more: error 2003, and the server waits again.
        world.Bring(codes[0]);
        Assert.False(world.Run(TimeSpan.FromHours(2)));
        Assert.Contains(world.Said, s => s.ToServer && s.Json.Contains("\"ErrorCode\":2003", StringComparison.Ordinal));
        Assert.Equal(AssociationState.WaitingForOob, world.Waiting(world.State.PeerId)!.State);
        Assert.Equal(AssociationState.WaitingForOob, world.State.State);
        world.Bring(codes[^2]);
        Assert.True(world.Run(TimeSpan.FromHours(1)));
        Assert.True(world.IsDone);
    }

    [Fact]
    public void Server_codes_expire()
    {
        var world = new NoobWorld("expire", d => d with { Directions = OobDirections.ServerToPeer }, s => s with { SleepTime = 60 });
        world.People.On(NoobSteps.DeliverToPeer, (prompt, n) =>
        {
            var message = world.Loop.Complete(world.Oob.IssueAsync(world.State.PeerId, "bob", world.Caller, default));
            return Simulation.HumanReaction.Enters(prompt, message.ToQuery().Reveal(), n == 0 ? TimeSpan.FromMinutes(61) : TimeSpan.FromMinutes(1));
        });
        Assert.True(world.Start().Run());
        Assert.True(world.IsDone, world.Outcomes[^1].Reason);
        Assert.Equal(3, world.Refused.Count(r => r.StartsWith("2003", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData(true, 2)]
    [InlineData(false, 1)]
    public void Reconnect(bool forwardSecrecy, int mode)
    {
        var world = NoobWorld.Onboarded("reconnect", server: s => s with { ForwardSecrecy = forwardSecrecy });
        var (kz, msk) = (world.State.Kz!, world.Party!.Keys!.Msk);
        world.Said.Clear();
        world.Restart();
        Assert.True(world.Run());
        Assert.True(world.IsDone, world.Outcomes[^1].Reason);
        Assert.Equal([1, 1, 7, 7, 8, 8, 9, 9], Types(world));
        Assert.Contains(world.Said, s => s.Json.Contains($"\"KeyingMode\":{mode}", StringComparison.Ordinal));
        Assert.Equal(kz, world.State.Kz);
        Assert.NotEqual(msk, world.Party.Keys!.Msk);
        Assert.True(world.Client!.KeysAgree);
        Assert.Equal(world.Party.Keys.Emsk, world.ServerKeys!.Emsk);
        // Nothing was said of device and server that had not changed.
        Assert.DoesNotContain(world.Said, s => s.Json.Contains("Info", StringComparison.Ordinal));
    }

    [Fact]
    public void Reconnect_with_another_cryptosuite_another_NAI_and_other_infos()
    {
        var world = NoobWorld.Onboarded("upgrade", server: s => s with { Cryptosuites = [1] });
        var before = world.State;
        world.ServerOptions = world.ServerOptions with { Cryptosuites = [2, 1], NewNai = "noob@iot.example.org", ServerInfo = """{"ServerName":"Other","ServerURL":"https://noob.example.org/oob"}""" };
        world.File.Write(before with { PeerInfo = """{"Manufacturer":"Acme","Model":"X1","SerialNumber":"DU-9999","SSID":"Noob"}""" });
        world.Server.Kill();
        world.Loop.Post(world.Server.Start);
        world.Restart();
        Assert.True(world.Run());
        Assert.True(world.IsDone, world.Outcomes[^1].Reason);
        var (device, server) = (world.State, world.Registered(before.PeerId)!);
        Assert.Equal((2, 1, "noob@iot.example.org"), (device.Cryptosuitep, device.CryptosuitepPrev, device.Nai));
        Assert.Equal((2, "noob@iot.example.org"), (server.Cryptosuitep, server.Nai));
        Assert.NotEqual(before.Kz, device.Kz);
        Assert.Equal(before.Kz, device.KzPrev);
        Assert.Equal(device.Kz, server.Kz);
        Assert.Contains("Noob", System.Text.Encoding.UTF8.GetString(server.PeerInfo.Span), StringComparison.Ordinal);
        Assert.Contains("Other", System.Text.Encoding.UTF8.GetString(device.ServerInfo.Span), StringComparison.Ordinal);
        // Once more: the old key is not needed any more, and nothing is told again.
        world.Said.Clear();
        world.Restart();
        Assert.True(world.Run());
        Assert.True(world.IsDone);
        Assert.Null(world.State.KzPrev);
        Assert.Contains("noob@iot.example.org", world.Said[0].Json, StringComparison.Ordinal);
        Assert.DoesNotContain(world.Said, s => s.Json.Contains("Info", StringComparison.Ordinal) || s.Json.Contains("NewNAI", StringComparison.Ordinal));
    }

    /// <summary>Every combination of forms that meet in the field, in both directions of adaptation.</summary>
    [Fact]
    public void Variants_adapt_to_each_other()
    {
        var forms = new[] { NoobIdForm.JsonArray, NoobIdForm.Concat, NoobIdForm.JsonUnquoted };
        foreach (bool datalength in new[] { false, true })
            foreach (var form in forms)
            {
                var world = NoobWorld.Onboarded($"variant {datalength} {form}", server: s => s with { Variant = NoobVariant.Rfc9140 with { Datalength = datalength, NoobIdForm = form } });
                Assert.Equal(datalength, world.State.Datalength);
                world.Restart();
                Assert.True(world.Run());
                Assert.True(world.IsDone);
            }
        foreach (var variant in NoobVariant.All)
        {
            var world = NoobWorld.Onboarded(variant.Name, d => d with { Variant = variant }, s => s with { Variant = variant, NewNai = "noob@iot.example.org" });
            var kz = world.State.Kz;
            world.Restart();
            Assert.True(world.Run());
            Assert.True(world.IsDone, variant.Name);
            Assert.Equal(variant.ReplacesKz, !kz!.Equals(world.State.Kz));
            Assert.Equal(world.State.Kz, world.Registered(world.State.PeerId)!.Kz);
        }
    }

    /// <summary>RFC 9965: the new identity first, the old one where the network does not know it.</summary>
    [Fact]
    public void Identities_are_tried_in_order()
    {
        var world = new NoobWorld("nai").WithUser();
        // A network that routes the old realm only.
        world.Network.Intercept(p => System.Text.Encoding.ASCII.GetString(p.Payload.Span).Contains("@noob.eap.arpa", StringComparison.Ordinal) ? Simulation.PathVerdict.Drops : Simulation.PathVerdict.Passes);
        Assert.True(world.Start().Run());
        Assert.True(world.IsDone, world.Outcomes[^1].Reason);
        Assert.Equal("noob@eap-noob.arpa", world.State.Nai);
        Assert.Equal("noob@eap-noob.arpa", world.Registered(world.State.PeerId)!.Nai);
        world.Restart();
        Assert.True(world.Run());
        Assert.True(world.IsDone);
    }

    [Fact]
    public void The_policy_decides_before_anything_is_given()
    {
        var world = new NoobWorld("policy", server: s => s with { SleepTime = 60 }).WithUser();
        world.Admission.Decide = r => world.Admission.Asked.Count < 3 ? new Decision.Hold(TimeSpan.FromSeconds(120)) : new Decision.Admit("full");
        Assert.True(world.Start().Run());
        Assert.True(world.IsDone);
        Assert.Equal(3, world.Admission.Asked.Count);
        Assert.Contains(world.Admission.Asked[0].Claimed, i => i is { Kind: "serial", Value: "DU-9999" });
        Assert.Contains(world.Admission.Asked[0].Proven, i => i is { Kind: "noob.account", Value: NoobWorld.Account });
        Assert.Contains(world.Said, s => s.Json.Contains("\"SleepTime\":120", StringComparison.Ordinal));

        var refused = new NoobWorld("policy 2", d => d with { MaxFailures = 1 }).WithUser();
        refused.Admission.Decide = _ => new Decision.Refuse("not ours");
        Assert.True(refused.Start().Run());
        Assert.Equal("2001", refused.Outcomes[^1].ProtocolError);
        Assert.Null(refused.Registered(refused.State.PeerId));

        // A registered device that is not wanted any more keeps its association, and does not get in.
        var late = NoobWorld.Onboarded("policy 3", d => d with { MaxFailures = 1 });
        late.Admission.Decide = _ => new Decision.Refuse("stolen");
        late.Restart();
        Assert.True(late.Run());
        Assert.Equal((false, "2001"), (late.Outcomes[^1].Succeeded, late.Outcomes[^1].ProtocolError));
        Assert.NotNull(late.Registered(late.State.PeerId));
        Assert.NotNull(late.State.Kz);
        late.Admission.Decide = _ => new Decision.Admit("full");
        late.Restart();
        Assert.True(late.Run());
        Assert.True(late.IsDone);
    }

    [Fact]
    public void The_application_gets_its_key()
    {
        byte[] device = [], server = [];
        NoobWorld.Onboarded("amsk", d => d with { ApplicationKey = k => device = k.ToArray() }, s => s with { ApplicationKey = (_, k) => server = k.ToArray() });
        Assert.Equal(64, device.Length);
        Assert.Equal(device, server);
    }

    /// <summary>The conversation goes on in another process at every message.</summary>
    [Fact]
    public void Any_process_can_go_on()
    {
        var world = NoobWorld.Onboarded("processes", server: s => s with { Cryptosuites = [1] }, writtenSessions: true);
        world.ServerOptions = world.ServerOptions with { Cryptosuites = [2] };
        world.Server.Kill();
        world.Loop.Post(world.Server.Start);
        world.Restart();
        Assert.True(world.Run());
        Assert.True(world.IsDone);
        Assert.True(world.Client!.KeysAgree);
        Assert.Equal(2, world.State.Cryptosuitep);
    }

    [Fact]
    public void What_the_user_confirms_names_the_device()
    {
        var world = new NoobWorld("confirm").Start();
        Assert.True(world.Loop.RunUntil(() => world.WaitingCount == 1, TimeSpan.FromMinutes(1)));
        var device = world.Loop.Complete(world.Oob.FindAsync(world.State.PeerId, world.Caller, default))!;
        Assert.Equal("Acme X1 serial number DU-9999", device.Claims);
        Assert.Equal("nas 02-00-00-00-00-01", device.Station);
        Assert.Null(world.Loop.Complete(world.Oob.FindAsync("no such device", world.Caller, default)));
    }
}
