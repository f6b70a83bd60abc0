using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Hatchery;
using Hatchery.Cryptography;
using Hatchery.Radius;
using Hatchery.Radius.Client;
using Hatchery.Radius.Eap;
using Hatchery.Server;
using Hatchery.Transports;

namespace Product.Tests.Server;

/// <summary>RADIUS on udp and RadSec on tls, as the role of EAP-NOOB is configured.</summary>
public sealed class RadiusListenerTests
{
    private const string Role = "roles:eapnoob.server:radius:", Secret = "a switch's secret";

    private static void Configure(Dictionary<string, string?> settings)
    {
        settings["listeners:radius:carrier"] = "udp";
        settings["listeners:radius:port"] = "0";
        settings["roles:eapnoob.server:oobListener"] = "public";
        settings["roles:eapnoob.server:url"] = settings["roles:fdo.owner:addresses:0"] + "/noob";
        settings[Role + "listeners:0"] = "radius";
        settings[Role + "clients:0:name"] = "switch-1";
        settings[Role + "clients:0:address"] = "127.0.0.1";
        settings[Role + "clients:0:secret"] = Secret;
    }

    private static async Task<RadiusAnswer?> AskAsync(IPEndPoint server, string secret, RadiusMessage message)
    {
        var clock = new SystemClock();
        var client = new RadiusClient<UdpPath>([new(UdpPath.From(server), new RadiusSecret(secret))], new SystemChance(),
            new() { InitialRetransmission = TimeSpan.FromMilliseconds(200), MaxRepetitions = 1, MaxDuration = TimeSpan.FromSeconds(1) });
        var answered = new TaskCompletionSource<RadiusAnswer?>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var pump = new UdpEnginePump<RadiusClientEvent>(new IPEndPoint(IPAddress.Loopback, 0), client, (in RadiusClientEvent what) => answered.TrySetResult(what.Answer));
        pump.Start();
        pump.Post(() => client.Send(message, clock.Now));
        return await answered.Task.WaitAsync(Running.Stop);
    }

    private static RadiusMessage Identity(string nai) => new RadiusMessage(RadiusCode.AccessRequest).Add(RadiusAttribute.UserName, nai).Add(RadiusAttribute.NasIdentifier, "switch-1")
        .AddEap(new EapPacket(EapCode.Response, 1, EapType.Identity, System.Text.Encoding.UTF8.GetBytes(nai)).Encode());

    [Fact]
    public async Task On_udp_with_a_secret()
    {
        await using var running = await Running.StartAsync(Configure);
        var radius = running.Server.EndPoint("radius");
        Assert.Contains("RADIUS on radius for switch-1", running.Server.Screen.Roles);
        var challenge = await AskAsync(radius, Secret, Identity("@noob.eap.arpa"));
        Assert.Equal(RadiusCode.AccessChallenge, challenge?.Packet.Code);
        Assert.Equal(56, EapPacket.Parse(challenge!.Packet.EapMessage()!).Type);
        Assert.Equal(RadiusCode.AccessReject, (await AskAsync(radius, Secret, Identity("fred@elsewhere.example")))?.Packet.Code);
        Assert.Equal(RadiusCode.AccessAccept, (await AskAsync(radius, Secret, new RadiusMessage(RadiusCode.StatusServer)))?.Packet.Code);
        Assert.Null(await AskAsync(radius, "another", Identity("@noob.eap.arpa")));

        foreach (var (status, seconds) in new[] { (AcctStatusType.Start, 0u), (AcctStatusType.Stop, 60u) })
            Assert.Equal(RadiusCode.AccountingResponse, (await AskAsync(radius, Secret, new RadiusMessage(RadiusCode.AccountingRequest).Add(RadiusAttribute.AcctStatusType, (uint)status)
                .Add(RadiusAttribute.AcctSessionId, "1").Add(RadiusAttribute.UserName, "noob@example.org").Add(RadiusAttribute.AcctSessionTime, seconds)))?.Packet.Code);
        var session = Assert.Single((await running.GetAsync("/radius/sessions")).EnumerateArray()).GetProperty("session");
        Assert.Equal(("switch-1", "Stop", 60), (session.GetProperty("client").GetString(), session.GetProperty("status").GetString(), session.GetProperty("seconds").GetInt32()));
    }

