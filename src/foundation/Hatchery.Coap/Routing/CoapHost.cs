namespace Hatchery.Coap;

/// <summary>Joins an engine to an application: runs a <see cref="CoapApp"/> for the peers' requests, and turns requests of ours into tasks. The engine belongs to one
/// thread (a pump's, or the simulation's); everything public here may be called from any.</summary>
/// <param name="post">Runs something on the engine's thread, after which events and transmissions are drained.</param>
/// <param name="failed">Takes what a handler threw and no peer is to see.</param>
public sealed partial class CoapHost<TPath>(CoapEngine<TPath> engine, Action<Action> post, Func<Moment> now, CoapApp? app = null, Action<Exception>? failed = null) : IDisposable where TPath : notnull
{
    private sealed class Waiting(CoapRequest request, TPath to, Tag tag, Action<CoapEvent<TPath>> take)
    {
        public CoapRequest Request => request;
        public TPath To => to;
        public Tag Tag => tag;
        public Action<CoapEvent<TPath>> Take => take;
        public CoapTicket Ticket { get; set; }
        public bool IsGivenUp { get; set; }
    }

    private sealed record Observed(CoapRequest Request, TPath Peer);

    private readonly Dictionary<CoapTicket, Waiting> _waiting = [];
    private readonly Queue<Waiting> _later = new();
    private readonly Dictionary<CoapTicket, Observed> _observed = [];
    private readonly CancellationTokenSource _stop = new();

    public CoapEngine<TPath> Engine => engine;

    /// <summary>What the engine says; on its thread.</summary>
    public void Handle(in CoapEvent<TPath> happened)
    {
        switch (happened.Kind)
        {
            case CoapEventKind.Request:
                Serve(happened.Ticket, happened.Request!, happened.Path!);
                break;
            case CoapEventKind.Response or CoapEventKind.Failed:
                Settle(happened);
                break;
            case CoapEventKind.ObservationEnded:
                _observed.Remove(happened.Ticket);
                break;
            case CoapEventKind.ReserveSequence:
                SequenceWanted?.Invoke(happened.Context!);
                break;
            case CoapEventKind.Connected:
                TryAgain();
                break;
        }
    }

    /// <summary>An OSCORE context wants its next sequence numbers stored; on the engine's thread. Answered by <see cref="Reserved"/>.</summary>
    public event Action<Oscore.OscoreContext>? SequenceWanted;

    /// <summary><see cref="Oscore.OscoreContext.Reserve"/> for a context in use; requests that waited for it go on.</summary>
    public void Reserved(Oscore.OscoreContext context, ulong below) => post(() =>
    {
        context.Reserve(below);
        TryAgain();
    });

    private void Serve(CoapTicket ticket, CoapRequest request, TPath peer)
    {
        if (app is null)
        {
            engine.Respond(ticket, CoapResults.Status(CoapCode.NotFound), default, now());
            return;
        }
        var work = app.HandleAsync(request, peer, now(), failed, _stop.Token);
        if (work.IsCompletedSuccessfully)
            Answer(ticket, request, peer, work.Result);
        else
            _ = AnswerLater(ticket, request, peer, work.AsTask());
    }

    private async Task AnswerLater(CoapTicket ticket, CoapRequest request, TPath peer, Task<(CoapResponse, CoapRoute?)> work)
    {
        try
        {
            var answer = await work;
            post(() => Answer(ticket, request, peer, answer));
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // The host is gone, and the engine with it.
        }
    }

    private void Answer(CoapTicket ticket, CoapRequest request, TPath peer, (CoapResponse Response, CoapRoute? Route) answer)
    {
        bool observe = answer.Route is { IsObservable: true } && request.Options.Observe == 0;
        engine.Respond(ticket, answer.Response, default, now(), observe);
        if (observe && engine.IsObserved(ticket))
            _observed[ticket] = new Observed(request, peer);
    }

    /// <summary>A resource has changed: its handler is asked again for each observer, who gets the answer.</summary>
    /// <param name="path">As <see cref="CoapOptions.UriPath"/> shows it: "/sensors/3".</param>
    public void Changed(string path, bool confirmable = false) => post(() =>
    {
        foreach (var (ticket, observed) in _observed.Where(o => o.Value.Request.Path == path).ToArray())
            _ = NotifyAsync(ticket, observed, confirmable);
    });

    private async Task NotifyAsync(CoapTicket ticket, Observed observed, bool confirmable)
    {
        try
        {
            var work = app!.HandleAsync(observed.Request, observed.Peer, now(), failed, _stop.Token);
            if (work.IsCompletedSuccessfully)
            {
                engine.Notify(ticket, work.Result.Response, default, now(), confirmable);
                return;
            }
            var answer = await work;
            post(() => engine.Notify(ticket, answer.Response, default, now(), confirmable));
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // As in AnswerLater.
        }
    }

    /// <summary>Requests that wait are given up, and so are handlers that run.</summary>
    public void Dispose()
    {
        _stop.Cancel();
        post(() =>
        {
            foreach (var waiting in _waiting.Values.ToArray())
                waiting.Take(new CoapEvent<TPath> { Kind = CoapEventKind.Failed, Failure = new(CoapFailureReason.Closed, "The host is gone.") });
            _waiting.Clear();
        });
    }
}
