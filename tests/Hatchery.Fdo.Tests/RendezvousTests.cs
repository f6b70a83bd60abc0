namespace Hatchery.Fdo.Tests;

public sealed class RendezvousTests
{
    private static readonly RendezvousAbilities s_web = new(["https", "http"]);

    private static RendezvousInfo Info(string hex) => RendezvousInfo.Parse(Convert.FromHexString(hex));

    [Theory]
    [InlineData("http://rv.example:8041")]
    [InlineData("https://192.0.2.7:8443;bypass;delay=30")]
    [InlineData("http://rv.example:8041;devonly;ownerport=8042")]
    [InlineData("http://[2001:db8::1]:8041;owneronly")]
    [InlineData("tls://rv.example:4443")]
    public void Text_becomes_directives_and_text_again(string text)
    {
        var info = RendezvousText.Parse(text);
        Assert.Equal([text], RendezvousText.Format(info));
        Assert.Equal(info.Raw.ToArray(), new RendezvousInfo(RendezvousInfo.Parse(info.Raw).Directives).Raw.ToArray());
    }

    [Theory]
    [InlineData("rv.example")]
    [InlineData("ftp://rv.example")]
    [InlineData("http://rv.example;delay=soon")]
    [InlineData("http://rv.example;fast")]
    [InlineData("tcp://rv.example")]
    [InlineData("")]
    public void Text_that_is_no_directive_is_refused(string text) => Assert.Throws<FormatException>(() => RendezvousText.Parse(text));

    [Fact]
    public void An_IPv4_address_goes_out_as_4_bytes()
    {
        Assert.Contains("82024544C0000207", Convert.ToHexString(RendezvousText.Parse("http://192.0.2.7:80").Raw.Span), StringComparison.Ordinal);
        Assert.Contains("82024544C0000207", Convert.ToHexString(RendezvousText.Parse("http://[::ffff:192.0.2.7]:80").Raw.Span), StringComparison.Ordinal);
    }

    [Fact]
    public void A_mapped_IPv4_address_is_understood()
    {
        var plan = RendezvousInterpreter.ForDevice(Info("8183" + "82025150" + "00000000000000000000FFFF7F000001" + "820343191F69" + "820C4101"), s_web);
        Assert.Equal(new RendezvousTarget("http", "127.0.0.1", 8041), Assert.Single(Assert.Single(plan.Attempts).Targets));
    }

    [Fact]
    public void The_recorded_runs_lead_to_their_rendezvous_server()
    {
        var info = Transcript.Read("p256-x509-ecdh256-a256gcm-2hops").Parse<SetCredentials>(11).Header.RendezvousInfo;
        var target = new RendezvousTarget("http", "rv.example", 8041);
        var device = Assert.Single(RendezvousInterpreter.ForDevice(info, s_web).Attempts);
        Assert.Equal(TimeSpan.FromSeconds(1), device.Delay);
        Assert.False(device.Bypass);
        Assert.Equal([target], device.Targets);
        Assert.Equal([target], Assert.Single(RendezvousInterpreter.ForOwner(info, s_web).Attempts).Targets);
    }

    [Fact]
    public void Device_and_owner_take_what_is_theirs_in_order()
    {
        var info = RendezvousText.Parse("http://a.example:1;devonly", "http://b.example:2;owneronly", "http://c.example:3;bypass", "http://d.example:4;ownerport=5");
        Assert.Equal([(0, "a.example", 1, false), (2, "c.example", 3, true), (3, "d.example", 4, false)],
            RendezvousInterpreter.ForDevice(info, s_web).Attempts.Select(a => (a.Directive, a.Targets[0].Host, a.Targets[0].Port, a.Bypass)));
        Assert.Equal([(1, "b.example", 2), (3, "d.example", 5)],
            RendezvousInterpreter.ForOwner(info, s_web).Attempts.Select(a => (a.Directive, a.Targets[0].Host, a.Targets[0].Port)));
    }

