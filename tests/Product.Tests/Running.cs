using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Hatchery.Server;
using Microsoft.Extensions.Configuration;

namespace Product.Tests;

/// <summary>A server on loopback, in a folder that goes with it.</summary>
internal sealed class Running : IAsyncDisposable
{
    private readonly StringWriter _log;

    private Running(string folder, HatcheryServer server, int port, StringWriter log)
    {
        (Folder, Server, Port, _log) = (folder, server, port, log);
        Token = server.FirstToken!;
        Admin = Client(Token);
        Public = new HttpClient { BaseAddress = new Uri($"http://{server.EndPoint("public")}") };
    }

    public string Folder { get; }
    public HatcheryServer Server { get; }
    public int Port { get; }
    public string Token { get; }
    /// <summary>With the first token.</summary>
    public HttpClient Admin { get; }
    public HttpClient Public { get; }
    public string PublicAddress => $"http://127.0.0.1:{Port}";
    public string AdminAddress => $"http://{Server.EndPoint("admin")}";
    public string Log
    {
        get
        {
            lock (_log)
                return _log.ToString();
        }
    }

    public static string NewFolder() => Directory.CreateTempSubdirectory("hatchery-test-").FullName;

    /// <summary>Every role, rendezvous bypassed, anyone admitted; changed as a test wants. A value of null takes a key away.</summary>
    public static Dictionary<string, string?> Settings(string folder, int port) => new()
    {
        ["dataDirectory"] = Path.Combine(folder, "data"),
        ["listeners:public:port"] = $"{port}",
        ["listeners:admin:port"] = "0",
        ["admission:acceptAnyone"] = "true",
        ["roles:fdo.manufacturer:rendezvous:0"] = $"http://127.0.0.1:{port};bypass",
        ["roles:fdo.rendezvous:listener"] = "public",
        ["roles:fdo.owner:addresses:0"] = $"http://127.0.0.1:{port}",
    };

    /// <param name="folder">One that a server left; null: a new one.</param>
    public static async Task<Running> StartAsync(Action<Dictionary<string, string?>>? change = null, string? folder = null)
    {
        folder ??= NewFolder();
        try
        {
            int port = FreePort();
            var settings = Settings(folder, port);
            change?.Invoke(settings);
            var log = new StringWriter();
            var configuration = new ConfigurationBuilder().AddInMemoryCollection(settings).Build();
            var server = await HatcheryServer.StartAsync(ServerOptions.Read(configuration), Stop, TextWriter.Synchronized(log));
            return new Running(folder, server, port, log);
        }
        catch
        {
            Directory.Delete(folder, recursive: true);
            throw;
        }
    }

    public static CancellationToken Stop => TestContext.Current.CancellationToken;

    public HttpClient Client(string? token)
    {
        var client = new HttpClient(new SocketsHttpHandler { UseCookies = false, AllowAutoRedirect = false }) { BaseAddress = new Uri(AdminAddress) };
        if (token is not null)
            client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        return client;
    }

    public async Task<JsonElement> GetAsync(string path)
    {
        using var response = await Admin.GetAsync("/api/v1" + path, Stop);
        string body = await response.Content.ReadAsStringAsync(Stop);
        Assert.True(response.IsSuccessStatusCode, $"{path}: {(int)response.StatusCode} {body}");
        return JsonDocument.Parse(body).RootElement;
    }

    public async Task<(HttpStatusCode Status, string Body)> PostAsync(string path, HttpContent? content = null)
    {
        using var response = await Admin.PostAsync("/api/v1" + path, content ?? new ByteArrayContent([]), Stop);
        return (response.StatusCode, await response.Content.ReadAsStringAsync(Stop));
    }

    public async Task<string> TokenAsync(string[] scopes, DateTimeOffset? expires = null)
    {
        var (status, body) = await PostAsync("/tokens", JsonContent.Create(new { name = "test", scopes, expires }));
        Assert.Equal(HttpStatusCode.OK, status);
        return JsonDocument.Parse(body).RootElement.GetProperty("token").GetString()!;
    }

    /// <summary>Sends a message as it is.</summary>
    public async Task<HttpResponseMessage> MessageAsync(int type, byte[] body, string? token = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, $"/fdo/101/msg/{type}") { Content = new ByteArrayContent(body) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/cbor");
        if (token is not null)
            request.Headers.TryAddWithoutValidation("Authorization", token);
        return await Public.SendAsync(request, Stop);
    }

    public static HttpContent Pem(string text) => new StringContent(text, Encoding.ASCII, "application/x-pem-file");

    public static UnixFileMode ModeOf(string path) => OperatingSystem.IsWindows() ? throw new PlatformNotSupportedException() : File.GetUnixFileMode(path);

    public static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }

    /// <summary>Leaves the folder.</summary>
    public async ValueTask StopAsync()
    {
        Admin.Dispose();
        Public.Dispose();
        await Server.DisposeAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        Directory.Delete(Folder, recursive: true);
    }
}
