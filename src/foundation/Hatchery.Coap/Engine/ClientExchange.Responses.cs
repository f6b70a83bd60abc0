using System.Buffers;

namespace Hatchery.Coap.Engine;

// What comes back.
internal sealed partial class ClientExchange<TPath>
{
    /// <summary>A response body that arrives in blocks.</summary>
    private sealed class Fetch
    {
        public required CoapContent First { get; init; }
        public required int Exponent { get; set; }
        /// <summary>The answer that registered, or a notification.</summary>
        public required bool IsNotification { get; init; }
        public ArrayBufferWriter<byte> Body { get; } = new();
        public int NextNumber => Body.WrittenCount / new Block(0, false, Exponent).Size;
    }

    private Fetch? _fetch;
    private bool _registered, _refreshing;
    private uint _sequence;
    private TimeSpan _notified;

    /// <summary>False: to be rejected.</summary>
    public bool Received(in TPath from, CoapToken token, CoapContent content, Moment now, Tag frames)
    {
        bool isObserve = _observeTokenInUse && token == _observeToken;
        bool wasProtected = request.Oscore is null;
        if (request.Oscore is not null)
        {
            var exchange = isObserve ? _observeOscore : _oscore;
            try
            {
                content = exchange!.UnprotectResponse(content, isObserve && _registered);
                wasProtected = true;
            }
            catch (CoapException e)
            {
                // A forgery, or a peer without our context; only an error may come without protection, and it ends the request without being believed.
                if (content.Options.Has(CoapOptionNumber.Oscore) || !content.Code.IsResponse || content.Code.IsSuccess)
                    return false;
                Broken($"{content.Code} without protection: {e.Message}");
                return true;
            }
        }
        if (content.Options.FirstBad(_engine.Settings.KnownOptions) is > 0 and var bad)
        {
            if (!_registered)
                Broken($"The response has the critical option {bad}, which is not understood.");
            return false;
        }
        _tags = _tags.And(frames);
        if (wasProtected && content.Code == CoapCode.Unauthorized && content.Options.Echo is { } echo && _restarts++ < MaxRestarts)
        {
            _echo = echo.ToArray();
            Again(now);
            return true;
        }
        if (request.IsMulticast)
            Give(from, content, content.Payload, moreToCome: true);
        else if (isObserve && _registered && !_refreshing)
            Notified(content, now);
        else if (_isUpload && _fetch is null && !Uploaded(content, now))
            return true;
        else if (!(isObserve && _fetch is not null && !_refreshing))
            Answered(content, isObserve, now);
        return true;
    }

    private void Again(Moment now)
    {
        if (Step(now) != Accepted.Yes)
            Fail(new CoapFailure(CoapFailureReason.Closed, "The next message of the exchange could not be sent."));
    }

    /// <summary>An answer to one block of the request. True: it is the answer to the whole.</summary>
    private bool Uploaded(in CoapContent content, Moment now)
    {
        bool isLast = _sent + _chunk >= request.Payload.Length;
        if (content.Options.Block1 is not { } block)
        {
            // 4.08 without Block1: the peer lost what it had.
            return content.Code != CoapCode.RequestEntityIncomplete || !Restart(now);
        }
        if (content.Code == CoapCode.RequestEntityTooLarge && _sent == 0 && block.Exponent < _exponent && block.Exponent >= 0)
        {
            _exponent = block.Exponent;
            Again(now);
            return false;
        }
        if (content.Code == CoapCode.RequestEntityIncomplete && Restart(now))
            return false;
        if (!content.Code.IsSuccess || isLast && content.Code != CoapCode.Continue)
            return true;
        if (isLast)
        {
            Broken("2.31 to the last block.");
            return false;
        }
        if (block.Number != _sent / new Block(0, false, _exponent).Size)
        {
            Broken($"Block1 {block.Number} was acknowledged where another one was sent.");
            return false;
        }
        _sent += _chunk;
        if (block.Exponent < _exponent && _sent % block.Size == 0)
            _exponent = block.Exponent;
        Again(now);
        return false;
    }

    private bool Restart(Moment now)
    {
        if (_sent == 0 || _restarts++ >= MaxRestarts)
            return false;
        _sent = 0;
        Again(now);
        return true;
    }

    /// <summary>The response to the request, to a registration, or one block of a response.</summary>
    private void Answered(in CoapContent content, bool isObserve, Moment now)
    {
        if (_fetch is { } fetch)
        {
            Fetched(fetch, content, now);
            return;
        }
        bool registered = isObserve && content.Code.IsSuccess && content.Options.Observe is not null;
        if (registered)
        {
            (_registered, _refreshing) = (true, false);
            (_sequence, _notified) = (content.Options.Observe!.Value, now.Elapsed);
        }
        else
            _registered = false;
        Begin(content, registered, now);
    }

