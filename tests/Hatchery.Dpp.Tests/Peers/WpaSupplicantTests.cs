using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Hatchery.Cryptography;
using Hatchery.Dpp.Configurator;
using Hatchery.Dpp.Device;
using Hatchery.Pki;

namespace Hatchery.Dpp.Tests.Peers;

public class WpaSupplicantTests
{
    public static TheoryData<string> Curves() => [.. DppCurve.All.Select(c => c.Name)];
    private static readonly SystemChance s_chance = new();

    private static ConfiguratorOptions Options(BootstrappingKeyPair own, ConfiguratorKeys keys, int version = 2, bool replaceKeys = true) => new()
    {
        Exchange = new ExchangeOptions { Own = [own], Capabilities = DppCapabilities.Configurator, Version = version },
        Keys = [keys],
        ReplaceKeys = replaceKeys,
    };

    private static NetworkProfile Network(DppAkm akm, bool selectors = false) => new()
    {
        Ssid = "net1"u8.ToArray(),
        Akm = akm,
        UseSelectors = selectors,
        Pass = (akm & (DppAkm.Psk | DppAkm.Sae)) != 0 ? new SecretText("secret pass") : null,
    };

    [Theory]
    [MemberData(nameof(Curves))]
    public async Task Our_Controller_provisions_it(string curveName)
    {
        var curve = DppCurve.ByName(curveName)!;
        using var own = BootstrappingKeyPair.Generate(curve, s_chance);
        var keys = ConfiguratorKeys.Generate(DppCurve.P256, s_chance);
        await using var peer = await WpaSupplicant.StartAsync();
        var (id, uri) = await peer.KeyAsync(curve);
        foreach (bool mutual in (bool[])[false, true])
        {
            await using var ours = new OurController(Options(own, keys), mutual ? [uri.Key] : [],
                asked => new ConfigurationDecision.Provide([Network(DppAkm.Dpp).For(keys, asked, DateTimeOffset.UtcNow)]));
            string known = await peer.KnowAsync(new DppUri { Key = own.Public, Version = 2 });
            await peer.OkAsync("dpp_auth_init", $"peer={known}", $"own={id}", "role=enrollee", "neg_freq=2412", "tcp_addr=127.0.0.1", $"tcp_port={ours.Port}");
            var outcome = await ours.EndedAsync();
            Assert.True(outcome.Succeeded, outcome.Reason);
            await peer.SawAsync("DPP-CONF-RECEIVED");
            Assert.Contains("net1", await peer.SawAsync("DPP-CONFOBJ-SSID"), StringComparison.Ordinal);
            string connector = (await peer.SawAsync("DPP-CONNECTOR")).Split(' ')[^1];
            Assert.Equal(ours.Journal.Single().Connector, connector);
            Assert.Equal(mutual, ours.Journal.Single().Asked.IsMutual);
        }
    }

    [Theory]
    [MemberData(nameof(Curves))]
    public async Task It_provisions_us_as_Controller(string curveName)
    {
        var curve = DppCurve.ByName(curveName)!;
        using var own = BootstrappingKeyPair.Generate(curve, s_chance);
        await using var peer = await WpaSupplicant.StartAsync();
        var (_, uri) = await peer.KeyAsync(curve);
        await peer.OkAsync("dpp_configurator_add");
        await peer.OkAsync("set", "dpp_configurator_params", "conf=sta-dpp ssid=6e657431 configurator=1");
        int port = await peer.ListenAsync("configurator");
        foreach (bool mutual in (bool[])[false, true])
        {
            if (mutual)
                await peer.KnowAsync(new DppUri { Key = own.Public, Version = 2 });
            using var session = OurEnrollee.Session(own);
            var (outcome, received) = await OurEnrollee.RunAsync(await OurEnrollee.ConnectAsync(port), session, () => session.Initiate(uri.Key, OurController.Clock.Now));
            Assert.True(outcome.Succeeded, outcome.Reason);
            Assert.Equal("net1"u8.ToArray(), received!.Credentials.Single().Ssid.ToArray());
            Assert.NotNull(received.Connector);
            Assert.Equal(mutual, session.Authenticated!.IsMutual);
            await peer.SawAsync("DPP-CONF-SENT");
        }
    }

