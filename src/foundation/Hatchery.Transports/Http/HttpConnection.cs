using System.Collections.Immutable;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Threading.Channels;

namespace Hatchery.Transports;

internal sealed class HttpConnection : IConnection
{
    private static readonly ImmutableArray<Layer> s_clear = [new("TCP", Protection.Clear), new("HTTP", Protection.Clear)];
    private static readonly ImmutableArray<Layer> s_tls = [new("TCP", Protection.Clear), new("TLS", Protection.Full), new("HTTP", Protection.Clear)];

    private readonly HttpCarrierOptions _options;
    private readonly IHttpClientBinding _binding;
    private readonly Destination _to;
    private readonly SessionId _session;
    private readonly ICarrierEvents _events;
    private readonly ServerTrust _trust;
    private readonly Channel<Exchange> _exchanges = Channel.CreateUnbounded<Exchange>(new UnboundedChannelOptions { SingleReader = true });
    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _bindingLock = new();
    private readonly SocketsHttpHandler _handler;
    private readonly HttpMessageInvoker _invoker;
    private Stream? _ready;
    private CaptureStream? _capture;
    private CapturePoint? _capturePoint;
    private volatile Exchange? _current;
    private int _unfinished;
    private volatile bool _closed;

    private sealed record Exchange(IMessage Message, PlainHttpRequest Request, Tag Sending, Tag Receiving)
    {
        public volatile bool Wrote, Read;
    }

    public HttpConnection(HttpCarrierOptions options, IHttpClientBinding binding, Destination to, SessionId session, ICarrierEvents events)
    {
        (_options, _binding, _to, _session, _events) = (options, binding, to, session, events);
        _trust = new ServerTrust(to.Security, to.Host, options.PlatformTrust, options.Clock);
        _handler = new SocketsHttpHandler
        {
            UseProxy = false,
            UseCookies = false,
            AllowAutoRedirect = false,
            AutomaticDecompression = System.Net.DecompressionMethods.None,
            MaxConnectionsPerServer = 1,
            ActivityHeadersPropagator = null,
            MaxResponseHeadersLength = 64,
            ConnectTimeout = Timeout.InfiniteTimeSpan,
            ConnectCallback = async (_, cancel) => Interlocked.Exchange(ref _ready, null) ?? await DialAsync(cancel),
            PlaintextStreamFilter = (context, _) => new(new WatchedStream(context.PlaintextStream, this)),
        };
        _invoker = new HttpMessageInvoker(_handler, disposeHandler: true);
    }

    public bool IsClosed => _closed;
    public Task Done => _done.Task;

    public Encoded Send(IMessage message, Tag tag)
    {
        PlainHttpRequest request;
        lock (_bindingLock)
            request = _binding.Encode(message);
        HttpForm.Encode(request, _to, IsSecuredByOther).Dispose();
        Interlocked.Increment(ref _unfinished);
        _exchanges.Writer.TryWrite(new Exchange(message, request, tag, _options.Witness.NewTag()));
        return new Encoded(request.Body, IsTls ? s_tls : s_clear, Medium.Http);
    }

    /// <summary>What was handed over still leaves; what comes back is not looked at.</summary>
    public void Close()
    {
        if (_closed)
            return;
        _closed = true;
        _exchanges.Writer.TryComplete();
        try
        {
            if (Volatile.Read(ref _unfinished) == 0)
                _stop.Cancel();
            else
                _stop.CancelAfter(_options.LingerTimeout);
        }
        catch (ObjectDisposedException)
        {
            // It ended by itself meanwhile.
        }
    }

    private bool IsTls => _to.Scheme == "https";
    private bool IsSecuredByOther => IsTls && _options.Secure is not null;

