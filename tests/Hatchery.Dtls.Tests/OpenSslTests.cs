using System.Globalization;

namespace Hatchery.Dtls.Tests;

/// <summary>OpenSSL's s_client and s_server (Debian's openssl), over loopback. EC-JPAKE and OCF's private suite it does not have; CCM_8 it wants security level 0 for.</summary>
public sealed class OpenSslTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("hatchery-dtls-").FullName;

    public void Dispose() => Directory.Delete(_folder, true);

    public static TheoryData<DtlsCipherSuite, string> Suites() => new()
    {
        { DtlsCipherSuite.PskAes128Ccm8, "PSK-AES128-CCM8" },
        { DtlsCipherSuite.PskAes128Ccm, "PSK-AES128-CCM" },
        { DtlsCipherSuite.PskAes128CbcSha256, "PSK-AES128-CBC-SHA256" },
        { DtlsCipherSuite.PskAes128GcmSha256, "PSK-AES128-GCM-SHA256" },
        { DtlsCipherSuite.PskAes256GcmSha384, "PSK-AES256-GCM-SHA384" },
        { DtlsCipherSuite.EcdhePskAes128CbcSha256, "ECDHE-PSK-AES128-CBC-SHA256" },
        { DtlsCipherSuite.EcdheEcdsaAes128Ccm8, "ECDHE-ECDSA-AES128-CCM8" },
        { DtlsCipherSuite.EcdheEcdsaAes128Ccm, "ECDHE-ECDSA-AES128-CCM" },
        { DtlsCipherSuite.EcdheEcdsaAes128GcmSha256, "ECDHE-ECDSA-AES128-GCM-SHA256" },
        { DtlsCipherSuite.EcdheEcdsaAes256GcmSha384, "ECDHE-ECDSA-AES256-GCM-SHA384" },
        { DtlsCipherSuite.EcdheEcdsaAes128CbcSha256, "ECDHE-ECDSA-AES128-SHA256" },
    };

    private static readonly string[] s_psk = ["-psk", "00112233445566778899aabbccddeeff", "-psk_identity", "Client_identity"];

    private string Pem(string name, bool isServer)
    {
        var (_, key, certificate) = TestPki.Leaf(name);
        string path = Path.Combine(_folder, (isServer ? "s-" : "c-") + name + ".pem");
        File.WriteAllText(path, certificate.ExportCertificatePem() + "\n" + key.ExportPkcs8PrivateKeyPem() + "\n");
        File.WriteAllText(Path.Combine(_folder, "root.pem"), TestPki.Root.ExportCertificatePem());
        return path;
    }

    private Peer Client(int port, string cipher, params IEnumerable<string> more) => new("openssl",
        ["s_client", "-dtls1_2", "-connect", $"127.0.0.1:{port.ToString(CultureInfo.InvariantCulture)}", "-cipher", cipher + ":@SECLEVEL=0", .. more]);

    private async Task<(Peer Peer, int Port)> ServerAsync(string cipher, CancellationToken cancel, params IEnumerable<string> more)
    {
        int port = OnUdp.FreePort();
        var peer = new Peer("openssl", ["s_server", "-dtls1_2", "-accept", $"127.0.0.1:{port.ToString(CultureInfo.InvariantCulture)}", "-cipher", cipher + ":@SECLEVEL=0", .. more]);
        await peer.SaysAsync("ACCEPT", cancel);
        return (peer, port);
    }

    [Theory, MemberData(nameof(Suites))]
    public async Task Its_client_and_our_server(DtlsCipherSuite suite, string cipher)
    {
        using var patience = Peer.Patience();
        using var udp = new OnUdp();
        udp.Serve(PairTests.For(suite).Server);
        using var peer = Client(udp.Port, cipher, SuiteInfo.Find((int)suite)!.HasPsk ? s_psk : []);
        await udp.ConnectedAsync(patience.Token);
        Assert.Equal(suite, udp.Connection.Suite);
        Assert.True(udp.Connection.ExtendedMasterSecret);
        Assert.Equal(SuiteInfo.Find((int)suite)!.IsCbc, udp.Connection.EncryptThenMac);
        await peer.TypeAsync("ping", patience.Token);
        await udp.ReceivedAsync("ping\n", patience.Token);
        udp.Send("a pong from hatchery\n");
        await peer.SaysAsync("a pong from hatchery\n", patience.Token);
        udp.Close();
    }

    [Theory, MemberData(nameof(Suites))]
    public async Task Our_client_and_its_server(DtlsCipherSuite suite, string cipher)
    {
        using var patience = Peer.Patience();
        bool hasPsk = SuiteInfo.Find((int)suite)!.HasPsk;
        var (peer, port) = await ServerAsync(cipher, patience.Token, hasPsk ? [.. s_psk, "-nocert", "-listen"] : ["-cert", Pem("server.example", true), "-listen"]);
        using var _ = peer;
        using var udp = new OnUdp();
        udp.Connect(PairTests.For(suite).Client, port);
        await udp.ConnectedAsync(patience.Token);
        Assert.Equal(suite, udp.Connection.Suite);
        Assert.True(udp.Connection.ExtendedMasterSecret);
        udp.Send("ping from hatchery\n");
        await peer.SaysAsync("ping from hatchery", patience.Token);
        await peer.TypeAsync("pong", patience.Token);
        await udp.ReceivedAsync("pong\n", patience.Token);
        udp.Close();
    }

    [Fact]
    public async Task Its_client_shows_a_certificate_and_ours_does()
    {
        using var patience = Peer.Patience();
        using var udp = new OnUdp();
        udp.Serve(PairTests.For(DtlsCipherSuite.EcdheEcdsaAes128GcmSha256).Server with { ClientCertificates = DtlsClientCertificates.Require, Trust = TestPki.Trust });
        using (var peer = Client(udp.Port, "ECDHE-ECDSA-AES128-GCM-SHA256", "-cert", Pem("client.example", false)))
            await udp.ConnectedAsync(patience.Token);
        Assert.Single(udp.Connection.Peer!.Chain);

        var (server, port) = await ServerAsync("ECDHE-ECDSA-AES128-GCM-SHA256", patience.Token, "-cert", Pem("server.example", true), "-Verify", "3", "-CAfile", Path.Combine(_folder, "root.pem"),
            "-verify_return_error", "-attime", TestPki.Today.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture));
        using var _ = server;
        using var client = new OnUdp();
        client.Connect(PairTests.For(DtlsCipherSuite.EcdheEcdsaAes128GcmSha256).Client with { Identity = TestPki.Leaf("client.example").Identity }, port);
        await client.ConnectedAsync(patience.Token);
        client.Send("ping from hatchery\n");
        await server.SaysAsync("ping from hatchery", patience.Token);
        await server.SaysAsync("CN = client.example", patience.Token);
    }

    [Fact]
    public async Task Both_resume_by_session_id_and_by_ticket()
    {
        using var patience = Peer.Patience();
        foreach (bool tickets in new[] { false, true })
        {
            using var udp = new OnUdp();
            udp.Serve(PairTests.For(DtlsCipherSuite.PskAes128GcmSha256).Server with { Tickets = tickets });
            string session = Path.Combine(_folder, "session" + tickets);
            using (var first = Client(udp.Port, "PSK-AES128-GCM-SHA256", [.. s_psk, "-sess_out", session]))
            {
                await udp.ConnectedAsync(patience.Token);
                await first.SaysAsync("---", patience.Token);
                await first.TypeAsync("Q", patience.Token);
                await udp.UntilAsync(() => udp.Closed == 1, patience.Token);
                await first.EndAsync(patience.Token);
            }
            using var second = Client(udp.Port, "PSK-AES128-GCM-SHA256", [.. s_psk, "-sess_in", session]);
            await udp.ConnectedAsync(patience.Token, 2);
            Assert.True(udp.Connection.Resumed);
            Assert.Equal("Client_identity", System.Text.Encoding.UTF8.GetString(udp.Connection.PskIdentity!.Value.Span));
            await second.TypeAsync("again", patience.Token);
            await udp.ReceivedAsync("again\n", patience.Token);
        }
        foreach (bool tickets in new[] { false, true })
        {
            var (server, port) = await ServerAsync("PSK-AES128-GCM-SHA256", patience.Token, [.. s_psk, "-nocert", .. tickets ? (string[])[] : ["-no_ticket"]]);
            using var _ = server;
            var options = PairTests.For(DtlsCipherSuite.PskAes128GcmSha256).Client with { Tickets = tickets };
            DtlsResumption resumption;
            using (var client = new OnUdp())
            {
                client.Connect(options, port);
                await client.ConnectedAsync(patience.Token);
                client.Send("first\n");
                await server.SaysAsync("first", patience.Token);
                resumption = client.Connection.Resumption!;
                Assert.Equal(tickets, resumption.IsTicket);
                client.Close();
                await server.SaysAsync("DONE", patience.Token);
            }
            using var again = new OnUdp();
            again.Connect(options with { Resume = resumption }, port);
            await again.ConnectedAsync(patience.Token);
            Assert.True(again.Connection.Resumed);
            again.Send("second\n");
            await server.SaysAsync("second", patience.Token);
        }
    }

    [Fact]
    public async Task Small_datagrams_fragment_handshakes_both_ways()
    {
        using var patience = Peer.Patience();
        using var udp = new OnUdp();
        var leaf = TestPki.Leaf("server.example", padding: 30);
        udp.Serve(PairTests.For(DtlsCipherSuite.EcdheEcdsaAes128GcmSha256).Server with { Identity = leaf.Identity, Mtu = 256, ClientCertificates = DtlsClientCertificates.Require, Trust = TestPki.Trust });
        string pem = Pem("client.example", false);
        using (var peer = Client(udp.Port, "ECDHE-ECDSA-AES128-GCM-SHA256", "-cert", pem, "-mtu", "256"))
            await udp.ConnectedAsync(patience.Token);

        var (server, port) = await ServerAsync("ECDHE-ECDSA-AES128-GCM-SHA256", patience.Token, "-cert", Pem("server.example", true), "-mtu", "256", "-verify", "3", "-CAfile", Path.Combine(_folder, "root.pem"));
        using var _ = server;
        using var client = new OnUdp();
        client.Connect(PairTests.For(DtlsCipherSuite.EcdheEcdsaAes128GcmSha256).Client with { Mtu = 256, Identity = TestPki.Leaf("client.example", padding: 30).Identity }, port);
        await client.ConnectedAsync(patience.Token);
        client.Send("ping from hatchery\n");
        await server.SaysAsync("ping from hatchery", patience.Token);
    }

    [Fact]
    public async Task Its_client_meets_refusals()
    {
        using var patience = Peer.Patience();
        using var udp = new OnUdp();
        udp.Serve(TestPki.PskServer(DtlsCipherSuite.PskAes128GcmSha256));
        using var wrong = Client(udp.Port, "PSK-AES128-GCM-SHA256", "-psk", "ffffffffffffffffffffffffffffffff", "-psk_identity", "Client_identity");
        await udp.UntilAsync(() => udp.Failures.Count > 0, patience.Token);
        Assert.Equal(DtlsAlert.BadRecordMac, udp.Failures[0].Alert);
        await wrong.SaysAsync("alert bad record mac", patience.Token);
        using var none = Client(udp.Port, "PSK-AES128-CCM8", s_psk);
        await udp.UntilAsync(() => udp.Failures.Count > 1, patience.Token);
        Assert.Equal(DtlsAlert.HandshakeFailure, udp.Failures[1].Alert);
        await none.SaysAsync("alert handshake failure", patience.Token);
    }
}
