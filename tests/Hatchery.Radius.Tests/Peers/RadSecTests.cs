using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Hatchery.Cryptography;
using Hatchery.Radius.Client;
using Hatchery.Radius.Eap;
using Hatchery.Radius.Server;
using Hatchery.Radius.Tests.Methods;
using Hatchery.Transports;

namespace Hatchery.Radius.Tests.Peers;

/// <summary>RADIUS over TLS (RFC 6614) with Debian's radsecproxy in both directions.</summary>
public sealed class RadSecTests
{
    /// <summary>A certificate authority and one certificate that all sides use.</summary>
    private sealed class Certificates : IDisposable
    {
        public Certificates(PeerFolder folder)
        {
            using var root = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            var (from, to) = (DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
            var authority = new CertificateRequest("CN=test authority", root, HashAlgorithmName.SHA256);
            authority.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
            using var anchor = authority.CreateSelfSigned(from, to);
            var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
            var names = new SubjectAlternativeNameBuilder();
            names.AddDnsName("localhost");
            names.AddIpAddress(IPAddress.Loopback);
            request.CertificateExtensions.Add(names.Build());
            using var leaf = request.Create(anchor, from, to, [1]);
            using var both = leaf.CopyWithPrivateKey(key);
            Leaf = X509CertificateLoader.LoadPkcs12(both.Export(X509ContentType.Pkcs12), null);
            Authority = folder.Write("ca.pem", anchor.ExportCertificatePem());
            File = folder.Write("leaf.pem", leaf.ExportCertificatePem());
            Key = folder.Write("leaf.key", key.ExportPkcs8PrivateKeyPem());
        }

        public X509Certificate2 Leaf { get; }
        public string Authority { get; }
        public string File { get; }
        public string Key { get; }
        public void Dispose() => Leaf.Dispose();
    }

    private static async Task<PeerProcess> ProxyAsync(PeerFolder folder, Certificates certificates, string listen, string client, string server, CancellationToken cancel)
    {
        string file = folder.Write("radsecproxy.conf", $$"""
            {{listen}}
            tls default {
              CACertificateFile {{certificates.Authority}}
              CertificateFile {{certificates.File}}
              CertificateKeyFile {{certificates.Key}}
            }
            client 127.0.0.1 {
              {{client}}
            }
            server upstream {
              host 127.0.0.1
              {{server}}
            }
            realm * {
              server upstream
            }
            """);
        var proxy = new PeerProcess("radsecproxy", "-f", "-d", "5", "-c", file);
        try
        {
            await proxy.SaysAsync("listening for", cancel);
            return proxy;
        }
        catch
        {
            proxy.Dispose();
            throw;
        }
    }

    [Fact]
    public async Task It_takes_datagrams_and_brings_them_to_our_stream()
    {
        using var patience = PeerProcess.Patience();
        using var folder = new PeerFolder();
        using var certificates = new Certificates(folder);
        var gpsk = new Gpsk.Method("server", World.Psk, new SystemChance());
        await using var server = new TcpEngineListener(new IPEndPoint(IPAddress.Loopback, 0), (socket, stop) => ServeAsync(socket, certificates, gpsk, stop), _ => { });
        int port = PeerProcess.FreePort();
        using var proxy = await ProxyAsync(folder, certificates, $"ListenUDP 127.0.0.1:{port}", "type udp\n  secret testing123",
            $"port {server.EndPoint.Port}\n  type tls\n  secret radsec\n  certificateNameCheck off\n  statusServer on", patience.Token);
        var result = await UdpDevice.RunAsync(new IPEndPoint(IPAddress.Loopback, port), "testing123", Gpsk.Type, "device@example.org", patience.Token);
        Assert.True(result.Succeeded, proxy.Output);
        Assert.True(result.Client.KeysAgree, proxy.Output);
        Assert.Equal(1, gpsk.Completed);
    }