    public async Task RunAsync()
    {
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        var stop = _stop.Token;
        try
        {
            await ConnectFirstAsync(stop);
            await foreach (var exchange in _exchanges.Reader.ReadAllAsync(stop))
            {
                await ExchangeAsync(exchange, stop);
                Interlocked.Decrement(ref _unfinished);
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // Closed.
        }
        catch (Exception defect)
        {
            // A binding or a callback threw what it must not: the party ends with a sentence instead of waiting for ever.
            _exchanges.Writer.TryComplete();
            Lose(new CarrierFault($"{defect.GetType().Name}: {defect.Message}", AfterRequestWasSent: true));
        }
        finally
        {
            Interlocked.Exchange(ref _ready, null)?.Dispose();
            _invoker.Dispose();
            _stop.Dispose();
            _done.SetResult();
        }
    }

    private async Task ConnectFirstAsync(CancellationToken stop)
    {
        try
        {
            _ready = await DialAsync(stop);
        }
        catch (Exception e) when (IsTransportFault(e, stop))
        {
            Lose(new CarrierFault(Sentence(e), AfterRequestWasSent: false));
        }
    }

    private async Task ExchangeAsync(Exchange exchange, CancellationToken stop)
    {
        bool sent = false;
        for (int attempt = 0; ; attempt++)
        {
            (exchange.Wrote, exchange.Read) = (false, false);
            _current = exchange;
            using var timeout = CancellationTokenSource.CreateLinkedTokenSource(stop);
            using var limit = new CancellationTokenSource(_options.ResponseTimeout, _options.Clock.Provider);
            using var link = limit.Token.Register(static t => ((CancellationTokenSource)t!).Cancel(), timeout);
            try
            {
                Deliver(exchange, await SendAsync(exchange.Request, timeout.Token));
                return;
            }
            catch (TooLargeException e)
            {
                Lose(new CarrierFault(e.Message, AfterRequestWasSent: true));
                return;
            }
            catch (Exception e) when (IsTransportFault(e, stop))
            {
                sent |= exchange.Wrote;
                bool mayRepeat = exchange.Wrote && !exchange.Read && !limit.IsCancellationRequested && attempt < _options.Retries;
                if (mayRepeat)
                    continue;
                var reason = limit.IsCancellationRequested ? $"No answer within {_options.ResponseTimeout.TotalSeconds} s." : Sentence(e);
                Lose(new CarrierFault(reason, sent));
                return;
            }
        }
    }

    private void Deliver(Exchange exchange, PlainHttpResponse response)
    {
        IMessage? message;
        try
        {
            lock (_bindingLock)
                message = _binding.Parse(response, exchange.Message);
        }
        catch (ProtocolException fault)
        {
            if (!_closed)
                _events.Lost(new CarrierFault(fault.Message, AfterRequestWasSent: true, fault));
            return;
        }
        if (message is not null && !_closed)
            _events.Received(message, new Encoded(response.Body, IsTls ? s_tls : s_clear, Medium.Http), exchange.Receiving);
    }

    /// <summary>Messages that waited for their turn are lost with the connection; a later one makes a new connection.</summary>
    private void Lose(CarrierFault fault)
    {
        while (_exchanges.Reader.TryRead(out _))
            Interlocked.Decrement(ref _unfinished);
        if (!_closed)
            _events.Lost(fault);
    }

    private async Task<PlainHttpResponse> SendAsync(PlainHttpRequest request, CancellationToken cancel)
    {
        using var message = HttpForm.Encode(request, _to, IsSecuredByOther);
        using var response = await _invoker.SendAsync(message, cancel);
        return await HttpForm.ReadAsync(response, _options.MaxResponse, cancel);
    }

    private async Task<Stream> DialAsync(CancellationToken cancel)
    {
        var clock = _options.Clock;
        using var limit = new CancellationTokenSource(_options.ConnectTimeout, clock.Provider);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancel);
        var socket = await TcpDialer.ConnectAsync(_to.Host, _to.Port, _options.ConnectTimeout, clock.Provider, cancel);
        Stream stream = new NetworkStream(socket, ownsSocket: true);
        try
        {
            var point = new CapturePoint(_options.Witness, clock, _session, $"{socket.LocalEndPoint}", $"{socket.RemoteEndPoint}");
            _capturePoint = point;
            if (point.IsOn && (_options.CaptureAt == CaptureAt.Medium || !IsTls))
                stream = _capture = new CaptureStream(stream, point);
            if (IsTls)
                stream = await SecureAsync(stream, both.Token);
            return stream;
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            await stream.DisposeAsync();
            throw new TimeoutException($"{_to} did not finish the TLS handshake within {_options.ConnectTimeout.TotalSeconds} s.");
        }
        catch
        {
            await stream.DisposeAsync();
            throw;
        }
    }

