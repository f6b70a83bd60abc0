using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Product.Tests.Onboarding;

/// <summary>FDO without HTTP: DI, TO0, TO1 and TO2 over a tcp and over a tls listener.</summary>
public sealed class FdoStreamTests
{
    private static async Task<(string Certificate, string Key)> CertificateAsync(string folder)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        using var made = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        string certificate = Path.Combine(folder, "tls.pem"), private_ = Path.Combine(folder, "tls.key");
        await File.WriteAllTextAsync(certificate, made.ExportCertificatePem(), Running.Stop);
        await File.WriteAllTextAsync(private_, key.ExportPkcs8PrivateKeyPem(), Running.Stop);
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(private_, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        return (certificate, private_);
    }

    [Theory]
    [InlineData("tcp", false)]
    [InlineData("tcp", true)]
    [InlineData("tls", false)]
    [InlineData("tls", true)]
    public async Task A_device_goes_from_factory_to_owner_over(string carrier, bool bypass)
    {
        string folder = Running.NewFolder(), file = Path.Combine(folder, "payload");
        await File.WriteAllBytesAsync(file, RandomNumberGenerator.GetBytes(4000), Running.Stop);
        var (certificate, key) = await CertificateAsync(folder);
        int port = Running.FreePort();
        await using var server = await Running.StartAsync(s =>
        {
            s["listeners:stream:port"] = $"{port}";
            s["listeners:stream:carrier"] = carrier;
            if (carrier == "tls")
            {
                s["listeners:stream:certificate"] = "web";
                s["certificates:web:file"] = certificate;
                s["certificates:web:key"] = key;
            }
            foreach (string role in new[] { "manufacturer", "rendezvous", "owner" })
                s[$"roles:fdo.{role}:listener"] = "stream";
            s["roles:fdo.manufacturer:rendezvous:0"] = $"{carrier}://127.0.0.1:{port}{(bypass ? ";bypass" : "")}";
            s["roles:fdo.owner:addresses:0"] = $"{carrier}://127.0.0.1:{port}";
            s["roles:fdo.owner:agent"] = "false";
            s["roles:fdo.owner:files:0:name"] = "payload";
            s["roles:fdo.owner:files:0:path"] = file;
        }, folder);
        string state = Path.Combine(folder, "device");
        var init = await Command.RunAsync("fdo", "device", "init", "--manufacturer", $"{carrier}://127.0.0.1:{port}", "--state", state, "--serial", "SN-1", "--json");
        Assert.True(init.Code == 0, init.Output + init.Errors);
        var (status, body) = await server.PostAsync($"/fdo/sell/{init.Json.GetProperty("guid").GetString()}");
        Assert.True(status == System.Net.HttpStatusCode.OK, body);
        // Registration is a job of the server: the device asks until it is there.
        var onboarded = await Command.RunAsync("fdo", "device", "onboard", "--state", state, "--rounds", "1", "--json");
        for (int i = 0; i < 50 && onboarded.Code != 0; i++)
            onboarded = await Command.RunAsync("fdo", "device", "onboard", "--state", state, "--rounds", "1", "--json");
        Assert.True(onboarded.Code == 0, onboarded.Output + onboarded.Errors + server.Log);
        Assert.Equal(await File.ReadAllBytesAsync(file, Running.Stop), await File.ReadAllBytesAsync(Path.Combine(state, "files", "payload"), Running.Stop));
    }

    [Fact]
    public async Task Garbage_on_a_stream_is_answered_and_the_stream_closed()
    {
        int port = Running.FreePort();
        await using var server = await Running.StartAsync(s =>
        {
            s["listeners:stream:port"] = $"{port}";
            s["listeners:stream:carrier"] = "tcp";
            s["roles:fdo.rendezvous:listener"] = "stream";
        });
        using var client = new System.Net.Sockets.TcpClient();
        await client.ConnectAsync("127.0.0.1", port, Running.Stop);
        await client.GetStream().WriteAsync("GET / HTTP/1.1\r\n\r\n"u8.ToArray(), Running.Stop);
        using var answer = new MemoryStream();
        await client.GetStream().CopyToAsync(answer, Running.Stop);
        Assert.Equal(0x85, answer.ToArray()[0]);
        Assert.Contains((byte)0xFF, answer.ToArray());
    }

    [Fact]
    public async Task An_owner_with_an_agent_needs_HTTP()
    {
        var fault = await Assert.ThrowsAnyAsync<Exception>(async () => await Running.StartAsync(s =>
        {
            s["listeners:stream:port"] = "0";
            s["listeners:stream:carrier"] = "tcp";
            s["roles:fdo.owner:listener"] = "stream";
        }));
        Assert.Contains("roles:fdo.owner:agent", fault.Message);
    }
}