    private static async Task ServeAsync(Socket socket, Certificates certificates, Gpsk.Method gpsk, CancellationToken stop)
    {
        await using var tls = new SslStream(new NetworkStream(socket));
        await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions
        {
            ServerCertificate = certificates.Leaf,
            ClientCertificateRequired = true,
            RemoteCertificateValidationCallback = (_, certificate, _, _) => certificate is not null,
        }, stop);
        var (chance, clock) = (new SystemChance(), new SystemClock());
        var engine = new RadiusStreamServer(new RadiusNas("proxy", new IPNetwork(IPAddress.Any, 0), RadiusSecret.RadSec), "proxy", chance);
        RadiusServerHost? host = null;
        var pump = new TcpEnginePump<RadiusServerEvent>(engine, (in RadiusServerEvent what) => host!.Happened(what));
        var eap = new EapServer(new MemorySessions(TimeProvider.System), chance, [new EapRoute("*", gpsk)], EapObserver.None);
        host = new RadiusServerHost(engine.Answer, new RadiusEapService(eap), "radsec", () => clock.Now, pump.Post, (_, _, _) => { }, (_, _) => { });
        await pump.RunAsync(tls, stop);
    }

    /// <summary>It says that it listens a moment before it does.</summary>
    private static async Task<TcpClient> ConnectAsync(int port, CancellationToken cancel)
    {
        while (true)
        {
            var tcp = new TcpClient();
            try
            {
                await tcp.ConnectAsync(IPAddress.Loopback, port, cancel);
                return tcp;
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused)
            {
                tcp.Dispose();
            }
        }
    }

    [Fact]
    public async Task It_takes_our_stream_and_brings_it_to_a_server()
    {
        using var patience = PeerProcess.Patience();
        using var folder = new PeerFolder();
        using var certificates = new Certificates(folder);
        await using var server = new UdpServer();
        int port = PeerProcess.FreePort(tcp: true);
        using var proxy = await ProxyAsync(folder, certificates, $"ListenTLS 127.0.0.1:{port}", "type tls\n  secret radsec\n  certificateNameCheck off",
            $"port {server.EndPoint.Port}\n  type udp\n  secret \"{UdpServer.Secret}\"", patience.Token);
        using var tcp = await ConnectAsync(port, patience.Token);
        await using var tls = new SslStream(tcp.GetStream());
        await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
        {
            TargetHost = "localhost",
            ClientCertificates = [certificates.Leaf],
            RemoteCertificateValidationCallback = (_, _, _, _) => true,
        }, patience.Token);
        var (chance, clock) = (new SystemChance(), new SystemClock());
        var engine = new RadiusStreamClient(RadiusSecret.RadSec, chance);
        var answers = System.Threading.Channels.Channel.CreateUnbounded<RadiusAnswer?>();
        var pump = new TcpEnginePump<RadiusClientEvent>(engine, (in RadiusClientEvent what) => answers.Writer.TryWrite(what.Answer));
        var run = pump.RunAsync(tls, patience.Token);
        var identity = new EapPacket(EapCode.Response, 5, EapType.Identity, "device@example.org"u8.ToArray()).Encode();
        pump.Post(() => engine.Send(new RadiusMessage(RadiusCode.AccessRequest).Add(RadiusAttribute.UserName, "device@example.org")
            .Add(RadiusAttribute.NasIdentifier, "test").AddEap(identity), clock.Now));
        pump.Post(() => engine.Send(new RadiusMessage(RadiusCode.StatusServer), clock.Now));
        var codes = new[] { (await answers.Reader.ReadAsync(patience.Token))!.Packet.Code, (await answers.Reader.ReadAsync(patience.Token))!.Packet.Code };
        Assert.Equal([RadiusCode.AccessAccept, RadiusCode.AccessChallenge], codes.Order());
        pump.Close();
        Assert.Equal(PumpEnd.Closed, await run);
    }
}