    private async Task<Stream> SecureAsync(Stream stream, CancellationToken cancel)
    {
        if (_options.Secure is { } secure && await secure(_to, stream, cancel) is { } secured)
        {
            if (!_closed)
                _events.Supplied(secured.Channel);
            return secured.Stream;
        }
        SslStreamCertificateContext? identity = null;
        if (_to.Security is ChannelSecurity.Certificates { IdentityItem: { } item })
            identity = _options.Identities?.Invoke(item) ?? throw new AuthenticationException($"There is no certificate and key for {item}.");
        var tls = new SslStream(stream, leaveInnerStreamOpen: false);
        try
        {
            await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
            {
                TargetHost = _to.Host,
                EnabledSslProtocols = _options.Protocols,
                ClientCertificateContext = identity,
                RemoteCertificateValidationCallback = _trust.Validate,
                AllowRenegotiation = false,
                // A resumed session would show the leaf only, without its chain.
                AllowTlsResume = false,
                CertificateChainPolicy = new X509ChainPolicy
                {
                    RevocationMode = X509RevocationMode.NoCheck,
                    DisableCertificateDownloads = true,
                    TrustMode = X509ChainTrustMode.CustomRootTrust,
                },
            }, cancel);
        }
        catch
        {
            await tls.DisposeAsync();
            throw;
        }
        bool provisional = _to.Security is ChannelSecurity.Certificates { Provisional: true };
        if ((provisional || _options.ReportChannel) && !_closed)
            _events.Supplied(new Supply.ServerChain(_trust.Chain) { TlsUnique = TlsUnique.Of(tls) });
        return tls;
    }

    private static bool IsTransportFault(Exception e, CancellationToken stop) => !stop.IsCancellationRequested
        && e is HttpRequestException or IOException or SocketException or TimeoutException or AuthenticationException or OperationCanceledException;

    private string Sentence(Exception e)
    {
        if (_trust.Refusal is { } refusal)
            return refusal;
        var innermost = e;
        while (innermost.InnerException is { } inner)
            innermost = inner;
        return $"{_to}: {innermost.Message}";
    }

    /// <summary>Above TLS: knows whether the request began to leave and whether the answer began to arrive, and sets the tags of frames below.</summary>
    private sealed class WatchedStream : ForwardingStream
    {
        private readonly HttpConnection _owner;
        private readonly CaptureStream? _capture;

        public WatchedStream(Stream inner, HttpConnection owner) : base(Captured(inner, owner, out var capture)) => (_owner, _capture) = (owner, capture);

        private static Stream Captured(Stream inner, HttpConnection owner, out CaptureStream? capture)
        {
            capture = owner._capture;
            if (owner._options.CaptureAt == CaptureAt.Plaintext && owner.IsTls && owner._capturePoint is { IsOn: true } point)
                return capture = new CaptureStream(inner, point);
            return inner;
        }

        protected override void Writing()
        {
            if (_owner._current is not { } current)
                return;
            current.Wrote = true;
            if (_capture is not null)
                (_capture.Sending, _capture.Receiving) = (current.Sending, current.Receiving);
        }

        protected override void HasRead(int count)
        {
            if (count > 0 && _owner._current is { } current)
                current.Read = true;
        }
    }
}
