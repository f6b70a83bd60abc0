using Hatchery.Coap.Oscore;

namespace Hatchery.Coap.Engine;

/// <summary>An answer that is fetched in blocks: a snapshot, so that blocks of two states are never mixed.</summary>
internal sealed record Snapshot(CoapContent Content);

/// <summary>Peers' requests: checked, put together from their blocks, given to the application, and answered.</summary>
internal sealed partial class ServerSide<TPath> where TPath : notnull
{
    private readonly CoapEngine<TPath> _engine;
    private readonly CoapSettings _settings;
    private readonly Dictionary<CoapTicket, ServerExchange<TPath>> _open = [];
    private readonly Transfers<TPath, Assembly> _uploads;
    private readonly Transfers<TPath, Snapshot> _snapshots;
    private readonly EchoValues<TPath> _echo;

    public ServerSide(CoapEngine<TPath> engine)
    {
        (_engine, _settings) = (engine, engine.Settings);
        _uploads = new Transfers<TPath, Assembly>(_settings);
        _snapshots = new Transfers<TPath, Snapshot>(_settings);
        _echo = new EchoValues<TPath>(_settings, engine.Chance);
    }

    public int Count => _open.Count;
    public TimeSpan Deadline => _uploads.Expiry < _snapshots.Expiry ? _uploads.Expiry : _snapshots.Expiry;

    public void Tick(Moment now)
    {
        _uploads.Expire(now.Elapsed);
        _snapshots.Expire(now.Elapsed);
    }

    public void Forget(TPath path)
    {
        _uploads.Forget(path);
        _snapshots.Forget(path);
        foreach (var exchange in _open.Values.Where(e => EqualityComparer<TPath>.Default.Equals(e.Path, path)).ToArray())
        {
            exchange.Answered = true;
            _open.Remove(exchange.Ticket);
        }
        ForgetObservations(path);
    }

    /// <summary>A request that is not a repetition.</summary>
    public void Received(ServerExchange<TPath> exchange, CoapMessage message, Moment now)
    {
        var content = CoapContent.Of(message);
        if (content.Options.Has(CoapOptionNumber.Oscore))
        {
            if (!Unprotect(exchange, ref content, now))
                return;
        }
        if (content.Options.FirstBad(_settings.KnownOptions) is > 0 and var bad)
        {
            // RFC 7252 section 5.4.1.
            if (exchange.Confirmable)
                Refuse(exchange, CoapCode.BadOption, $"Option {bad}", now);
            else
                _engine.Reject(exchange, now);
            return;
        }
        if (content.Options.Has(CoapOptionNumber.ProxyUri) || content.Options.Has(CoapOptionNumber.ProxyScheme))
        {
            Refuse(exchange, CoapCode.ProxyingNotSupported, "", now);
            return;
        }
        if (content.Code.Detail > CoapCode.IPatch.Detail)
        {
            Refuse(exchange, CoapCode.MethodNotAllowed, "", now);
            return;
        }
        exchange.Key = BlockKey<TPath>.Of(exchange.Path, content.Code, content.Options, exchange.Oscore?.Context);
        exchange.Request = new CoapRequest
        {
            Method = content.Code,
            Options = content.Options,
            Payload = content.Payload,
            Confirmable = exchange.Confirmable,
            IsMulticast = exchange.IsMulticast,
            Oscore = exchange.Oscore?.Context,
        };
        if (!EchoPermits(exchange, now))
            return;
        if (content.Options.Observe != 0 && content.Options.Block2 is not { Number: > 0 })
            EndObservation(exchange.Path, exchange.Token);
        if (content.Options.Block1 is { } block1 && !Assemble(exchange, block1, now))
            return;
        if (exchange.Request.Payload.Length > _settings.MaxRequestBody)
        {
            RefuseLarge(exchange, null, now);
            return;
        }
        exchange.Block2 = content.Options.Block2;
        if (exchange.Block2 is { Exponent: Block.Bert } && _engine.LargestExponent(exchange.Path) != Block.Bert)
        {
            Refuse(exchange, CoapCode.BadRequest, "Block2 with the reserved size 7.", now);
            return;
        }
        if (exchange.Block2 is { Number: > 0 } && FromSnapshot(exchange, now))
            return;
        Give(exchange, now);
    }

    private void Give(ServerExchange<TPath> exchange, Moment now)
    {
        if (_open.Count >= _settings.MaxUnanswered)
        {
            Refuse(exchange, CoapCode.ServiceUnavailable, "", now);
            return;
        }
        _open.Add(exchange.Ticket, exchange);
        _engine.Raise(new CoapEvent<TPath> { Kind = CoapEventKind.Request, Ticket = exchange.Ticket, Path = exchange.Path, Request = exchange.Request, Tags = exchange.Tags });
    }

    private bool Unprotect(ServerExchange<TPath> exchange, ref CoapContent content, Moment now)
    {
        try
        {
            if (_settings.Oscore is null)
                throw new CoapException("4.02", "OSCORE", "OSCORE is not spoken here.");
            content = OscoreContext.UnprotectRequest(content, _settings.Oscore, now, out var oscore);
            exchange.Oscore = oscore;
            if (oscore.Context.NeedsEcho(content, now, _echo, exchange.Path, oscore) is { } echo)
            {
                AnswerNow(exchange, new CoapContent(CoapCode.Unauthorized, CoapOptions.Empty.Add(CoapOptionNumber.Echo, echo), default), default, now);
                return false;
            }
            return true;
        }
        catch (CoapException e)
        {
            // RFC 8613 section 8.2: without protection, and not to be cached.
            var code = e.Error switch { "4.02" => CoapCode.BadOption, "4.01" => CoapCode.Unauthorized, _ => CoapCode.BadRequest };
            exchange.Oscore = null;
            AnswerNow(exchange, new CoapContent(code, CoapOptions.Empty.Add(CoapOptionNumber.MaxAge, 0), System.Text.Encoding.UTF8.GetBytes(e.Message)), default, now);
            return false;
        }
    }

