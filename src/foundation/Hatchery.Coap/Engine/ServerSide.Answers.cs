using System.Security.Cryptography;

namespace Hatchery.Coap.Engine;

// The way back.
internal sealed partial class ServerSide<TPath>
{
    private const int AmplificationFactor = 3, ResponseOverhead = 16;

    public bool Respond(CoapTicket ticket, CoapResponse response, bool observe, Tag tag, Moment now)
    {
        if (!_open.Remove(ticket, out var exchange) || exchange.Answered)
            return false;
        var content = new CoapContent(response.Code, response.Options, response.Payload);
        bool needsProof = _settings.Echo == EchoPolicy.WhenAmplifying && !_settings.PathsAreProven && !exchange.IsMulticast && exchange.Oscore is null
            && IsSafe(exchange.Request.Method) && ResponseOverhead + Math.Min(content.Payload.Length, 1 << (_settings.BlockExponent + 4)) > exchange.Length * AmplificationFactor;
        if (needsProof && !AskEcho(exchange, now))
            return true;
        if (observe && content.Code.IsSuccess && IsSafe(exchange.Request.Method) && exchange.Request.Options.Observe == 0 && !exchange.IsMulticast && Observe(exchange, now) is { } sequence)
            content = content with { Options = content.Options.Set(CoapOptionNumber.Observe, sequence) };
        AnswerNow(exchange, Slice(exchange.Path, exchange.Key, exchange.Block2, content, now), tag, now);
        return true;
    }

    /// <summary>Takes one block out of a body that needs several, and keeps the body for the others.</summary>
    private CoapContent Slice(in TPath path, in BlockKey<TPath> key, Block? wanted, CoapContent content, Moment now)
    {
        int largest = _engine.LargestExponent(path);
        if (largest < 0 || content.Options.Has(CoapOptionNumber.Block2))
            return content;
        bool bert = largest == Block.Bert && wanted is null or { Exponent: Block.Bert };
        int exponent = bert ? Block.Bert : Math.Min(Math.Min(largest, 6), wanted?.Exponent ?? 6);
        int single = wanted is null && largest == Block.Bert ? _engine.LargestPayload(path) : 1 << (Math.Min(exponent, 6) + 4);
        int number = wanted?.Number ?? 0;
        if (content.Payload.Length <= single && number == 0)
            return wanted is null || content.Payload.IsEmpty ? content : content with { Options = content.Options.Add(CoapOptionNumber.Block2, new Block(0, false, exponent).Value) };
        if (!content.Code.IsSuccess)
            // A diagnostic that is too long is cut: nobody fetches it in blocks.
            return content with { Payload = content.Payload[..Math.Min(single, content.Payload.Length)] };
        if (!content.Options.Has(CoapOptionNumber.ETag))
            content = content with { Options = content.Options.Add(CoapOptionNumber.ETag, SHA256.HashData(content.Payload.Span).AsSpan(0, 8)) };
        var part = Part(path, content, number, exponent);
        if (part.Options.Block2 is { More: true })
            _snapshots.Put(key, new Snapshot(content), content.Payload.Length, now.Elapsed);
        return part;
    }

    private CoapContent Part(in TPath path, in CoapContent content, int number, int exponent)
    {
        var block = new Block(number, false, exponent);
        if (block.Offset >= content.Payload.Length)
            return new CoapContent(CoapCode.BadRequest, default, "There is no such block."u8.ToArray());
        int size = block.Size;
        if (exponent == Block.Bert)
            size *= Math.Max(1, (_engine.LargestPayload(path) - content.Options.Wire.Length - 16) / size);
        int offset = (int)block.Offset, length = Math.Min(size, content.Payload.Length - offset);
        var options = content.Options.Add(CoapOptionNumber.Block2, (block with { More = offset + length < content.Payload.Length }).Value);
        if (number == 0)
            options = options.Add(CoapOptionNumber.Size2, (ulong)content.Payload.Length);
        return content with { Options = options, Payload = content.Payload.Slice(offset, length) };
    }

    private static bool IsSafe(CoapCode method) => method == CoapCode.Get || method == CoapCode.Fetch;

    /// <summary>True: answered.</summary>
    private bool FromSnapshot(ServerExchange<TPath> exchange, Moment now)
    {
        var block = exchange.Block2!.Value;
        if (_snapshots.Find(exchange.Key, now.Elapsed) is { } snapshot)
        {
            int largest = _engine.LargestExponent(exchange.Path);
            int exponent = Math.Min(block.Exponent, largest);
            // A size that is larger than ours would move the number's meaning.
            var content = exponent == block.Exponent ? snapshot.Content : new CoapContent(CoapCode.BadRequest, default, "Blocks became larger."u8.ToArray());
            content = content.Code.IsSuccess ? content with { Options = content.Options.Without(CoapOptionNumber.Observe) } : content;
            AnswerNow(exchange, content.Code.IsSuccess ? Part(exchange.Path, content, block.Number, exponent) : content, default, now);
            return true;
        }
        if (IsSafe(exchange.Request.Method))
            return false;
        Refuse(exchange, CoapCode.RequestEntityIncomplete, "The answer is no longer kept.", now);
        return true;
    }

    private void AnswerNow(ServerExchange<TPath> exchange, CoapContent content, Tag tag, Moment now)
    {
        exchange.Answered = true;
        if (exchange.Block1 is { } block1)
            content = content with { Options = content.Options.Set(CoapOptionNumber.Block1, block1.Value) };
        if (IsUnwanted(exchange, content))
        {
            _engine.Drop(exchange, now);
            return;
        }
        if (exchange.Oscore is { } oscore)
        {
            if (oscore.ProtectResponse(content, content.Options.Has(CoapOptionNumber.Observe)) is not { } outer)
            {
                _engine.Drop(exchange, now);
                return;
            }
            _engine.CheckReserve(oscore.Context);
            content = outer;
        }
        _engine.Answer(exchange, content, tag, now);
    }

    /// <summary>RFC 7967; to a group without that option, RFC 7252 section 8.2: nothing that is an error or says nothing.</summary>
    private static bool IsUnwanted(ServerExchange<TPath> exchange, in CoapContent content)
    {
        if (content.Code == CoapCode.Continue)
            return false;
        if (exchange.Request?.Options.NoResponse is { } unwanted && unwanted <= 26)
            return (unwanted >> (content.Code.Class - 1) & 1) != 0;
        return exchange.IsMulticast && !content.Code.IsSuccess;
    }
}
