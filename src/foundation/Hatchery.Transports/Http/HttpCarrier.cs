using System.Collections.Concurrent;

namespace Hatchery.Transports;

/// <summary>HTTP/1.1 over TCP or TLS for a party. One connection, kept alive, per <see cref="Open"/>; made at once, and made again when it
/// broke and there is something to send. Proxies, redirects, cookies and compression are not used. Events of a connection come one at a
/// time from threads of the pool; <see cref="PartyHost{TState}"/> brings them to the party's.</summary>
/// <param name="bindings">A new one for each connection.</param>
public sealed class HttpCarrier(Func<Destination, IHttpClientBinding> bindings, HttpCarrierOptions? options = null) : ICarrier, IFlushes
{
    private readonly HttpCarrierOptions _options = options ?? new();
    private readonly ConcurrentDictionary<HttpConnection, bool> _open = new();

    /// <exception cref="ArgumentException">The destination is neither http nor https.</exception>
    public IConnection Open(Destination to, SessionId session, ICarrierEvents events)
    {
        if (to.Scheme is not ("http" or "https"))
            throw new ArgumentException($"The HTTP carrier does not reach {to}.", nameof(to));
        var connection = new HttpConnection(_options, bindings(to), to, session, events);
        _open.TryAdd(connection, true);
        _ = connection.RunAsync().ContinueWith((_, c) => _open.TryRemove((HttpConnection)c!, out var _), connection, CancellationToken.None,
            TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        return connection;
    }

    public Task FlushAsync(CancellationToken cancel) =>
        Task.WhenAll(_open.Keys.Where(c => c.IsClosed).Select(c => c.Done)).WaitAsync(cancel);
}
