using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Hatchery.Tls.Tests;

/// <summary>SRP against the client of GnuTLS (Debian's gnutls-bin). Its server cannot be told to listen on loopback only.</summary>
public sealed class GnuTlsTests
{
    private static async Task<Side> TalkAsync(string password)
    {
        using var patience = Driven.Patience();
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var gnutls = new Peer("gnutls-cli", "127.0.0.1", "-p", ((IPEndPoint)listener.LocalEndpoint).Port.ToString(CultureInfo.InvariantCulture),
            "--srpusername", "alice", "--srppasswd", password, "--no-ca-verification", "--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+SRP");
        using var accepted = await listener.AcceptTcpClientAsync(patience.Token);
        var verifier = SrpVerifier.Create("alice", new SecretText("secret"), new SeededChance(9));
        using var server = new Driven(new TlsServerEngine(new() { SrpVerifierOf = user => user == "alice" ? verifier : null }, new SeededChance(1), Pair.Start), accepted.GetStream());
        await server.ConnectAsync(patience.Token);
        if (server.Side.Connection is null)
            return server.Side;
        await gnutls.Input.WriteAsync("ping\n");
        await gnutls.Input.FlushAsync(patience.Token);
        await server.ExpectAsync("ping\n", patience.Token);
        server.Send("a pong from hatchery\n");
        await server.UntilAsync(_ => true, patience.Token);
        await gnutls.OutputWithAsync("a pong from hatchery\n", patience.Token);
        await server.CloseAsync(patience.Token);
        return server.Side;
    }

    [Fact]
    public async Task Our_server_and_its_client_with_a_password()
    {
        var side = await TalkAsync("secret");
        Assert.Equal("alice", side.Connection!.SrpUser);
        Assert.Equal(TlsVersions.Tls12, side.Connection.Version);
        Assert.StartsWith("TLS_SRP_SHA_WITH_AES_", side.Connection.CipherSuite.ToString());
        var wrong = await TalkAsync("wrong");
        Assert.Null(wrong.Connection);
        Assert.NotNull(wrong.Failure);
    }
}
