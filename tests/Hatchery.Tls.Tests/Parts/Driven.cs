using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Hatchery.Tls.Tests;

/// <summary>An engine on a real stream.</summary>
internal sealed class Driven(TlsEngine engine, Stream stream) : IDisposable
{
    private readonly long _start = Stopwatch.GetTimestamp();
    public Side Side { get; } = new(engine);

    public Moment Now => new(Pair.Start.Elapsed + Stopwatch.GetElapsedTime(_start), TestPki.Today);

    public async Task UntilAsync(Func<Side, bool> done, CancellationToken cancel)
    {
        byte[] buffer = new byte[5000];
        while (true)
        {
            Side.Drain();
            await FlushAsync(cancel);
            if (done(Side) || Side.End is not null)
                return;
            int n;
            try
            {
                n = await stream.ReadAsync(buffer, cancel);
            }
            catch (IOException)
            {
                n = 0;
            }
            if (n == 0)
                engine.InputEnded(Now);
            else
                engine.Receive(buffer.AsSpan(0, n), default, Now, default);
        }
    }

    private async Task FlushAsync(CancellationToken cancel)
    {
        byte[] bytes = Side.Transmit();
        try
        {
            await stream.WriteAsync(bytes, cancel);
        }
        catch (IOException)
        {
            // The peer is gone; what it sent before is still read.
        }
    }

    public Task ConnectAsync(CancellationToken cancel) => UntilAsync(s => s.Connection is not null, cancel);

    public void Send(string text) => Assert.Equal(Accepted.Yes, engine.Send(Encoding.ASCII.GetBytes(text), default, Now));

    public Task ExpectAsync(string text, CancellationToken cancel) => UntilAsync(s => Encoding.ASCII.GetString(s.Data).Contains(text, StringComparison.Ordinal), cancel);

    public async Task CloseAsync(CancellationToken cancel)
    {
        engine.Close(Now);
        await UntilAsync(_ => true, cancel);
    }

    public string Text => Encoding.ASCII.GetString(Side.Data);

    public void Dispose()
    {
        engine.Dispose();
        stream.Dispose();
    }

    public static async Task<(NetworkStream Client, NetworkStream Server)> LoopbackAsync(CancellationToken cancel)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var client = new TcpClient();
        await client.ConnectAsync((IPEndPoint)listener.LocalEndpoint, cancel);
        var server = await listener.AcceptTcpClientAsync(cancel);
        return (client.GetStream(), server.GetStream());
    }

    public static CancellationTokenSource Patience()
    {
        var source = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        source.CancelAfter(TimeSpan.FromSeconds(60));
        return source;
    }
}
