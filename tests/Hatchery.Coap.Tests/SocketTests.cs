using System.Net;
using System.Net.NetworkInformation;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Hatchery.Coap.Sockets;

namespace Hatchery.Coap.Tests;

/// <summary>Real sockets: groups on the loopback interface, and coaps+tcp over the platform's TLS.</summary>
public sealed class SocketTests
{
    private static readonly IPEndPoint s_any = new(IPAddress.Loopback, 0);

    private static CoapApp App()
    {
        var app = new CoapApp();
        app.MapGet("/hello", _ => CoapResults.Text("world"));
        app.MapPost("/echo", c => CoapResults.Changed(c.Payload, ContentFormat.OctetStream));
        app.MapGet("/value", _ => CoapResults.Text("v")).Observable();
        return app;
    }

    [Fact]
    public async Task A_group_is_heard_and_answered_from_the_servers_own_address()
    {
        int loopback = NetworkInterface.GetAllNetworkInterfaces().First(i => i.NetworkInterfaceType == NetworkInterfaceType.Loopback).GetIPProperties().GetIPv4Properties().Index;
        await using var server = CoapUdp.Open(App(), s_any, new CoapSettings { DefaultLeisure = TimeSpan.FromMilliseconds(50) });
        int port;
        using (var free = new UdpClient(new IPEndPoint(IPAddress.Any, 0)))
            port = ((IPEndPoint)free.Client.LocalEndPoint!).Port;
        var group = new IPEndPoint(IPAddress.Parse("224.0.1.187"), port);
        server.Join(group, loopback);
        using var asking = new UdpClient(s_any);
        asking.Client.SetSocketOption(SocketOptionLevel.IP, SocketOptionName.MulticastInterface, IPAddress.HostToNetworkOrder(loopback));
        asking.Client.SetSocketOption(SocketOptionLevel.IP, SocketOptionName.MulticastLoopback, true);
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        async Task Send(string path, ushort id) => await asking.SendAsync(new CoapMessage { Type = CoapType.NonConfirmable, Code = CoapCode.Get, Id = id, Token = new CoapToken([7]), Options = CoapOptions.ForPath(path) }.ToDatagram(), group, limit.Token);
        // Nobody answers for what is not there; then somebody does.
        await Send("/nothing", 1);
        await Send("/hello", 2);
        var answer = await asking.ReceiveAsync(limit.Token);
        var message = CoapMessage.ParseDatagram(answer.Buffer);
        Assert.Equal((CoapCode.Content, CoapType.NonConfirmable, server.EndPoint), (message.Code, message.Type, answer.RemoteEndPoint));
    }

    private static X509Certificate2 Certificate()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(10));
    }

    private static Func<Stream, CancellationToken, Task<Stream>> Secured(X509Certificate2 certificate) => async (stream, cancel) =>
    {
        var tls = new SslStream(stream, leaveInnerStreamOpen: false);
        await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificate = certificate, ApplicationProtocols = [new SslApplicationProtocol("coap")] }, cancel);
        return tls;
    };

    [Fact]
    public async Task TLS_carries_CoAP()
    {
        using var certificate = Certificate();
        await using var server = new CoapListener(s_any, App(), secure: Secured(certificate));
        using var socket = new TcpClient();
        await socket.ConnectAsync(server.EndPoint);
        await using var tls = new SslStream(socket.GetStream());
        await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
        {
            TargetHost = "localhost",
            ApplicationProtocols = [new SslApplicationProtocol("coap")],
            RemoteCertificateValidationCallback = (_, shown, _, _) => shown!.GetCertHashString() == certificate.GetCertHashString(),
        });
        await using var client = await CoapConnection.OpenAsync(tls);
        Assert.Equal("coap", tls.NegotiatedApplicationProtocol.ToString());
        Assert.Equal("world", (await client.Peer.GetAsync("/hello")).Text);
        Assert.Equal(Virtual.Pattern(60000), (await client.Peer.PostAsync("/echo", Virtual.Pattern(60000), 42)).Payload.ToArray());
    }

    [Fact]
    public async Task Their_client_speaks_CoAP_over_TLS()
    {
        using var certificate = Certificate();
        string file = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(file, certificate.ExportCertificatePem());
            await using var server = new CoapListener(s_any, App(), secure: Secured(certificate));
            Assert.Equal("world\n", await Tool.RunAsync("-R", file, "-m", "get", $"coaps+tcp://127.0.0.1:{server.EndPoint.Port}/hello"));
        }
        finally
        {
            File.Delete(file);
        }
    }
}