    /// <summary>RFC 9175 section 2.3: False: the peer was asked for an Echo.</summary>
    private bool EchoPermits(ServerExchange<TPath> exchange, Moment now)
    {
        if (_settings.PathsAreProven || _settings.Echo != EchoPolicy.Always || exchange.IsMulticast || exchange.Oscore is not null)
            return true;
        return AskEcho(exchange, now);
    }

    private bool AskEcho(ServerExchange<TPath> exchange, Moment now)
    {
        if (exchange.Request.Options.Echo is { } echo && _echo.Proves(echo.Span, exchange.Path, now))
            return true;
        AnswerNow(exchange, new CoapContent(CoapCode.Unauthorized, CoapOptions.Empty.Add(CoapOptionNumber.Echo, _echo.Make(exchange.Path, now)), default), default, now);
        return false;
    }

    /// <summary>Puts a block in its place. True: the request is whole now.</summary>
    private bool Assemble(ServerExchange<TPath> exchange, Block block, Moment now)
    {
        int largest = _engine.LargestExponent(exchange.Path);
        var request = exchange.Request;
        bool isBert = block.Exponent == Block.Bert;
        if (isBert && largest != Block.Bert || largest < 0)
        {
            Refuse(exchange, CoapCode.BadRequest, "Block1 with a size that was not agreed on.", now);
            return false;
        }
        bool fits = isBert ? request.Payload.Length % block.Size == 0 && !request.Payload.IsEmpty : request.Payload.Length == block.Size;
        if (block.More && !fits || !block.More && !isBert && request.Payload.Length > block.Size)
        {
            Refuse(exchange, CoapCode.BadRequest, "The payload has not the block's size.", now);
            return false;
        }
        if (block.Offset + request.Payload.Length > _settings.MaxRequestBody || request.Options.Size1 > _settings.MaxRequestBody)
        {
            _uploads.Remove(exchange.Key);
            RefuseLarge(exchange, block, now);
            return false;
        }
        var assembly = block.Number == 0 ? null : _uploads.Find(exchange.Key, now.Elapsed);
        if (block.Number == 0)
            _uploads.Remove(exchange.Key);
        if (assembly is not null && block.Offset == assembly.LastOffset && block.More)
        {
            // The block before, sent once more under another message id.
            exchange.Block1 = block;
            AnswerNow(exchange, new CoapContent(CoapCode.Continue, default, default), default, now);
            return false;
        }
        if (block.Offset != (assembly?.Length ?? 0))
        {
            _uploads.Remove(exchange.Key);
            Refuse(exchange, CoapCode.RequestEntityIncomplete, $"Block1 {block.Number} is not the next one.", now);
            return false;
        }
        exchange.Block1 = block;
        if (block.More)
            Store(exchange, assembly, block, largest, now);
        else
            Finish(exchange, assembly);
        return !block.More;
    }

    private void Store(ServerExchange<TPath> exchange, Assembly? assembly, Block block, int largest, Moment now)
    {
        var first = assembly is null;
        assembly ??= new Assembly();
        assembly.Append(exchange.Request.Payload.Span);
        assembly.Tags = first ? exchange.Tags : assembly.Tags.And(exchange.Tags.First);
        if (first)
            _uploads.Put(exchange.Key, assembly, assembly.Length, now.Elapsed);
        else
            _uploads.Resize(exchange.Key, assembly.Length);
        // Smaller blocks may be asked for with the first one.
        if (block.Number == 0 && block.Exponent > largest)
            exchange.Block1 = block with { Exponent = largest };
        AnswerNow(exchange, new CoapContent(CoapCode.Continue, default, default), default, now);
    }

    private void Finish(ServerExchange<TPath> exchange, Assembly? assembly)
    {
        var request = exchange.Request;
        if (assembly is not null)
        {
            assembly.Append(request.Payload.Span);
            exchange.Tags = assembly.Tags.And(exchange.Tags.First);
            _uploads.Remove(exchange.Key);
        }
        exchange.Request = request with
        {
            Options = request.Options.Where(static n => n is not (CoapOptionNumber.Block1 or CoapOptionNumber.Size1 or CoapOptionNumber.RequestTag)),
            Payload = assembly?.Body ?? request.Payload,
        };
    }

    private void RefuseLarge(ServerExchange<TPath> exchange, Block? block, Moment now)
    {
        exchange.Block1 = block is { } b ? b with { More = false } : null;
        AnswerNow(exchange, new CoapContent(CoapCode.RequestEntityTooLarge, CoapOptions.Empty.Add(CoapOptionNumber.Size1, (ulong)_settings.MaxRequestBody), default), default, now);
    }

    private void Refuse(ServerExchange<TPath> exchange, CoapCode code, string diagnostic, Moment now) =>
        AnswerNow(exchange, new CoapContent(code, default, System.Text.Encoding.UTF8.GetBytes(diagnostic)), default, now);
}
