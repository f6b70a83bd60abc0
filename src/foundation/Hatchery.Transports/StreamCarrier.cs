using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Threading.Channels;

namespace Hatchery.Transports;

/// <summary>TCP or TLS without HTTP for a party that asks and is answered. One connection per <see cref="Open"/>; made at once. Nothing is sent twice: who knows
/// what became of it. Events come as those of <see cref="HttpCarrier"/>.</summary>
/// <param name="bindings">A new one for each connection.</param>
/// <param name="options">As for HTTP, without its retries.</param>
public sealed class StreamCarrier(Func<Destination, IStreamClientBinding> bindings, HttpCarrierOptions? options = null) : ICarrier, IFlushes
{
    private readonly HttpCarrierOptions _options = options ?? new();
    private readonly ConcurrentDictionary<StreamClient, bool> _open = new();

    /// <exception cref="ArgumentException">The destination is neither tcp nor tls.</exception>
    public IConnection Open(Destination to, SessionId session, ICarrierEvents events)
    {
        if (to.Scheme is not ("tcp" or "tls"))
            throw new ArgumentException($"The stream carrier does not reach {to}.", nameof(to));
        var connection = new StreamClient(_options, bindings(to), to, session, events);
        _open.TryAdd(connection, true);
        _ = connection.RunAsync().ContinueWith((_, c) => _open.TryRemove((StreamClient)c!, out var _), connection, CancellationToken.None,
            TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        return connection;
    }

    public Task FlushAsync(CancellationToken cancel) =>
        Task.WhenAll(_open.Keys.Where(c => c.IsClosed).Select(c => c.Done)).WaitAsync(cancel);
}

/// <summary>Several carriers as one: the destination's scheme picks.</summary>
public sealed class CarrierBySchemes(ImmutableDictionary<string, ICarrier> carriers) : ICarrier, IFlushes
{
    /// <exception cref="ArgumentException">No carrier reaches this scheme.</exception>
    public IConnection Open(Destination to, SessionId session, ICarrierEvents events) =>
        carriers.TryGetValue(to.Scheme, out var carrier) ? carrier.Open(to, session, events) : throw new ArgumentException($"No carrier reaches {to}.", nameof(to));

    public Task FlushAsync(CancellationToken cancel) => Task.WhenAll(carriers.Values.Distinct().OfType<IFlushes>().Select(c => c.FlushAsync(cancel)));
}

internal sealed class StreamClient : IConnection
{
    private static readonly ImmutableArray<Layer> s_clear = [new("TCP", Protection.Clear)];
    private static readonly ImmutableArray<Layer> s_tls = [new("TCP", Protection.Clear), new("TLS", Protection.Full)];

    private readonly HttpCarrierOptions _options;
    private readonly IStreamClientBinding _binding;
    private readonly Destination _to;
    private readonly SessionId _session;
    private readonly ICarrierEvents _events;
    private readonly Channel<(IMessage Message, ReadOnlyMemory<byte> Bytes, Tag Tag)> _requests = Channel.CreateUnbounded<(IMessage, ReadOnlyMemory<byte>, Tag)>(new() { SingleReader = true });
    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _lock = new();
    private volatile bool _closed;

    public StreamClient(HttpCarrierOptions options, IStreamClientBinding binding, Destination to, SessionId session, ICarrierEvents events) =>
        (_options, _binding, _to, _session, _events) = (options, binding, to, session, events);

    public bool IsClosed => _closed;
    public Task Done => _done.Task;
    private bool IsTls => _to.Scheme == "tls";
    private ImmutableArray<Layer> Layers => IsTls ? s_tls : s_clear;

    public Encoded Send(IMessage message, Tag tag)
    {
        ReadOnlyMemory<byte> bytes;
        lock (_lock)
            bytes = _binding.Encode(message);
        _requests.Writer.TryWrite((message, bytes, tag));
        return new Encoded(bytes, Layers, Medium.Tcp);
    }

    /// <summary>What was handed over still leaves.</summary>
    public void Close()
    {
        if (_closed)
            return;
        _closed = true;
        _requests.Writer.TryComplete();
        try
        {
            _stop.CancelAfter(_options.LingerTimeout);
        }
        catch (ObjectDisposedException)
        {
            // It ended by itself meanwhile.
        }
    }

