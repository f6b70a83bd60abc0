using System.Collections.Immutable;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Threading.Channels;
using Hatchery.AspNetCore;
using Hatchery.Transports;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Logging;

namespace Hatchery.AspNetCore.Tests;

/// <summary>Echoes the body and remembers who called.</summary>
internal sealed class Echo(string name, int maxBody, params string[] routes) : IHttpRole
{
    public Channel<(PlainHttpRequest Request, Caller Caller)> Calls { get; } = Channel.CreateUnbounded<(PlainHttpRequest, Caller)>();
    public ImmutableArray<string> Routes => [.. routes];
    public int MaxBody => maxBody;

    public ValueTask<PlainHttpResponse> HandleAsync(PlainHttpRequest request, Caller caller, CancellationToken cancel)
    {
        Calls.Writer.TryWrite((request, caller));
        return new(new PlainHttpResponse(200, [new("X-Role", name), new("message-Type", "13"), new("Set-Cookie", "a"), new("Set-Cookie", "b")], request.Body));
    }
}

internal sealed class Host : IAsyncDisposable
{
    private readonly WebApplication _app;
    public required IReadOnlyList<Listener> Listeners { get; init; }

    private Host(WebApplication app) => _app = app;

    public static async Task<Host> StartAsync(Action<WebApplication> map, params ListenerOptions[] listeners)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        IReadOnlyList<Listener> added = [];
        builder.WebHost.UseKestrel(k => added = k.AddListeners(listeners));
        var app = builder.Build();
        map(app);
        await app.StartAsync(TestContext.Current.CancellationToken);
        return new Host(app) { Listeners = added };
    }

    public IPEndPoint EndPoint => Listeners[0].EndPoint;

    /// <summary>Raw bytes in, everything until the server closes out.</summary>
    public async Task<string> TalkAsync(string request, IPEndPoint? to = null)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(to ?? EndPoint, TestContext.Current.CancellationToken);
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(request), TestContext.Current.CancellationToken);
        return await new StreamReader(client.GetStream()).ReadToEndAsync(TestContext.Current.CancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        using var now = new CancellationTokenSource();
        await now.CancelAsync();
        await _app.StopAsync(now.Token);
        await _app.DisposeAsync();
    }
}

internal sealed record Word(string Text) : IMessage
{
    private static readonly Player s_someone = new("Someone", PlayerKind.Device, Reach.Never, true, "owner", "1");
    private static readonly StepKind s_kind = new("Word", null, Phase.Discovery, s_someone, s_someone, "1");
    public static readonly Player Someone = s_someone;
    public StepKind Kind => s_kind;
}

internal sealed class WordBinding : IHttpClientBinding
{
    public PlainHttpRequest Encode(IMessage message) => new("POST", "/echo", [], Encoding.UTF8.GetBytes(((Word)message).Text));
    public IMessage? Parse(PlainHttpResponse response, IMessage request) => new Word(Encoding.UTF8.GetString(response.Body.Span));
}

internal sealed class Client : ICarrierEvents
{
    private readonly Channel<object> _all = Channel.CreateUnbounded<object>();
    public IConnection Connection { get; }

    public Client(int port, ChannelSecurity security, HttpCarrierOptions? options = null, string host = "127.0.0.1", string scheme = "https") =>
        Connection = new HttpCarrier(_ => new WordBinding(), options).Open(new Destination(scheme, host, port, security, Word.Someone),
            options?.Witness.NewSession() ?? default, this);

    public void Received(IMessage message, Encoded encoded, Tag tag) => _all.Writer.TryWrite(message);
    public void Supplied(Supply supply) => _all.Writer.TryWrite(supply);
    public void Lost(CarrierFault fault) => _all.Writer.TryWrite(fault);
    public async Task<T> NextAsync<T>() => Assert.IsType<T>(await _all.Reader.ReadAsync(TestContext.Current.CancellationToken), exactMatch: false);

    public async Task<string> SayAsync(string text)
    {
        Connection.Send(new Word(text), default);
        return (await NextAsync<Word>()).Text;
    }
}

/// <summary>A root, an intermediate and what they sign.</summary>
internal sealed class Authority
{
    public X509Certificate2 Root { get; }
    public X509Certificate2 Middle { get; }

    public Authority(string name)
    {
        var now = DateTimeOffset.UtcNow;
        using var rootKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var root = new CertificateRequest($"CN={name}", rootKey, HashAlgorithmName.SHA256);
        root.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        Root = root.CreateSelfSigned(now.AddDays(-1), now.AddDays(30));
        Middle = Issue($"{name} middle", Root, true, null);
    }

    public X509Certificate2 Leaf(string? dns, string name = "leaf") => Issue(name, Middle, false, dns);

    private static X509Certificate2 Issue(string name, X509Certificate2 issuer, bool authority, string? dns)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        if (authority)
            request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        if (dns is not null)
        {
            var names = new SubjectAlternativeNameBuilder();
            names.AddDnsName(dns);
            request.CertificateExtensions.Add(names.Build());
        }
        using var signed = request.Create(issuer, issuer.NotBefore, issuer.NotAfter, RandomNumberGenerator.GetBytes(8));
        return signed.CopyWithPrivateKey(key);
    }

    public SslStreamCertificateContext Context(X509Certificate2 leaf) => SslStreamCertificateContext.Create(leaf, [Middle], offline: true);
}
