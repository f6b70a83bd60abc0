using System.Security.Authentication;
using Hatchery.Est.Device;
using Hatchery.Est.Server;
using Hatchery.Pki;

namespace Hatchery.Est.Tests.Loopback;

/// <summary>Our client and our server over Kestrel and SslStream.</summary>
public sealed class OurClientTests
{
    [Theory]
    [InlineData(SslProtocols.Tls12)]
    [InlineData(SslProtocols.Tls13)]
    public async Task An_IDevID_gets_a_certificate_and_renews_it(SslProtocols protocols)
    {
        await using var host = await EstHost.StartAsync(l => l with { RenewalWindow = 1 });
        var device = new DeviceRun(host) { Protocols = protocols }.With(host.MakeIdentity("A-1"), "A-1").Anchored(host.Root.Encoded);
        var outcome = await device.RunAsync();
        Assert.True(outcome.Succeeded, outcome.Reason + string.Join("", host.Failures));
        var first = Certificate.Parse(device.State.Chain[0]);
        Assert.Equal("A-1", DirectoryName.Find(first.Subject, Oids.SerialNumber));
        Assert.Contains(host.Asked, a => a.Proven.Contains(new Identifier("serial", "A-1")));

        device.Options = device.Options with { Goal = EstGoal.Reenroll };
        outcome = await device.RunAsync();
        Assert.True(outcome.Succeeded, outcome.Reason + string.Join("", host.Failures));
        var second = Certificate.Parse(device.State.Chain[0]);
        Assert.NotEqual(first.SerialText, second.SerialText);
        Assert.False(first.Key.Encoded.Span.SequenceEqual(second.Key.Encoded.Span));
        Assert.Empty(device.State.PreviousChain);
        Assert.Equal(2, await host.IssuedCountAsync());
    }