    public async Task RunAsync()
    {
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        var stop = _stop.Token;
        bool sent = false;
        try
        {
            await using var stream = await DialAsync(stop);
            await foreach (var (message, bytes, tag) in _requests.Reader.ReadAllAsync(stop))
            {
                using var limit = new CancellationTokenSource(_options.ResponseTimeout, _options.Clock.Provider);
                using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, stop);
                if (stream is CaptureStream capture)
                    (capture.Sending, capture.Receiving) = (tag, _options.Witness.NewTag());
                sent = true;
                await stream.WriteAsync(bytes, both.Token);
                if (_binding.IsAnswered(message) && !_closed && !await AnswerAsync(stream, message, both.Token))
                    return;
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // Closed.
        }
        catch (OperationCanceledException)
        {
            Lose(new CarrierFault($"No answer within {_options.ResponseTimeout.TotalSeconds} s.", sent));
        }
        catch (Exception e) when (e is IOException or SocketException or TimeoutException or AuthenticationException)
        {
            Lose(new CarrierFault(e.Message, sent));
        }
        catch (Exception defect)
        {
            Lose(new CarrierFault($"{defect.GetType().Name}: {defect.Message}", true));
        }
        finally
        {
            _stop.Dispose();
            _done.SetResult();
        }
    }

    /// <summary>False: what came was no answer; the stream is of no use any more.</summary>
    private async Task<bool> AnswerAsync(Stream stream, IMessage request, CancellationToken cancel)
    {
        var buffer = new byte[16384];
        while (true)
        {
            IMessage? answer;
            ReadOnlyMemory<byte> bytes;
            try
            {
                lock (_lock)
                    answer = _binding.Next(request, out bytes);
            }
            catch (ProtocolException fault)
            {
                if (!_closed)
                    _events.Lost(new CarrierFault(fault.Message, AfterRequestWasSent: true, fault));
                return true;
            }
            if (answer is not null)
            {
                if (!_closed)
                    _events.Received(answer, new Encoded(bytes, Layers, Medium.Tcp), (stream as CaptureStream)?.Receiving ?? default);
                return true;
            }
            int read = await stream.ReadAsync(buffer, cancel);
            if (read == 0)
            {
                Lose(new CarrierFault($"{_to} closed the connection.", AfterRequestWasSent: true));
                return false;
            }
            lock (_lock)
                _binding.Receive(buffer.AsSpan(0, read));
        }
    }

    private void Lose(CarrierFault fault)
    {
        _requests.Writer.TryComplete();
        if (!_closed)
            _events.Lost(fault);
    }

    private async Task<Stream> DialAsync(CancellationToken cancel)
    {
        var socket = await TcpDialer.ConnectAsync(_to.Host, _to.Port, _options.ConnectTimeout, _options.Clock.Provider, cancel);
        Stream stream = new NetworkStream(socket, ownsSocket: true);
        try
        {
            var point = new CapturePoint(_options.Witness, _options.Clock, _session, $"{socket.LocalEndPoint}", $"{socket.RemoteEndPoint}");
            if (point.IsOn && (_options.CaptureAt == CaptureAt.Medium || !IsTls))
                stream = new CaptureStream(stream, point);
            return IsTls ? await SecureAsync(stream, cancel) : stream;
        }
        catch
        {
            await stream.DisposeAsync();
            throw;
        }
    }

    private async Task<SslStream> SecureAsync(Stream stream, CancellationToken cancel)
    {
        var trust = new ServerTrust(_to.Security, _to.Host, _options.PlatformTrust, _options.Clock);
        var tls = new SslStream(stream, leaveInnerStreamOpen: false);
        using var limit = new CancellationTokenSource(_options.ConnectTimeout, _options.Clock.Provider);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancel);
        try
        {
            await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
            {
                TargetHost = _to.Host,
                EnabledSslProtocols = _options.Protocols,
                RemoteCertificateValidationCallback = trust.Validate,
                AllowRenegotiation = false,
                AllowTlsResume = false,
                CertificateChainPolicy = new X509ChainPolicy
                {
                    RevocationMode = X509RevocationMode.NoCheck,
                    DisableCertificateDownloads = true,
                    TrustMode = X509ChainTrustMode.CustomRootTrust,
                },
            }, both.Token);
            return tls;
        }
        catch (AuthenticationException e) when (trust.Refusal is { } refusal)
        {
            await tls.DisposeAsync();
            throw new AuthenticationException(refusal, e);
        }
        catch (OperationCanceledException e) when (!cancel.IsCancellationRequested)
        {
            await tls.DisposeAsync();
            throw new TimeoutException($"{_to} did not finish the TLS handshake within {_options.ConnectTimeout.TotalSeconds} s.", e);
        }
        catch
        {
            await tls.DisposeAsync();
            throw;
        }
    }
}