    [Fact]
    public async Task On_tls_with_a_certificate()
    {
        string folder = Running.NewFolder();
        var (ours, theirs, stranger) = (Certificate(folder, "server"), Certificate(folder, "campus"), Certificate(folder, "stranger"));
        await using var running = await Running.StartAsync(s =>
        {
            Configure(s);
            s["listeners:radsec:carrier"] = "tls";
            s["listeners:radsec:port"] = "0";
            s["listeners:radsec:certificate"] = "aaa";
            s["listeners:radsec:clientCertificates"] = "require";
            s["certificates:aaa:file"] = Path.Combine(folder, "server.pem");
            s["certificates:aaa:key"] = Path.Combine(folder, "server.key");
            s[Role + "listeners:1"] = "radsec";
            s[Role + "clients:1:name"] = "campus";
            s[Role + "clients:1:certificate"] = Path.Combine(folder, "campus.pem");
        }, folder);
        var radsec = running.Server.EndPoint("radsec");
        Assert.Contains("RadSec on radsec for campus", running.Server.Screen.Roles);
        Assert.Equal(RadiusCode.AccessChallenge, await OverTlsAsync(radsec, theirs));
        Assert.Null(await OverTlsAsync(radsec, stranger));
        ours.Dispose();
    }

    /// <summary>Null: the server closed the connection.</summary>
    private static async Task<RadiusCode?> OverTlsAsync(IPEndPoint server, X509Certificate2 certificate)
    {
        using var tcp = new TcpClient();
        await tcp.ConnectAsync(server, Running.Stop);
        await using var tls = new SslStream(tcp.GetStream());
        await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = "server", ClientCertificates = [certificate], RemoteCertificateValidationCallback = (_, _, _, _) => true }, Running.Stop);
        var (chance, clock) = (new SystemChance(), new SystemClock());
        var engine = new RadiusStreamClient(RadiusSecret.RadSec, chance);
        var answered = new TaskCompletionSource<RadiusCode?>(TaskCreationOptions.RunContinuationsAsynchronously);
        var pump = new TcpEnginePump<RadiusClientEvent>(engine, (in RadiusClientEvent what) => answered.TrySetResult(what.Answer?.Packet.Code));
        pump.Post(() => engine.Send(Identity("@noob.eap.arpa"), clock.Now));
        var run = pump.RunAsync(tls, Running.Stop);
        if (await Task.WhenAny(answered.Task, run) == run)
            return null;
        pump.Close();
        await run;
        return await answered.Task;
    }

    private static X509Certificate2 Certificate(string folder, string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var made = new CertificateRequest("CN=" + name, key, HashAlgorithmName.SHA256).CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        File.WriteAllText(Path.Combine(folder, name + ".pem"), made.ExportCertificatePem());
        File.WriteAllText(Path.Combine(folder, name + ".key"), key.ExportPkcs8PrivateKeyPem());
        return X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pkcs12), null);
    }

    [Theory]
    [InlineData("listeners:0", "public", "listeners")]
    [InlineData("listeners:0", "nowhere", "listeners")]
    [InlineData("listeners:0", null, "listeners")]
    [InlineData("clients:0:address", "here", "clients:0:address")]
    [InlineData("clients:0:address", null, "clients")]
    [InlineData("clients:0:name", null, "clients:0:name")]
    [InlineData("clients:0:secret", null, "clients:0:secret")]
    [InlineData("clients:0:secretFile", "/nonexistent/secret", "clients:0:secret")]
    public async Task What_cannot_be_started_is_named(string key, string? value, string path)
    {
        var fault = await Assert.ThrowsAsync<ConfigurationFault>(() => Running.StartAsync(s =>
        {
            Configure(s);
            s[Role + key] = value;
        }));
        Assert.StartsWith(Role + path, fault.Path + ":");
    }
}
