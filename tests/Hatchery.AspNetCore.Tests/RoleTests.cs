using System.Net;
using System.Net.Sockets;
using System.Text;
using Hatchery.AspNetCore;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Hatchery.AspNetCore.Tests;

public sealed class RoleTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;
    private static string Post(string path, string body, string more = "", string method = "POST") =>
        $"{method} {path} HTTP/1.1\r\nHost: other\r\nConnection: close\r\nContent-Length: {body.Length}\r\n{more}\r\n{body}";

    [Fact]
    public async Task The_exact_path_goes_before_the_longest_prefix_and_the_listener_before_both()
    {
        var exact = new Echo("exact", 100, "POST /a/b", "GET /a/b");
        var near = new Echo("near", 100, "POST /a/");
        var far = new Echo("far", 100, "POST /");
        var other = new Echo("other", 100, "POST /a/b");
        await using var host = await Host.StartAsync(app =>
        {
            app.MapListener("one", [exact, near]);
            app.MapListener("two", [other, far]);
        }, new ListenerOptions { Name = "one" }, new ListenerOptions { Name = "two" });
        var two = host.Listeners[1].EndPoint;
        Assert.Contains("X-Role: exact\r\n", await host.TalkAsync(Post("/a/b", "x")), StringComparison.Ordinal);
        Assert.Contains("X-Role: near\r\n", await host.TalkAsync(Post("/a/b/c", "x")), StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.1 404", await host.TalkAsync(Post("/c", "x")), StringComparison.Ordinal);
        Assert.Contains("X-Role: far\r\n", await host.TalkAsync(Post("/c", "x"), two), StringComparison.Ordinal);
        Assert.Contains("X-Role: other\r\n", await host.TalkAsync(Post("/a/b", "x"), two), StringComparison.Ordinal);
        var wrong = await host.TalkAsync(Post("/a/b", "x", method: "PUT"));
        Assert.StartsWith("HTTP/1.1 405", wrong, StringComparison.Ordinal);
        Assert.Contains("Allow: GET, POST\r\n", wrong, StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.1 404", await host.TalkAsync(Post("/A/b", "x")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_request_arrives_whole_with_its_caller_and_the_answer_leaves_as_given()
    {
        var role = new Echo("echo", 100, "POST /echo");
        await using var host = await Host.StartAsync(app => app.MapListener("main", [role]), new ListenerOptions { Name = "main" });
        var answer = await host.TalkAsync(Post("/echo?q=%41", "hello", "X-Two: a\r\nX-Two: b\r\n"));
        var (request, caller) = await role.Calls.Reader.ReadAsync(Cancel);
        Assert.Equal("/echo?q=%41", request.Path);
        Assert.Equal(["a", "b"], request.Headers.Where(h => h.Key == "X-Two").Select(h => h.Value));
        Assert.Equal("hello", Encoding.ASCII.GetString(request.Body.Span));
        Assert.Equal("main", caller.Listener);
        Assert.StartsWith("127.0.0.1:", caller.Remote, StringComparison.Ordinal);
        Assert.Equal(["TCP", "HTTP"], caller.Layers.Select(l => l.Name));
        Assert.Contains("message-Type: 13\r\n", answer, StringComparison.Ordinal);
        Assert.Contains("Set-Cookie: a\r\nSet-Cookie: b\r\n", answer, StringComparison.Ordinal);
        Assert.Contains("Content-Length: 5\r\n", answer, StringComparison.Ordinal);
        Assert.DoesNotContain("Server:", answer, StringComparison.Ordinal);
        Assert.EndsWith("\r\n\r\nhello", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_kept_connection_is_one_session_and_two_are_two()
    {
        var role = new Echo("echo", 100, "POST /echo");
        var witness = new Witness(new WitnessKey(new byte[32]), Watch.None, () => new SessionId(Guid.NewGuid()));
        await using var host = await Host.StartAsync(app => app.MapListener("main", [role]), new ListenerOptions { Name = "main", Witness = witness });
        await host.TalkAsync(Post("/echo", "1").Replace("close", "keep-alive", StringComparison.Ordinal) + Post("/echo", "2"));
        await host.TalkAsync(Post("/echo", "3"));
        var sessions = new List<SessionId>();
        for (int n = 0; n < 3; n++)
            sessions.Add((await role.Calls.Reader.ReadAsync(Cancel)).Caller.Session);
        Assert.Equal(sessions[0], sessions[1]);
        Assert.NotEqual(sessions[0], sessions[2]);
    }

    [Theory]
    [InlineData("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\n")]
    [InlineData("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999999\r\n\r\n")]
    [InlineData("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n12345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901\r\n")]
    public async Task A_body_over_the_limit_is_refused_before_it_has_come(string request)
    {
        var role = new Echo("echo", 100, "POST /echo");
        await using var host = await Host.StartAsync(app => app.MapListener("main", [role]), new ListenerOptions { Name = "main" });
        using var client = new TcpClient();
        await client.ConnectAsync(host.EndPoint, Cancel);
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(request), Cancel);
        Assert.Equal("HTTP/1.1 413 Payload Too Large", await new StreamReader(client.GetStream()).ReadLineAsync(Cancel));
        Assert.Equal(0, role.Calls.Reader.Count);
    }

    [Theory]
    [InlineData("Content-Length: 100\r\n\r\n", 100)]
    [InlineData("Content-Length: 100\r\n\r\n", 99)]
    [InlineData("Transfer-Encoding: chunked\r\n\r\n64\r\n", 100)]
    public async Task A_body_of_just_the_limit_is_taken_and_one_cut_off_never_reaches_the_role(string head, int sent)
    {
        var role = new Echo("echo", 100, "POST /echo", "POST /other");
        await using var host = await Host.StartAsync(app => app.MapListener("main", [role]), new ListenerOptions { Name = "main" });
        var end = head.StartsWith('T') ? "\r\n0\r\n\r\n" : "";
        using (var client = new TcpClient { LingerState = new LingerOption(true, 0) })
        {
            await client.ConnectAsync(host.EndPoint, Cancel);
            await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes("POST /echo HTTP/1.1\r\nHost: x\r\n" + head + new string('x', sent) + end), Cancel);
            if (sent == 100)
                Assert.Equal("HTTP/1.1 200 OK", await new StreamReader(client.GetStream()).ReadLineAsync(Cancel));
        }
        await host.TalkAsync(Post("/other", ""));
        if (sent == 100)
            Assert.Equal(100, (await role.Calls.Reader.ReadAsync(Cancel)).Request.Body.Length);
        Assert.Equal("/other", (await role.Calls.Reader.ReadAsync(Cancel)).Request.Path);
    }

    [Fact]
    public async Task A_body_that_comes_byte_by_byte_and_one_larger_than_is_believed_arrive_whole()
    {
        var role = new Echo("echo", 1_000_000, "POST /echo");
        await using var host = await Host.StartAsync(app => app.MapListener("main", [role]), new ListenerOptions { Name = "main" });
        using var client = new TcpClient { NoDelay = true };
        await client.ConnectAsync(host.EndPoint, Cancel);
        foreach (byte b in Encoding.ASCII.GetBytes(Post("/echo", "slowly", "").Replace("close", "keep-alive", StringComparison.Ordinal)))
            await client.GetStream().WriteAsync(new[] { b }, Cancel);
        Assert.Equal("slowly", Encoding.ASCII.GetString((await role.Calls.Reader.ReadAsync(Cancel)).Request.Body.Span));
        var large = string.Concat(Enumerable.Range(0, 150_000).Select(n => (char)('a' + n % 26)));
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(Post("/echo", large)), Cancel);
        Assert.Equal(large, Encoding.ASCII.GetString((await role.Calls.Reader.ReadAsync(Cancel)).Request.Body.Span));
    }

    [Fact]
    public async Task Connections_over_the_limit_are_closed_at_once()
    {
        var role = new Echo("echo", 100, "POST /echo");
        await using var host = await Host.StartAsync(app => app.MapListener("main", [role]), new ListenerOptions { Name = "main", MaxConnections = 1 });
        using var first = new TcpClient();
        await first.ConnectAsync(host.EndPoint, Cancel);
        await first.GetStream().WriteAsync(Encoding.ASCII.GetBytes(Post("/echo", "x").Replace("close", "keep-alive", StringComparison.Ordinal)), Cancel);
        await role.Calls.Reader.ReadAsync(Cancel);
        string second;
        try
        {
            second = await host.TalkAsync(Post("/echo", "x"));
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            second = "";
        }
        Assert.Equal("", second);
        Assert.Equal(0, role.Calls.Reader.Count);
    }

    [Fact]
    public async Task In_somebody_elses_application_roles_and_endpoints_stand_side_by_side()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddHttpRole<OptionedRole, RoleName>(o => o.Name = "theirs");
        builder.WebHost.ConfigureKestrelToLoopback();
        await using var app = builder.Build();
        app.MapRole<OptionedRole>();
        app.MapGet("/own", () => "own");
        await app.StartAsync(Cancel);
        using var client = new HttpClient { BaseAddress = new Uri(app.Urls.First()) };
        Assert.Equal("own", await client.GetStringAsync("/own", Cancel));
        using var answer = await client.PostAsync("/named", new StringContent("x"), Cancel);
        Assert.Equal("theirs of default", await answer.Content.ReadAsStringAsync(Cancel));
        Assert.Equal(HttpStatusCode.MethodNotAllowed, (await client.GetAsync("/named", Cancel)).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await client.GetAsync("/none", Cancel)).StatusCode);
    }

    [Fact]
    public void Two_roles_cannot_have_one_route()
    {
        var services = new ServiceCollection().BuildServiceProvider();
        var app = new ApplicationBuilder(services);
        Assert.Throws<InvalidOperationException>(() => app.MapRoles(new Echo("a", 1, "POST /x"), new Echo("b", 1, "POST /x")));
        Assert.Throws<InvalidOperationException>(() => app.MapRoles(new Echo("a", 1, "/x")));
    }
}

public sealed class RoleName
{
    public string Name { get; set; } = "";
}

public sealed class OptionedRole(RoleName name) : IHttpRole
{
    public System.Collections.Immutable.ImmutableArray<string> Routes => ["POST /named"];
    public int MaxBody => 10;
    public ValueTask<PlainHttpResponse> HandleAsync(PlainHttpRequest request, Caller caller, CancellationToken cancel) =>
        new(new PlainHttpResponse(200, [], Encoding.UTF8.GetBytes($"{name.Name} of {caller.Listener}")));
}

internal static class Loopback
{
    public static void ConfigureKestrelToLoopback(this Microsoft.AspNetCore.Builder.ConfigureWebHostBuilder host) =>
        Microsoft.AspNetCore.Hosting.HostingAbstractionsWebHostBuilderExtensions.UseUrls(host, "http://127.0.0.1:0");
}