    [Fact]
    public async Task Our_Configurator_initiates_to_it()
    {
        using var own = BootstrappingKeyPair.Generate(DppCurve.P256, s_chance);
        var keys = ConfiguratorKeys.Generate(DppCurve.P384, s_chance);
        await using var peer = await WpaSupplicant.StartAsync();
        var (_, uri) = await peer.KeyAsync(DppCurve.P256);
        int port = await peer.ListenAsync("enrollee");
        await using var ours = new OurController(Options(own, keys), [], asked => new ConfigurationDecision.Provide([Network(DppAkm.Dpp).For(keys, asked, DateTimeOffset.UtcNow)]));
        var outcome = await ours.InitiateAsync(port, uri.Key);
        Assert.True(outcome.Succeeded, outcome.Reason);
        await peer.SawAsync("DPP-CONNECTOR");
    }

    [Fact]
    public async Task Its_Configurator_initiates_to_us()
    {
        using var own = BootstrappingKeyPair.Generate(DppCurve.P256, s_chance);
        await using var peer = await WpaSupplicant.StartAsync();
        await peer.OkAsync("dpp_configurator_add");
        var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        string known = await peer.KnowAsync(new DppUri { Key = own.Public, Version = 2 });
        await peer.OkAsync("dpp_auth_init", $"peer={known}", "role=configurator", "conf=sta-psk-sae", "ssid=6e657431", "pass=7365637265742070617373", "configurator=1", "neg_freq=2412", "tcp_addr=127.0.0.1",
            $"tcp_port={((IPEndPoint)listener.LocalEndpoint).Port}");
        using var session = OurEnrollee.Session(own);
        var (outcome, received) = await OurEnrollee.RunAsync(await listener.AcceptSocketAsync(), session, () => session.Listen(OurController.Clock.Now));
        listener.Stop();
        Assert.True(outcome.Succeeded, outcome.Reason);
        Assert.Equal(DppAkm.Psk | DppAkm.Sae, received!.Credentials.Single().Akm);
        Assert.Equal("secret pass", received.Credentials.Single().Pass!.Reveal());
    }