    private void Notified(in CoapContent content, Moment now)
    {
        if (!content.Code.IsSuccess || content.Options.Observe is not { } sequence)
        {
            _registered = false;
            _fetch = null;
            Begin(content, false, now);
            return;
        }
        if (!IsNewer(sequence, now))
            return;
        (_sequence, _notified) = (sequence, now.Elapsed);
        // A newer representation replaces the one whose blocks were still being fetched.
        _fetch = null;
        ReleaseToken();
        Begin(content, true, now);
    }

    /// <summary>RFC 7641 section 3.4.</summary>
    private bool IsNewer(uint sequence, Moment now) =>
        _sequence < sequence && sequence - _sequence < 1 << 23 || _sequence > sequence && _sequence - sequence > 1 << 23
        || now.Elapsed > _notified + TimeSpan.FromSeconds(128);

    /// <summary>A whole response, or the first block of one.</summary>
    private void Begin(in CoapContent content, bool isNotification, Moment now)
    {
        bool isPart = request.Options.Block2 is { Number: > 0 };
        if (content.Options.Block2 is { Number: 0, More: true } block && !isPart)
        {
            _fetch = new Fetch { First = content, Exponent = block.Exponent, IsNotification = isNotification };
            Fetched(_fetch, content, now);
            return;
        }
        if (content.Options.Block2 is { Number: > 0 } && !isPart)
        {
            Broken("The response begins with a later block.");
            return;
        }
        Complete(content, content.Payload, isNotification, now);
    }

    private void Fetched(Fetch fetch, in CoapContent content, Moment now)
    {
        if (!content.Code.IsSuccess)
        {
            // The resource changed or went away while its blocks were fetched.
            if (content.Code != CoapCode.RequestEntityIncomplete || fetch.IsNotification || !Refetch(now))
                Complete(content, content.Payload, false, now);
            return;
        }
        if (content.Options.Block2 is not { } block || block.Offset != fetch.Body.WrittenCount || content.Code != fetch.First.Code)
        {
            Broken("Not the block that was asked for.");
            return;
        }
        if (!SameETag(fetch.First, content))
        {
            if (!Refetch(now))
                Broken("The resource changes faster than its blocks are fetched.");
            return;
        }
        if (fetch.Body.WrittenCount + content.Payload.Length > _engine.Settings.MaxResponseBody)
        {
            Fail(new CoapFailure(CoapFailureReason.TooLarge, $"The response has more than {_engine.Settings.MaxResponseBody} bytes."));
            return;
        }
        if (block.More && (content.Payload.IsEmpty || content.Payload.Length % block.Size != 0 || block.Exponent != Block.Bert && content.Payload.Length != block.Size))
        {
            Broken("A block that is not the last has not its full size.");
            return;
        }
        fetch.Body.Write(content.Payload.Span);
        fetch.Exponent = block.Exponent;
        if (block.More)
            Again(now);
        else
            Complete(fetch.First, fetch.Body.WrittenMemory, fetch.IsNotification, now);
    }

    /// <summary>From the first block again, where asking twice does no harm.</summary>
    private bool Refetch(Moment now)
    {
        if (request.Method != CoapCode.Get && request.Method != CoapCode.Fetch || _restarts++ >= MaxRestarts)
            return false;
        _fetch = null;
        _sent = 0;
        Again(now);
        return true;
    }

    private static bool SameETag(in CoapContent a, in CoapContent b) => (a.Options.ETag, b.Options.ETag) switch
    {
        ({ } x, { } y) => x.Span.SequenceEqual(y.Span),
        (null, null) => true,
        _ => false,
    };

    private void Complete(in CoapContent content, ReadOnlyMemory<byte> body, bool isNotification, Moment now)
    {
        _fetch = null;
        ReleaseToken();
        if (isNotification)
        {
            _restarts = 0;
            double fresh = Math.Min(content.Options.MaxAge ?? 60, 1 << 24) + 5 + 10 * _engine.Fraction("CoAP.ReRegister");
            _engine.Timers.Arm(this, now.Elapsed.Plus(TimeSpan.FromSeconds(fresh)));
            Give(path, content, body, moreToCome: true);
            _tags = default;
            return;
        }
        side.End(this);
        Give(path, content, body, moreToCome: false);
    }

    private void Give(in TPath from, in CoapContent content, ReadOnlyMemory<byte> body, bool moreToCome)
    {
        var options = request.IsMulticast || request.Options.Block2 is { Number: > 0 } ? content.Options
            : content.Options.Where(static n => n is not (CoapOptionNumber.Block1 or CoapOptionNumber.Block2));
        _engine.Raise(new CoapEvent<TPath>
        {
            Kind = CoapEventKind.Response,
            Ticket = ticket,
            Path = from,
            Response = new CoapResponse { Code = content.Code, Options = options, Payload = body },
            MoreToCome = moreToCome,
            Tags = _tags,
        });
    }
}
