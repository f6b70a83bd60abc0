using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Threading.Channels;
using Hatchery.Transports;

namespace Hatchery.Tests.Transports;

internal static class Sample
{
    public static readonly Player Device = new("Device", PlayerKind.Device, Reach.Never, true, "owner", "1");
    public static readonly Player Server = new("Server", PlayerKind.Service, Reach.During, false, "owner", "1");
    public static readonly StepKind Hello = new("Hello", 1, Phase.Discovery, Device, Server, "2.1");
    public static readonly StepKind Welcome = new("Welcome", 2, Phase.Delivery, Server, Device, "2.2");
    public static readonly StepKind Typed = new("Typed", null, Phase.TrustEstablishment, Device, Device, "2.3", Act.Type);
    public static readonly Protocol Protocol = new("sample", "Sample", [], [Device, Server], [Hello, Welcome, Typed], [], []);

    public static readonly Schema<Held> Schema = new Schema<Held>("sample.device", 1, new Held("", null, 0))
        .Item("owner", s => s.Owner, (s, v) => s with { Owner = v }, Lifetime.Imparted, BeliefKind.OwnerCredential, About.Owner)
        .Item("pin", s => s.Pin, (s, v) => s with { Pin = v }, Lifetime.Imparted, BeliefKind.SymmetricSecret, About.Owner, secret: true)
        .Plain("count", s => s.Count, (s, v) => s with { Count = v }, Lifetime.Factory, "a counter");

    public static Destination To(int port, string scheme = "http", ChannelSecurity? security = null, string host = "127.0.0.1") =>
        new(scheme, host, port, security ?? new ChannelSecurity.None(), Server);

    public static AesGcmSealer Sealer(byte key) => new(Enumerable.Repeat(key, 32).ToArray(), new Draws());
}

internal sealed record Held(string Owner, SecretText? Pin, int Count);

internal sealed class Draws : Chance
{
    public override void Fill(Span<byte> destination, string use) => RandomNumberGenerator.Fill(destination);
    public override AgreementKey NewAgreementKey(ECCurve curve, string use) => throw new NotSupportedException();
    public override ECDsa NewSigningKey(ECCurve curve, string use) => ECDsa.Create(curve);
}

internal sealed record Word(StepKind Kind, string Text) : IMessage;

internal sealed class WordException(string field, string sentence) : ProtocolException("bad-word", field, sentence);

/// <summary>POST /words with a word; the answer's body is a word, "?" is none.</summary>
internal sealed class WordBinding(string path = "/words") : IHttpClientBinding
{
    public PlainHttpRequest Encode(IMessage message) =>
        new("POST", path, [new("Content-Type", "text/plain"), new("Authorization", "Bearer t/1+x==")], Encoding.UTF8.GetBytes(((Word)message).Text));

    public IMessage? Parse(PlainHttpResponse response, IMessage request) =>
        response.Status != 200 ? throw new WordException("status", $"The status is {response.Status}.")
        : response.Body.IsEmpty ? null : new Word(Sample.Welcome, Encoding.UTF8.GetString(response.Body.Span));
}

internal sealed class Events : ICarrierEvents
{
    private readonly Channel<object> _all = Channel.CreateUnbounded<object>();
    public void Received(IMessage message, Encoded encoded, Tag tag) => _all.Writer.TryWrite(message);
    public void Supplied(Supply supply) => _all.Writer.TryWrite(supply);
    public void Lost(CarrierFault fault) => _all.Writer.TryWrite(fault);
    public async Task<T> NextAsync<T>() => Assert.IsType<T>(await _all.Reader.ReadAsync(TestContext.Current.CancellationToken), exactMatch: false);
    public bool IsEmpty => !_all.Reader.TryPeek(out _);
}

/// <summary>A web server of raw bytes: each connection is handled by a script.</summary>
internal sealed class RawServer : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly Task _serving;
    public int Connections;
    public readonly Channel<string> Requests = Channel.CreateUnbounded<string>();

    public RawServer(Func<RawServer, Stream, int, Task> script)
    {
        _listener.Start();
        _serving = Task.Run(async () =>
        {
            while (true)
            {
                Socket socket;
                try
                {
                    socket = await _listener.AcceptSocketAsync();
                }
                catch (Exception e) when (e is SocketException or ObjectDisposedException or InvalidOperationException)
                {
                    return;
                }
                int number = ++Connections;
                await using var stream = new NetworkStream(socket, ownsSocket: true);
                try
                {
                    await script(this, stream, number);
                }
                catch (IOException)
                {
                }
            }
        });
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>Head and body of one request; null at the end.</summary>
    public async Task<string?> ReadAsync(Stream stream)
    {
        var bytes = new List<byte>();
        var one = new byte[1];
        int end = -1, length = 0;
        while (end < 0 || bytes.Count < end + length)
        {
            if (await stream.ReadAsync(one) == 0)
                return null;
            bytes.Add(one[0]);
            if (end < 0 && bytes.Count >= 4 && bytes[^4..] is [13, 10, 13, 10])
            {
                end = bytes.Count;
                var head = Encoding.ASCII.GetString([.. bytes]);
                int at = head.IndexOf("Content-Length: ", StringComparison.Ordinal);
                length = at < 0 ? 0 : int.Parse(head[(at + 16)..head.IndexOf('\r', at)], System.Globalization.CultureInfo.InvariantCulture);
            }
        }
        var request = Encoding.UTF8.GetString([.. bytes]);
        Requests.Writer.TryWrite(request);
        return request;
    }

    public static ValueTask AnswerAsync(Stream stream, string body, string status = "200 OK") =>
        stream.WriteAsync(Encoding.UTF8.GetBytes($"HTTP/1.1 {status}\r\nContent-Length: {Encoding.UTF8.GetByteCount(body)}\r\n\r\n{body}"));

    public static async Task ServeAsync(RawServer server, Stream stream, int number)
    {
        while (await server.ReadAsync(stream) is { } request)
            await AnswerAsync(stream, request[^1] == '?' ? "" : "welcome");
    }

    public async ValueTask DisposeAsync()
    {
        _listener.Dispose();
        await _serving;
    }
}
