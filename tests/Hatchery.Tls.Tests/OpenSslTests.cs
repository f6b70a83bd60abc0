using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;

namespace Hatchery.Tls.Tests;

/// <summary>Against the openssl command, both roles. Not SRP: both roles of the command crash with it in Debian's 3.0.19.</summary>
public sealed class OpenSslTests : IDisposable
{
    private const string Label = "EXPORTER-hatchery";
    private static readonly TestPki s_pki = new(1);
    private readonly string _folder = Directory.CreateTempSubdirectory("hatchery-tls-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string ServerPem => s_pki.Write(_folder, "server", s_pki.Leaf("server.example", "1.3.6.1.5.5.7.3.1", null, null));
    private string ClientPem => s_pki.Write(_folder, "client", s_pki.Leaf("client", "1.3.6.1.5.5.7.3.2", null, null));
    private string RootPem => Path.Combine(_folder, "root.pem");
    private string ChainPem => Path.Combine(_folder, "chain.pem");
    private static string Version(TlsVersions version) => version == TlsVersions.Tls12 ? "-tls1_2" : "-tls1_3";
    private static string Validity => TestPki.Today.ToUnixTimeSeconds().ToString(System.Globalization.CultureInfo.InvariantCulture);

    private static async Task<TlsConnection> TalkToServerAsync(TlsClientOptions options, params IEnumerable<string> arguments)
    {
        using var patience = Driven.Patience();
        using var openssl = new Peer("openssl", ["s_server", "-accept", "127.0.0.1:0", "-naccept", "1", .. arguments]);
        using var client = new Driven(new TlsClientEngine(options, new SeededChance(1), Pair.Start), await openssl.ConnectAsync(patience.Token));
        await client.ConnectAsync(patience.Token);
        Assert.True(client.Side.Failure is null, client.Side.Failure + openssl.Output);
        client.Send("to openssl\n");
        await client.UntilAsync(_ => true, patience.Token);
        await openssl.OutputWithAsync("to openssl\n", patience.Token);
        await openssl.Input.WriteAsync("yrehctah\n");
        await openssl.Input.FlushAsync(patience.Token);
        await client.ExpectAsync("yrehctah\n", patience.Token);
        Assert.True(client.Text == "yrehctah\n", client.Side.Failure + openssl.Output);
        await client.CloseAsync(patience.Token);
        return client.Side.Connection!;
    }

    [Theory]
    [InlineData(TlsVersions.Tls12)]
    [InlineData(TlsVersions.Tls13)]
    public async Task Our_client_and_its_server_with_certificates_on_both_sides(TlsVersions version)
    {
        string pem = ServerPem;
        var connection = await TalkToServerAsync(
            new() { Security = s_pki.Anchored, ServerName = "server.example", Versions = version, Identity = s_pki.Client(), ApplicationProtocols = ["est"] },
            "-cert", pem, "-cert_chain", ChainPem, "-key", pem, "-Verify", "3", "-verify_return_error", "-CAfile", RootPem, "-attime", Validity, "-alpn", "est", Version(version));
        Assert.Equal(version, connection.Version);
        Assert.Equal("est", connection.ApplicationProtocol);
    }

    [Theory]
    [InlineData("ECDHE-ECDSA-AES128-CCM8", TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8)]
    [InlineData("ECDHE-ECDSA-AES128-CCM", TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_CCM)]
    [InlineData("ECDHE-ECDSA-CHACHA20-POLY1305", TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256)]
    [InlineData("ECDHE-ECDSA-AES256-GCM-SHA384", TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384)]
    public async Task Suites_of_TLS_1_2(string name, TlsCipherSuite suite)
    {
        string pem = ServerPem;
        var connection = await TalkToServerAsync(new() { Security = s_pki.Anchored, ServerName = "server.example" },
            "-cert", pem, "-cert_chain", ChainPem, "-key", pem, "-tls1_2", "-cipher", name + ":@SECLEVEL=0");
        Assert.Equal(suite, connection.CipherSuite);
    }

    [Theory]
    [InlineData(TlsVersions.Tls12)]
    [InlineData(TlsVersions.Tls13)]
    public async Task A_server_that_wants_another_group_gets_it(TlsVersions version)
    {
        string pem = ServerPem;
        var connection = await TalkToServerAsync(new() { Security = s_pki.Anchored, Versions = version },
            "-cert", pem, "-cert_chain", ChainPem, "-key", pem, "-groups", "P-384", Version(version));
        Assert.Equal(version, connection.Version);
    }

    [Theory]
    [InlineData(TlsVersions.Tls12, "PSK-AES128-CCM8")]
    [InlineData(TlsVersions.Tls12, "PSK-AES128-GCM-SHA256")]
    [InlineData(TlsVersions.Tls12, "ECDHE-PSK-CHACHA20-POLY1305")]
    [InlineData(TlsVersions.Tls12, "ECDHE-PSK-AES128-CBC-SHA256")]
    [InlineData(TlsVersions.Tls13, null)]
    public async Task Our_client_and_its_server_with_a_shared_key(TlsVersions version, string? cipher)
    {
        var connection = await TalkToServerAsync(
            new() { Security = new ChannelSecurity.Psk([.. "dev-1"u8], new SecretBytes(Convert.FromHexString("000102030405060708090a0b0c0d0e0f"))), Versions = version },
            ["-nocert", "-psk_identity", "dev-1", "-psk", "000102030405060708090a0b0c0d0e0f", Version(version), .. cipher is null ? [] : (string[])["-cipher", cipher + ":@SECLEVEL=0"]]);
        Assert.Equal(version, connection.Version);
        Assert.Empty(connection.PeerChain);
    }

    private static async Task<(TlsConnection? Ours, TlsFailure? Failure, string Theirs)> TalkToClientAsync(TlsServerOptions options, params IEnumerable<string> arguments)
    {
        using var patience = Driven.Patience();
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var openssl = new Peer("openssl", ["s_client", "-connect", $"127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}", "-keymatexport", Label, "-keymatexportlen", "20", .. arguments]);
        using var accepted = await listener.AcceptTcpClientAsync(patience.Token);
        using var server = new Driven(new TlsServerEngine(options, new SeededChance(1), Pair.Start), accepted.GetStream());
        await server.ConnectAsync(patience.Token);
        if (server.Side.Failure is { } failure)
            return (null, failure, await openssl.OutputToEndAsync(patience.Token));
        await openssl.Input.WriteAsync("ping\n");
        await openssl.Input.FlushAsync(patience.Token);
        await server.ExpectAsync("ping\n", patience.Token);
        Assert.True(server.Text == "ping\n", server.Side.Failure + openssl.Output);
        server.Send("a pong from hatchery\n");
        await server.UntilAsync(_ => true, patience.Token);
        string output = await openssl.OutputWithAsync("a pong from hatchery\n", patience.Token);
        string exported = Convert.ToHexString(server.Side.Connection!.Export(Label, null, 20));
        Assert.Contains("Keying material: " + exported, await openssl.OutputWithAsync("Keying material: ", patience.Token));
        await server.CloseAsync(patience.Token);
        return (server.Side.Connection, null, output);
    }

    [Theory]
    [InlineData(TlsVersions.Tls12)]
    [InlineData(TlsVersions.Tls13)]
    public async Task Our_server_and_its_client_with_certificates_on_both_sides(TlsVersions version)
    {
        string pem = ClientPem;
        var options = new TlsServerOptions { Identity = s_pki.Server(), Versions = version, ClientCertificates = ClientCertificates.Require, ClientAnchors = [s_pki.Root.RawData] };
        var (ours, failure, _) = await TalkToClientAsync(options, "-cert", pem, "-cert_chain", ChainPem, "-key", pem, "-CAfile", RootPem, "-verify_return_error", "-verify", "3",
            "-attime", Validity, "-verify_hostname", "server.example", "-servername", "server.example");
        Assert.Null(failure);
        Assert.Equal(version, ours!.Version);
        Assert.Equal(2, ours.PeerChain.Length);
        Assert.Equal("server.example", ours.ServerName);
    }

    [Fact]
    public async Task A_client_without_a_certificate_is_refused_where_one_is_required()
    {
        var (_, failure, _) = await TalkToClientAsync(new() { Identity = s_pki.Server(), ClientCertificates = ClientCertificates.Require });
        Assert.Equal(new TlsFailure(116, false, "The client shows no certificate."), failure);
    }

    [Theory]
    [InlineData("-tls1_2", "PSK-AES128-CCM8:@SECLEVEL=0")]
    [InlineData("-tls1_2", "ECDHE-PSK-AES128-CBC-SHA256")]
    [InlineData("-tls1_3", null)]
    public async Task Our_server_and_its_client_with_a_shared_key(string version, string? cipher)
    {
        byte[] key = Convert.FromHexString("000102030405060708090a0b0c0d0e0f");
        var options = new TlsServerOptions { PskOf = id => id.Span.SequenceEqual("dev-1"u8) ? new SecretBytes(key) : null };
        string[] Arguments(string identity) => ["-psk_identity", identity, "-psk", Convert.ToHexString(key), version, .. cipher is null ? [] : (string[])["-cipher", cipher]];
        var (ours, failure, _) = await TalkToClientAsync(options, Arguments("dev-1"));
        Assert.Null(failure);
        Assert.Equal("dev-1", Encoding.ASCII.GetString(ours!.PskIdentity.Span));
        (_, failure, _) = await TalkToClientAsync(options, Arguments("dev-2"));
        Assert.NotNull(failure);
    }
}