    [Fact]
    public async Task Linking_is_proven_on_TLS_1_2_and_the_server_says_when_it_must_be()
    {
        await using var host = await EstHost.StartAsync(l => l with { Demands = CsrDemands.None with { ChallengePassword = true } });
        var device = new DeviceRun(host).With(host.MakeIdentity("A-1"), "A-1").Anchored(host.Root.Encoded);
        var outcome = await device.RunAsync();
        Assert.True(outcome.Succeeded, outcome.Reason);
        var modern = new DeviceRun(host) { Protocols = SslProtocols.Tls13 }.With(host.MakeIdentity("A-2"), "A-2").Anchored(host.Root.Encoded);
        outcome = await modern.RunAsync();
        Assert.False(outcome.Succeeded);
        Assert.Contains("no channel binding", outcome.Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Digest SHA-256")]
    [InlineData("Digest MD5")]
    [InlineData("Basic")]
    public async Task A_password_that_a_person_types_gets_a_certificate_once(string scheme)
    {
        await using var host = await EstHost.StartAsync(l => l with { Passwords = true }, o => o with { Schemes = [scheme] });
        await host.AddUserAsync("dev-7", "secret word", oneTime: true);
        DeviceRun Device(string password) => new(host)
        {
            Options = new EstDeviceOptions { AskPassword = true, ProveOperation = true },
            Person = p => p.Kind == EstSteps.TypePassword ? new HumanAnswer(p.Kind, p.Who, new SecretText("dev-7:" + password), true) : null,
        };
        var wrong = await Device("other").Anchored(host.Root.Encoded).RunAsync();
        Assert.False(wrong.Succeeded);
        Assert.Equal("401", wrong.ProtocolError);
        var device = Device("secret word").Anchored(host.Root.Encoded);
        var outcome = await device.RunAsync();
        Assert.True(outcome.Succeeded, outcome.Reason + string.Join("", host.Failures));
        Assert.Null(device.State.Password);
        Assert.Equal("dev-7", DirectoryName.Find(Certificate.Parse(device.State.Chain[0]).Subject, Oids.CommonName));
        var again = await Device("secret word").Anchored(host.Root.Encoded).RunAsync();
        Assert.Equal("403", again.ProtocolError);
        Assert.Equal(1, await host.IssuedCountAsync());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_root_that_a_person_compares_is_the_anchor_or_nothing_is(bool agrees)
    {
        await using var host = await EstHost.StartAsync(l => l with { Passwords = true });
        await host.AddUserAsync("dev-7", "pw");
        string expected = Convert.ToHexString(host.Root.Sha256());
        var device = new DeviceRun(host)
        {
            Options = new EstDeviceOptions { Bootstrap = true, AskPassword = true, ProveOperation = true },
            Person = p => p.Kind == EstSteps.CompareFingerprint ? new HumanAnswer(p.Kind, p.Who, null, agrees && p.Value!.Reveal() == expected)
                : new HumanAnswer(p.Kind, p.Who, new SecretText("dev-7:pw"), true),
        };
        var outcome = await device.RunAsync();
        Assert.Equal(agrees, outcome.Succeeded);
        Assert.Equal(agrees ? 1 : 0, device.State.ExplicitAnchors.Length);
        Assert.Equal(agrees ? 1 : 0, await host.IssuedCountAsync());
        Assert.Equal(expected, device.Shown.Single().Value!.Reveal());
        if (!agrees)
            Assert.Equal(0, device.Saves);
    }

    [Fact]
    public async Task A_fingerprint_that_was_given_must_be_the_roots_to_the_last_byte()
    {
        await using var host = await EstHost.StartAsync();
        var right = host.Root.Sha256();
        byte[] wrong = [.. right];
        wrong[^1] ^= 1;
        var device = new DeviceRun(host) { Options = new EstDeviceOptions { Bootstrap = true, Goal = EstGoal.CaCerts, RootSha256 = wrong } };
        Assert.False((await device.RunAsync()).Succeeded);
        Assert.Equal(0, device.Saves);
        device.Options = device.Options with { RootSha256 = right };
        Assert.True((await device.RunAsync()).Succeeded);
        Assert.Single(device.State.ExplicitAnchors);
    }

    [Fact]
    public async Task Without_an_anchor_nothing_but_cacerts_is_asked_and_without_bootstrap_nothing_at_all()
    {
        await using var host = await EstHost.StartAsync();
        var device = new DeviceRun(host).With(host.MakeIdentity("A-1"), "A-1");
        var outcome = await device.RunAsync();
        Assert.False(outcome.Succeeded);
        Assert.Contains("not authorized", outcome.Reason, StringComparison.Ordinal);
        Assert.Empty(host.Asked);
    }

    [Fact]
    public async Task A_request_that_is_held_is_asked_for_again_with_the_same_key_and_granted_once()
    {
        await using var host = await EstHost.StartAsync();
        int asked = 0;
        host.Decide = _ => ++asked < 3 ? new Decision.Hold(TimeSpan.FromSeconds(1)) : new Decision.Admit("default");
        var device = new DeviceRun(host).With(host.MakeIdentity("A-1"), "A-1").Anchored(host.Root.Encoded);
        device.Options = device.Options with { LongestWait = TimeSpan.FromMilliseconds(50) };
        var outcome = await device.RunAsync();
        Assert.True(outcome.Succeeded, outcome.Reason);
        Assert.Equal(3, asked);
        Assert.Equal(1, await host.IssuedCountAsync());
        Assert.Single(await host.AuditAsync(), e => e.Kind == "imparted" && e.Listener == "est");
    }

    [Fact]
    public async Task A_client_that_lost_the_answer_gets_the_same_certificate()
    {
        await using var host = await EstHost.StartAsync();
        var device = new DeviceRun(host).With(host.MakeIdentity("A-1"), "A-1").Anchored(host.Root.Encoded);
        Assert.True((await device.RunAsync()).Succeeded);
        var (chain, key) = (device.State.Chain, device.State.Key);
        // As after a crash between request and save: the key is there, the certificate is not.
        device.State = device.State with { Chain = [], Key = null, PendingKey = key };
        Assert.True((await device.RunAsync()).Succeeded);
        Assert.Equal(chain[0], device.State.Chain[0]);
        Assert.Equal(1, await host.IssuedCountAsync());
    }

    [Fact]
    public async Task The_server_makes_a_key_on_request()
    {
        await using var host = await EstHost.StartAsync(l => l with { KeyGeneration = new KeyGenerationOptions() });
        var device = new DeviceRun(host).With(host.MakeIdentity("A-1"), "A-1").Anchored(host.Root.Encoded);
        device.Options = device.Options with { Goal = EstGoal.ServerKeyGen };
        var outcome = await device.RunAsync();
        Assert.True(outcome.Succeeded, outcome.Reason + string.Join("", host.Failures));
        var key = PrivateKeys.FromPkcs8(device.State.Key!.Reveal());
        Assert.Equal(key.Public.Encoded.ToArray(), Certificate.Parse(device.State.Chain[0]).Key.Encoded.ToArray());
    }
}
