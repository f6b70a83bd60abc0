using Hatchery.Coap.Oscore;

namespace Hatchery.Coap.Engine;

/// <summary>One request of ours from its first block to its last response. Every block has a token of its own; the first one's stays with an observation.</summary>
internal sealed partial class ClientExchange<TPath>(ClientSide<TPath> side, CoapTicket ticket, TPath path, CoapRequest request, Tag tag) : MessageOwner where TPath : notnull
{
    private const int MaxRestarts = 2;
    private readonly CoapEngine<TPath> _engine = side.Engine;
    private CoapToken _token, _observeToken;
    private OscoreExchange? _oscore, _observeOscore;
    private ReadOnlyMemory<byte>? _echo;
    private bool _tokenInUse, _observeTokenInUse, _ended, _isUpload;
    private int _restarts;
    private CoapTags _tags;

    // The body that leaves: acknowledged so far, in the last message, and the size of blocks.
    private int _sent, _chunk, _exponent;
    private uint? _requestTag;

    public CoapTicket Ticket => ticket;

    private bool WantsObserve => request.Options.Observe == 0 && (request.Method == CoapCode.Get || request.Method == CoapCode.Fetch);

    public bool IsWith(TPath other) => !request.IsMulticast && EqualityComparer<TPath>.Default.Equals(path, other);
    public bool MayComeFrom(in TPath from) => request.IsMulticast || EqualityComparer<TPath>.Default.Equals(path, from);

    public Accepted Start(Moment now)
    {
        if (request.Oscore is { } context && !context.CanSend)
            return Accepted.TryLater;
        int largest = _engine.LargestExponent(path);
        int single = largest == Block.Bert ? _engine.LargestPayload(path) : largest < 0 ? int.MaxValue : 1 << (largest + 4);
        _isUpload = request.Payload.Length > single && !request.IsMulticast;
        if (request.Payload.Length > single && request.IsMulticast || largest < 0 && request.Payload.Length > _engine.LargestPayload(path))
            return Accepted.TooLarge;
        if (_isUpload)
        {
            _exponent = largest;
            if (request.Oscore is not null || side.Uploads > 0)
                _requestTag = side.NewRequestTag();
            side.Uploads++;
        }
        return Step(now);
    }

    /// <summary>Sends the next message: the request, or one block of it, or a request for one block of the response.</summary>
    private Accepted Step(Moment now)
    {
        var options = request.Options;
        var payload = request.Payload;
        if (_fetch is { } fetch)
        {
            options = options.Where(static n => n is not (CoapOptionNumber.Observe or CoapOptionNumber.Block2 or CoapOptionNumber.Size2))
                .Add(CoapOptionNumber.Block2, new Block(fetch.NextNumber, false, fetch.Exponent).Value);
            payload = default;
        }
        else if (_isUpload)
            (options, payload) = NextBlock(options);
        if (_requestTag is { } requestTag)
            options = options.Set(CoapOptionNumber.RequestTag, requestTag);
        if (_echo is { } echo)
            options = options.Set(CoapOptionNumber.Echo, echo.Span);
        bool registers = WantsObserve && _fetch is null;
        var token = registers && _observeTokenInUse ? _observeToken : _engine.NewToken();
        Take(token, registers);
        var content = new CoapContent(request.Method, options, payload);
        if (request.Oscore is { } context)
        {
            if (context.ProtectRequest(content, out var exchange) is not { } outer)
                return Accepted.TryLater;
            _engine.CheckReserve(context);
            content = outer;
            _oscore = exchange;
            if (registers)
                _observeOscore = exchange;
        }
        // Runs from the departure; until then the messages before it have deadlines of their own.
        _engine.Timers.Cancel(this);
        return _engine.Send(new Outgoing<TPath>(this, path, request.Confirmable && !request.IsMulticast, content.Code, token, content.Options, content.Payload, tag), now);
    }

    private (CoapOptions, ReadOnlyMemory<byte>) NextBlock(CoapOptions options)
    {
        int size = new Block(0, false, _exponent).Size;
        if (_exponent == Block.Bert)
            size *= Math.Max(1, (_engine.LargestPayload(path) - 64) / size);
        _chunk = Math.Min(size, request.Payload.Length - _sent);
        var block = new Block(_sent / new Block(0, false, _exponent).Size, _sent + _chunk < request.Payload.Length, _exponent);
        options = options.Set(CoapOptionNumber.Block1, block.Value);
        if (_sent == 0)
            options = options.Set(CoapOptionNumber.Size1, (ulong)request.Payload.Length);
        return (options, request.Payload.Slice(_sent, _chunk));
    }

    private void Take(CoapToken token, bool registers)
    {
        ReleaseToken();
        if (registers)
            (_observeToken, _observeTokenInUse) = (token, true);
        else
            (_token, _tokenInUse) = (token, true);
        side.Use(token, this);
    }

    private void ReleaseToken()
    {
        if (_tokenInUse)
            side.Release(_token);
        _tokenInUse = false;
    }

    public override void Left(Moment now) => _engine.Timers.Arm(this, now.Elapsed.Plus(request.Timeout ?? _engine.Settings.ResponseTimeout));

    /// <summary>The peer takes its time from here on.</summary>
    public override void Acknowledged(Moment now) => Left(now);

    public override void Undelivered(CoapFailure failure, Moment now) => Fail(failure);

    public override void Expire(Moment now)
    {
        if (_ended)
            return;
        if (_registered && !_refreshing && _fetch is null)
        {
            // Nothing was heard for as long as the last representation was fresh.
            _refreshing = true;
            if (Step(now) == Accepted.Yes)
                return;
        }
        if (request.IsMulticast)
            Fail(new CoapFailure(CoapFailureReason.Timeout, "The time for a group's answers is over."));
        else
            Fail(new CoapFailure(CoapFailureReason.Timeout, "No response."));
    }

    private void Fail(CoapFailure failure)
    {
        if (_ended)
            return;
        side.End(this);
        _engine.Raise(new CoapEvent<TPath> { Kind = CoapEventKind.Failed, Ticket = ticket, Path = path, Failure = failure, Tags = _tags });
    }

    private void Broken(string sentence) => Fail(new CoapFailure(CoapFailureReason.Broken, sentence));

    public void Cancel(Moment now)
    {
        if (!_observeTokenInUse || _ended)
            return;
        var content = new CoapContent(request.Method, request.Options.Set(CoapOptionNumber.Observe, 1), request.Method == CoapCode.Fetch ? request.Payload : default);
        if (request.Oscore is { } context)
        {
            if (context.ProtectRequest(content, out _) is not { } outer)
                return;
            content = outer;
        }
        _engine.Send(new Outgoing<TPath>(null, path, true, content.Code, _observeToken, content.Options, content.Payload, tag), now);
    }

    public void Ended()
    {
        _ended = true;
        ReleaseToken();
        if (_observeTokenInUse)
            side.Release(_observeToken);
        _observeTokenInUse = false;
        if (_isUpload)
            side.Uploads--;
    }
}