    [Theory]
    [InlineData("81" + "84" + "820548676578616D706C65" + "820C4101" + "82034101" + "82034102", "twice")]
    [InlineData("81" + "83" + "820548676578616D706C65" + "820C4101" + "820341F4", "integer")]
    [InlineData("81" + "83" + "820548676578616D706C65" + "820C4103" + "82034101", "no protocol")]
    [InlineData("81" + "82" + "820C4101" + "82034101", "no address")]
    [InlineData("81" + "84" + "820548676578616D706C65" + "820C4101" + "82034101" + "820F458163787878", "external")]
    public void A_directive_that_means_nothing_is_skipped_with_a_reason(string hex, string reason)
    {
        var plan = RendezvousInterpreter.ForDevice(Info(hex), s_web);
        Assert.Empty(plan.Attempts);
        Assert.Contains(reason, Assert.Single(plan.Skipped).Why, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("810E")]
    [InlineData("820EF5")]
    [InlineData("820E41F5")]
    [InlineData("820E4101")]
    [InlineData("820E40")]
    public void Flags_may_come_with_a_value_or_without(string flag)
    {
        string hex = "81" + "84" + "820548676578616D706C65" + "820C4101" + "82034101" + flag;
        if (flag == "820EF5")
            Assert.Throws<FdoException>(() => Info(hex));
        else
            Assert.True(Assert.Single(RendezvousInterpreter.ForDevice(Info(hex), s_web).Attempts).Bypass);
    }

    [Fact]
    public void REST_means_the_first_that_is_supported_and_no_protocol_means_TLS_then_HTTPS()
    {
        const string Dns = "820548676578616D706C65";
        Assert.Equal(["https", "http"], RendezvousInterpreter.ForDevice(Info("8182" + Dns + "820C4100"), s_web).Attempts[0].Targets.Select(t => t.Scheme));
        Assert.Equal([443, 80], RendezvousInterpreter.ForDevice(Info("8182" + Dns + "820C4100"), s_web).Attempts[0].Targets.Select(t => t.Port));
        Assert.Equal(["https"], RendezvousInterpreter.ForDevice(Info("8181" + Dns), s_web).Attempts[0].Targets.Select(t => t.Scheme));
    }

    [Fact]
    public void A_directive_with_a_delay_alone_waits()
    {
        var wait = Assert.Single(RendezvousInterpreter.ForDevice(Info("8181820D41" + "0A"), s_web).Attempts);
        Assert.Empty(wait.Targets);
        Assert.Equal(TimeSpan.FromSeconds(10), wait.Delay);
    }

    [Theory]
    [InlineData("0000", 90)]
    [InlineData("FFFF", 150)]
    public void Jitter_is_a_quarter_to_either_side(string drawn, int seconds) => Assert.Equal(TimeSpan.FromSeconds(seconds),
        RendezvousInterpreter.Jitter(RendezvousInterpreter.LastDelay, new RecordedRandomness().Value("RV.Delay", Convert.FromHexString(drawn))));

    [Fact]
    public void A_pinned_server_is_a_pin_of_the_destination()
    {
        var pin = FdoHash.Of(HashType.Sha256, [1, 2, 3]);
        var target = new RendezvousTarget("https", "rv.example", 443, pin).To(FdoPlayers.Rendezvous);
        Assert.Equal(pin.Value.ToArray(), Assert.Single(Assert.IsType<ChannelSecurity.Certificates>(target.Security).PinnedSha256));
        var large = FdoHash.Of(HashType.Sha384, [1, 2, 3]);
        var both = Assert.IsType<ChannelSecurity.Certificates>(new RendezvousTarget("tls", "rv.example", 443, large, pin).To(FdoPlayers.Rendezvous).Security);
        Assert.Equal(pin.Value.ToArray(), Assert.Single(both.PinnedSha256));
        Assert.Equal(large.Value.ToArray(), Assert.Single(both.PinnedSha384));
        Assert.IsType<ChannelSecurity.None>(new RendezvousTarget("https", "rv.example", 443).To(FdoPlayers.Rendezvous).Security);
    }
}
