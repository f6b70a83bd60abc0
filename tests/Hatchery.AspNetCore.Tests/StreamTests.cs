using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Text;
using System.Threading.Channels;
using Hatchery.AspNetCore;
using Hatchery.Transports;

namespace Hatchery.AspNetCore.Tests;

/// <summary>Listeners without HTTP.</summary>
public sealed class StreamTests
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    /// <summary>Sends back what comes, until the peer closes; tells who called.</summary>
    private sealed class EchoStream
    {
        public Channel<(StreamConnection Connection, Caller Caller)> Calls { get; } = Channel.CreateUnbounded<(StreamConnection, Caller)>();
        public TaskCompletionSource Ended { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public async Task ServeAsync(StreamConnection connection, CancellationToken stop)
        {
            Calls.Writer.TryWrite((connection, connection.CallerAt(new SystemClock().Now)));
            try
            {
                var buffer = new byte[100];
                while (await connection.Stream.ReadAsync(buffer, stop) is > 0 and var length)
                    await connection.Stream.WriteAsync(buffer.AsMemory(0, length), stop);
            }
            finally
            {
                Ended.TrySetResult();
            }
        }
    }

    private static async Task<string> EchoAsync(Stream stream, string text)
    {
        await stream.WriteAsync(Encoding.UTF8.GetBytes(text), Stop);
        var answer = new byte[text.Length];
        await stream.ReadExactlyAsync(answer, Stop);
        return Encoding.UTF8.GetString(answer);
    }

    [Fact]
    public async Task A_byte_stream_reaches_its_role_and_ends_with_it()
    {
        var role = new EchoStream();
        await using var host = await Host.StartAsync(_ => { }, new ListenerOptions { Name = "raw", Stream = () => role.ServeAsync });
        Assert.StartsWith("tcp://", host.Listeners[0].ToString()["raw on ".Length..]);
        using var client = new TcpClient();
        await client.ConnectAsync(host.EndPoint, Stop);
        var stream = client.GetStream();
        Assert.Equal("hello", await EchoAsync(stream, "hello"));
        var (connection, caller) = await role.Calls.Reader.ReadAsync(Stop);
        Assert.Equal("raw", caller.Listener);
        Assert.Equal($"127.0.0.1:{((System.Net.IPEndPoint)client.Client.LocalEndPoint!).Port}", caller.Remote);
        Assert.Equal(connection.Session, caller.Session);
        Assert.Equal(["TCP"], caller.Layers.Select(l => l.Name));
        client.Client.Shutdown(SocketShutdown.Send);
        Assert.Equal(0, await stream.ReadAsync(new byte[1], Stop));
        await role.Ended.Task.WaitAsync(Stop);
    }

    [Fact]
    public async Task Under_TLS_the_role_knows_both_certificates_and_the_binding()
    {
        var authority = new Authority("site");
        var role = new EchoStream();
        var context = authority.Context(authority.Leaf("localhost"));
        await using var host = await Host.StartAsync(_ => { }, new ListenerOptions
        {
            Name = "secure",
            Stream = () => role.ServeAsync,
            Certificate = _ => context,
            ClientCertificates = ClientCertificates.Allow,
            Protocols = SslProtocols.Tls12,
        });
        using var client = new TcpClient();
        await client.ConnectAsync(host.EndPoint, Stop);
        var mine = authority.Leaf(null, "client");
        await using var tls = new SslStream(client.GetStream(), false, (_, _, _, _) => true);
        await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
        {
            TargetHost = "localhost",
            ClientCertificateContext = SslStreamCertificateContext.Create(mine, [authority.Middle], offline: true),
        }, Stop);
        Assert.Equal("hello", await EchoAsync(tls, "hello"));
        var (_, caller) = await role.Calls.Reader.ReadAsync(Stop);
        Assert.Equal(mine.RawData, caller.ClientChain[0]);
        Assert.Equal(context.TargetCertificate.RawData, caller.ServerCertificate.ToArray());
        Assert.Equal(TlsUnique.Of(tls).ToArray(), caller.TlsUnique.ToArray());
        Assert.NotEmpty(caller.TlsUnique.ToArray());
        Assert.Equal(["TCP", "TLS"], caller.Layers.Select(l => l.Name));
    }

    [Fact]
    public async Task A_listener_whose_role_is_missing_closes_its_connections()
    {
        await using var host = await Host.StartAsync(_ => { }, new ListenerOptions { Name = "raw", Stream = () => null });
        using var client = new TcpClient();
        await client.ConnectAsync(host.EndPoint, Stop);
        try
        {
            Assert.Equal(0, await client.GetStream().ReadAsync(new byte[1], Stop));
        }
        catch (IOException)
        {
            // Reset: closed too.
        }
    }

    [Fact]
    public async Task A_role_is_told_when_the_server_stops()
    {
        var role = new EchoStream();
        using var client = new TcpClient();
        await using (var host = await Host.StartAsync(_ => { }, new ListenerOptions { Name = "raw", Stream = () => role.ServeAsync }))
        {
            await client.ConnectAsync(host.EndPoint, Stop);
            Assert.Equal("hello", await EchoAsync(client.GetStream(), "hello"));
        }
        await role.Ended.Task.WaitAsync(Stop);
    }
}
