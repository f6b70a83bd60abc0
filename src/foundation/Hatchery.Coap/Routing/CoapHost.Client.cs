using System.Runtime.CompilerServices;
using System.Threading.Channels;

namespace Hatchery.Coap;

// Requests of ours as tasks.
public sealed partial class CoapHost<TPath>
{
    public CoapClient<TPath> To(TPath path) => new(this, path);

    /// <summary>A request whose outcome is taken by a callback on the engine's thread, never from within this call: Response, or Failed.</summary>
    /// <param name="tag">Of the frames that carry it.</param>
    public void Start(TPath to, CoapRequest request, Tag tag, Action<CoapEvent<TPath>> take)
    {
        var waiting = new Waiting(request, to, tag, take);
        post(() => Start(waiting));
    }

    /// <summary>The response, whatever its code.</summary>
    /// <exception cref="CoapException">None came: "Timeout", "Reset", "Closed", "TooLarge" or "Broken", as <see cref="CoapFailureReason"/>.</exception>
    public async Task<CoapResponse> SendAsync(TPath to, CoapRequest request, CancellationToken cancel = default)
    {
        var done = new TaskCompletionSource<CoapResponse>(TaskCreationOptions.RunContinuationsAsynchronously);
        var waiting = new Waiting(request, to, default, happened =>
        {
            if (happened.Response is { } response)
                done.TrySetResult(response);
            else
                done.TrySetException(Failed(happened.Failure!));
        });
        post(() => Start(waiting));
        await using var registration = cancel.Register(() =>
        {
            done.TrySetCanceled(cancel);
            post(() => GiveUp(waiting));
        });
        return await done.Task;
    }

    /// <summary>The representation now and at each change, until the enumeration ends; slow readers miss all but the last few.</summary>
    /// <exception cref="CoapException">As <see cref="SendAsync"/>; also when the peer ends the observation or does not grant it, after its last response was given.</exception>
    public async IAsyncEnumerable<CoapResponse> ObserveAsync(TPath to, CoapRequest request, [EnumeratorCancellation] CancellationToken cancel = default)
    {
        await foreach (var (_, response) in Many(to, request.Observing(), cancel))
            yield return response;
    }

    /// <summary>What the members of a group answer until the request's timeout.</summary>
    /// <param name="group">A multicast address.</param>
    public async IAsyncEnumerable<(TPath From, CoapResponse Response)> AskGroupAsync(TPath group, CoapRequest request, [EnumeratorCancellation] CancellationToken cancel = default)
    {
        await foreach (var answer in Many(group, request with { IsMulticast = true, Confirmable = false }, cancel))
            yield return answer;
    }

    private async IAsyncEnumerable<(TPath From, CoapResponse Response)> Many(TPath to, CoapRequest request, [EnumeratorCancellation] CancellationToken cancel)
    {
        var channel = Channel.CreateBounded<(TPath, CoapResponse)>(new BoundedChannelOptions(request.IsMulticast ? 1024 : 16) { FullMode = BoundedChannelFullMode.DropOldest });
        var waiting = new Waiting(request, to, default, happened =>
        {
            if (happened.Response is { } response)
                channel.Writer.TryWrite((happened.Path!, response));
            if (happened.MoreToCome)
                return;
            // A group's answers end with their time.
            bool isEnd = request.IsMulticast && happened.Failure is { Reason: CoapFailureReason.Timeout };
            channel.Writer.TryComplete(isEnd ? null : Failed(happened.Failure ?? new CoapFailure(CoapFailureReason.Closed, "The peer does not let it be observed, or no longer.")));
        });
        post(() => Start(waiting));
        try
        {
            while (await channel.Reader.WaitToReadAsync(cancel))
                while (channel.Reader.TryRead(out var answer))
                    yield return answer;
        }
        finally
        {
            post(() => GiveUp(waiting));
        }
    }

    private void Start(Waiting waiting)
    {
        if (waiting.IsGivenUp)
            return;
        switch (engine.Request(waiting.Request, waiting.To, waiting.Tag, now(), out var ticket))
        {
            case Accepted.Yes:
                waiting.Ticket = ticket;
                _waiting.Add(ticket, waiting);
                break;
            case Accepted.TryLater:
                _later.Enqueue(waiting);
                break;
            case Accepted.TooLarge:
                waiting.Take(Refused(CoapFailureReason.TooLarge, "The request is too long for this peer."));
                break;
            default:
                waiting.Take(Refused(CoapFailureReason.Closed, "The connection is gone."));
                break;
        }
    }

    private static CoapEvent<TPath> Refused(CoapFailureReason reason, string sentence) => new() { Kind = CoapEventKind.Failed, Failure = new CoapFailure(reason, sentence) };

    private void Settle(in CoapEvent<TPath> happened)
    {
        if (!_waiting.TryGetValue(happened.Ticket, out var waiting))
            return;
        if (!happened.MoreToCome)
            _waiting.Remove(happened.Ticket);
        waiting.Take(happened);
        if (!happened.MoreToCome)
            TryAgain();
    }

    private void TryAgain()
    {
        for (int left = _later.Count; left > 0 && _later.TryDequeue(out var next); left--)
            Start(next);
    }

    private void GiveUp(Waiting waiting)
    {
        waiting.IsGivenUp = true;
        if (_waiting.Remove(waiting.Ticket))
            engine.Cancel(waiting.Ticket, now());
    }

    private static CoapException Failed(CoapFailure failure) => new(failure.Reason.ToString(), "response", failure.Sentence);
}

/// <summary>One peer, as a client sees it.</summary>
public sealed class CoapClient<TPath>(CoapHost<TPath> host, TPath peer) where TPath : notnull
{
    public TPath Peer => peer;

    /// <inheritdoc cref="CoapHost{TPath}.SendAsync"/>
    public Task<CoapResponse> SendAsync(CoapRequest request, CancellationToken cancel = default) => host.SendAsync(peer, request, cancel);
    public Task<CoapResponse> GetAsync(string path, CancellationToken cancel = default) => SendAsync(CoapRequest.Get(path), cancel);
    public Task<CoapResponse> PostAsync(string path, ReadOnlyMemory<byte> payload, int format, CancellationToken cancel = default) => SendAsync(CoapRequest.Post(path, payload, format), cancel);
    public Task<CoapResponse> PutAsync(string path, ReadOnlyMemory<byte> payload, int format, CancellationToken cancel = default) => SendAsync(CoapRequest.Put(path, payload, format), cancel);
    public Task<CoapResponse> DeleteAsync(string path, CancellationToken cancel = default) => SendAsync(CoapRequest.Delete(path), cancel);
    /// <inheritdoc cref="CoapHost{TPath}.ObserveAsync"/>
    public IAsyncEnumerable<CoapResponse> ObserveAsync(string path, CancellationToken cancel = default) => host.ObserveAsync(peer, CoapRequest.Get(path), cancel);

    /// <summary>What "/.well-known/core" lists.</summary>
    /// <param name="query">"rt=ace.est*"; null: all.</param>
    /// <exception cref="CoapException">As <see cref="SendAsync"/>; also for a response that is no success or no link format.</exception>
    public async Task<System.Collections.Immutable.ImmutableArray<CoreLink>> DiscoverAsync(string? query = null, CancellationToken cancel = default)
    {
        var response = await GetAsync(WellKnown.Path + (query is null ? "" : "?" + query), cancel);
        return response.Code.IsSuccess ? CoreLink.Parse(response.Payload.Span) : throw new CoapException(response.Code.ToString(), "response", $"{WellKnown.Path} was answered by {response.Code}.");
    }
}