    [Theory]
    [InlineData("sta-dpp", DppAkm.Dpp), InlineData("sta-psk", DppAkm.Psk), InlineData("sta-sae", DppAkm.Sae), InlineData("sta-psk-sae", DppAkm.Psk | DppAkm.Sae),
     InlineData("sta-sae-dpp", DppAkm.Sae | DppAkm.Dpp), InlineData("sta-psk-sae-dpp", DppAkm.Dpp | DppAkm.Psk | DppAkm.Sae)]
    public async Task Every_suite_goes_both_ways(string conf, DppAkm akm)
    {
        using var own = BootstrappingKeyPair.Generate(DppCurve.P256, s_chance);
        var keys = ConfiguratorKeys.Generate(DppCurve.P256, s_chance);
        await using var peer = await WpaSupplicant.StartAsync();
        var (id, uri) = await peer.KeyAsync(DppCurve.P256);
        await peer.OkAsync("dpp_configurator_add");
        await peer.OkAsync("set", "dpp_configurator_params", $"conf={conf} ssid=6e657431 pass=7365637265742070617373 configurator=1");
        int port = await peer.ListenAsync("configurator");
        using (var session = OurEnrollee.Session(own))
        {
            var (outcome, received) = await OurEnrollee.RunAsync(await OurEnrollee.ConnectAsync(port), session, () => session.Initiate(uri.Key, OurController.Clock.Now));
            Assert.True(outcome.Succeeded, outcome.Reason);
            Assert.Equal(akm, received!.Credentials.Single().Akm);
        }
        foreach (bool selectors in (bool[])[false, true])
        {
            await using var ours = new OurController(Options(own, keys), [], asked => new ConfigurationDecision.Provide([Network(akm, selectors).For(keys, asked, DateTimeOffset.UtcNow)]));
            string known = await peer.KnowAsync(new DppUri { Key = own.Public, Version = 2 });
            await peer.OkAsync("dpp_auth_init", $"peer={known}", $"own={id}", "role=enrollee", "neg_freq=2412", "tcp_addr=127.0.0.1", $"tcp_port={ours.Port}");
            var outcome = await ours.EndedAsync();
            Assert.True(outcome.Succeeded, outcome.Reason);
            Assert.EndsWith(AkmText.Of(akm, false), await peer.SawAsync("DPP-CONFOBJ-AKM"), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task It_reconfigures_us()
    {
        using var own = BootstrappingKeyPair.Generate(DppCurve.P256, s_chance);
        await using var peer = await WpaSupplicant.StartAsync();
        var (_, uri) = await peer.KeyAsync(DppCurve.P256);
        await peer.OkAsync("dpp_configurator_add");
        await peer.OkAsync("set", "dpp_configurator_params", "conf=sta-dpp ssid=6e657431 configurator=1");
        int port = await peer.ListenAsync("configurator");
        using var session = OurEnrollee.Session(own);
        var (_, first) = await OurEnrollee.RunAsync(await OurEnrollee.ConnectAsync(port), session, () => session.Initiate(uri.Key, OurController.Clock.Now));
        using var again = OurEnrollee.Session(own);
        var (outcome, second) = await OurEnrollee.RunAsync(await OurEnrollee.ConnectAsync(port), again, () => again.AnnounceReconfiguration(first!.Credentials[0], OurController.Clock.Now));
        Assert.True(outcome.Succeeded, outcome.Reason);
        Assert.NotEqual(first!.Connector, second!.Connector);
    }

    [Fact]
    public async Task It_answers_our_announcement()
    {
        using var own = BootstrappingKeyPair.Generate(DppCurve.P256, s_chance);
        await using var peer = await WpaSupplicant.StartAsync();
        await peer.OkAsync("dpp_configurator_add");
        await peer.OkAsync("set", "dpp_configurator_params", "conf=sta-dpp ssid=6e657431 configurator=1");
        await peer.KnowAsync(new DppUri { Key = own.Public, Version = 2 });
        int port = await peer.ListenAsync("configurator");
        using var session = OurEnrollee.Session(own);
        var (outcome, received) = await OurEnrollee.RunAsync(await OurEnrollee.ConnectAsync(port), session, () => session.Chirp(OurController.Clock.Now));
        Assert.True(outcome.Succeeded, outcome.Reason);
        Assert.Single(received!.Credentials);
    }

    [Fact]
    public async Task It_gets_a_certificate_for_its_signing_request()
    {
        using var ca = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var now = DateTimeOffset.UtcNow;
        using var root = new CertificateRequest("CN=Root", ca, HashAlgorithmName.SHA256).CreateSelfSigned(now.AddDays(-1), now.AddYears(1));
        using var own = BootstrappingKeyPair.Generate(DppCurve.P256, s_chance);
        var keys = ConfiguratorKeys.Generate(DppCurve.P256, s_chance);
        await using var peer = await WpaSupplicant.StartAsync();
        var (id, _) = await peer.KeyAsync(DppCurve.P256);
        int asked = 0;
        await using var ours = new OurController(Options(own, keys), [], a =>
        {
            if (a.Request.Pkcs10.IsEmpty)
                return new ConfigurationDecision.NeedCsr();
            // It waits for its certificate once.
            if (asked++ == 0)
                return new ConfigurationDecision.NotYet(TimeSpan.FromMilliseconds(50));
            var request = CertificateRequest.LoadSigningRequest(a.Request.Pkcs10.ToArray(), HashAlgorithmName.SHA256);
            using var leaf = request.Create(root.SubjectName, X509SignatureGenerator.CreateForECDsa(ca), now, now.AddDays(90), [1, 2, 3]);
            var enterprise = new EnterpriseCredential(CertsOnly.Encode([leaf.RawData, root.RawData]), [root.RawData], "radius.example.org", [13]);
            return new ConfigurationDecision.Provide([Network(DppAkm.Dot1x).For(keys, a, now, enterprise)]);
        });
        string known = await peer.KnowAsync(new DppUri { Key = own.Public, Version = 2 });
        await peer.OkAsync("dpp_auth_init", $"peer={known}", $"own={id}", "role=enrollee", "neg_freq=2412", "tcp_addr=127.0.0.1", $"tcp_port={ours.Port}");
        var outcome = await ours.EndedAsync();
        Assert.True(outcome.Succeeded, outcome.Reason);
        Assert.EndsWith("dot1x", await peer.SawAsync("DPP-CONFOBJ-AKM"), StringComparison.Ordinal);
        Assert.Equal(2, asked);
    }
}
