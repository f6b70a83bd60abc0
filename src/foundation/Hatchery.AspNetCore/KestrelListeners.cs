using System.IO.Pipelines;
using System.Net;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Hatchery.Transports;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;

namespace Hatchery.AspNetCore;

/// <summary>A listener of a server.</summary>
public sealed class Listener
{
    private readonly ListenOptions _listen;

    internal Listener(ListenerOptions options, ListenOptions listen) => (Options, _listen) = (options, listen);

    public ListenerOptions Options { get; }
    /// <summary>Once the server has started: as bound.</summary>
    public IPEndPoint EndPoint => _listen.IPEndPoint!;
    public override string ToString() => $"{Options.Name} on {Options.Scheme}://{EndPoint}";
}

public static class KestrelListeners
{
    /// <summary>Adds the listeners of a server, all in one call: some of their limits are the server's. A listener's name reaches the roles as a
    /// feature of its connections, never by what the client says.</summary>
    public static IReadOnlyList<Listener> AddListeners(this KestrelServerOptions kestrel, params IReadOnlyList<ListenerOptions> listeners)
    {
        kestrel.AddServerHeader = false;
        if (listeners.Count == 0)
            return [];
        kestrel.Limits.RequestHeadersTimeout = listeners.Max(l => l.HeaderTimeout);
        kestrel.Limits.KeepAliveTimeout = listeners.Max(l => l.KeepAlive);
        kestrel.Limits.MaxRequestBodySize = listeners.Max(l => l.MaxBody);
        return [.. listeners.Select(options => Add(kestrel, options))];
    }

    private static Listener Add(KestrelServerOptions kestrel, ListenerOptions options)
    {
        Listener? added = null;
        kestrel.Listen(options.Address, options.Port, listen =>
        {
            listen.Protocols = HttpProtocols.Http1;
            added = new Listener(options, listen);
            Admit(listen, options);
            if (options.Certificate is null || options.CaptureAt == CaptureAt.Medium)
                Capture(listen, options);
            if (options.Certificate is not null)
            {
                listen.UseHttps(new TlsHandshakeCallbackOptions
                {
                    HandshakeTimeout = options.HandshakeTimeout,
                    OnConnection = context => new(Authentication(options, context)),
                });
                if (options.CaptureAt == CaptureAt.Plaintext)
                    Capture(listen, options);
            }
            if (options.Secure is not null)
                Secure(listen, options);
            if (options.Stream is not null)
                listen.Run(connection => ServeAsync(options.Stream, connection));
        });
        return added!;
    }

    private static async Task ServeAsync(Func<StreamRole?> find, ConnectionContext connection)
    {
        if (find() is not { } role)
        {
            connection.Abort(new ConnectionAbortedException("No role serves this listener."));
            return;
        }
        using var stop = connection.Features.Get<IConnectionLifetimeNotificationFeature>() is { } life
            ? CancellationTokenSource.CreateLinkedTokenSource(connection.ConnectionClosed, life.ConnectionClosedRequested)
            : CancellationTokenSource.CreateLinkedTokenSource(connection.ConnectionClosed);
        try
        {
            await role(new StreamConnection(connection), stop.Token);
        }
        catch (Exception e) when (e is ConnectionResetException or ConnectionAbortedException || (e is IOException or OperationCanceledException && stop.IsCancellationRequested))
        {
            // The peer has gone, or the server stops.
        }
    }

    /// <summary>Counts connections and gives them the listener's name.</summary>
    private static void Admit(ListenOptions listen, ListenerOptions options)
    {
        int open = 0;
        listen.Use(next => async connection =>
        {
            try
            {
                if (Interlocked.Increment(ref open) > options.MaxConnections)
                {
                    connection.Abort(new ConnectionAbortedException($"Listener {options.Name} has its {options.MaxConnections} connections."));
                    return;
                }
                connection.Features.Set(new RoleConnection(options.Name, options.Witness.NewSession(), connection.RemoteEndPoint?.ToString()));
                await next(connection);
            }
            finally
            {
                Interlocked.Decrement(ref open);
            }
        });
    }

    private static SslServerAuthenticationOptions Authentication(ListenerOptions options, TlsHandshakeCallbackContext context)
    {
        var name = string.IsNullOrEmpty(context.ClientHelloInfo.ServerName) ? null : context.ClientHelloInfo.ServerName;
        var certificate = options.Certificate!(name);
        var connection = context.Connection.Features.Get<RoleConnection>()!;
        connection.ServerCertificate = certificate.TargetCertificate.RawData;
        var authentication = new SslServerAuthenticationOptions
        {
            ServerCertificateContext = certificate,
            EnabledSslProtocols = options.Protocols,
            AllowRenegotiation = false,
            ApplicationProtocols = options.Stream is null ? [SslApplicationProtocol.Http11] : null,
        };
        if (options.ClientCertificates == ClientCertificates.None)
            return authentication;
        bool required = options.ClientCertificates == ClientCertificates.Require;
        authentication.ClientCertificateRequired = true;
        authentication.RemoteCertificateValidationCallback = (_, shown, chain, _) => connection.Remember(shown, chain, required);
        // A resumed session would bring the leaf only, without its chain.
        authentication.AllowTlsResume = false;
        authentication.CertificateChainPolicy = new X509ChainPolicy
        {
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,
            TrustMode = X509ChainTrustMode.CustomRootTrust,
        };
        return authentication;
    }

    private static void Secure(ListenOptions listen, ListenerOptions options)
    {
        listen.Use(next => async connection =>
        {
            var before = connection.Transport;
            SecuredChannel secured;
            try
            {
                using var limit = CancellationTokenSource.CreateLinkedTokenSource(connection.ConnectionClosed);
                limit.CancelAfter(options.HandshakeTimeout);
                secured = await options.Secure!(new DuplexStream(before), limit.Token);
            }
            catch (IOException)
            {
                // The alert still leaves.
                return;
            }
            catch (OperationCanceledException e)
            {
                connection.Abort(new ConnectionAbortedException("The TLS handshake took too long.", e));
                return;
            }
            connection.Features.Get<RoleConnection>()!.Remember(secured);
            await using var stream = secured.Stream;
            var pipe = new StreamPipe(stream);
            connection.Transport = pipe;
            try
            {
                await next(connection);
            }
            finally
            {
                await pipe.Input.CompleteAsync();
                await pipe.Output.CompleteAsync();
                connection.Transport = before;
            }
        });
    }

    private static void Capture(ListenOptions listen, ListenerOptions options)
    {
        if ((options.Witness.Watching & Watch.Frames) == 0)
            return;
        listen.Use(next => async connection =>
        {
            var before = connection.Transport;
            var session = connection.Features.Get<RoleConnection>()!.Session;
            var point = new CapturePoint(options.Witness, options.Clock, session, $"{connection.LocalEndPoint}", $"{connection.RemoteEndPoint}");
            await using var capture = new CaptureStream(new DuplexStream(before), point);
            var pipe = new StreamPipe(capture);
            connection.Transport = pipe;
            try
            {
                await next(connection);
            }
            finally
            {
                await pipe.Input.CompleteAsync();
                await pipe.Output.CompleteAsync();
                connection.Transport = before;
            }
        });
    }

    private sealed class StreamPipe(Stream stream) : IDuplexPipe
    {
        public PipeReader Input { get; } = PipeReader.Create(stream, new StreamPipeReaderOptions(leaveOpen: true));
        public PipeWriter Output { get; } = PipeWriter.Create(stream, new StreamPipeWriterOptions(leaveOpen: true));
    }
}
