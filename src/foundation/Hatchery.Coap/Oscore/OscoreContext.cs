using Hatchery.Coap.Engine;

namespace Hatchery.Coap.Oscore;

/// <summary>A security context (RFC 8613 section 3) of one peer, both directions. Used by one engine.</summary>
public sealed class OscoreContext : IDisposable
{
    /// <summary>Of sequence numbers, exclusive: a Partial IV has 5 bytes.</summary>
    public const ulong MaxSequence = 1UL << 40;
    /// <summary>Sequence numbers reserved at a time, and how many are left when the next are asked for.</summary>
    public const ulong Step = 64, Margin = 32;

    private readonly OscoreKeys _keys;
    private readonly ReplayWindow _window;
    private ulong _limit;
    private bool _asked, _windowIsLost;

    /// <summary>Fresh, and for this process only: the peers must never use the same parameters again.</summary>
    public OscoreContext(OscoreParameters parameters)
    {
        _keys = new OscoreKeys(parameters);
        _window = new ReplayWindow(parameters.ReplayWindow);
        _limit = MaxSequence;
    }

    /// <summary>One that survives restarts. Sequence numbers are reserved durably before they are used; what a replay window held is not kept, so the first request after a
    /// restart is asked for an Echo (appendix B.1.2).</summary>
    /// <param name="reserved">As <see cref="Reserve"/> was last told and the storage holds; 0: never used.</param>
    public OscoreContext(OscoreParameters parameters, ulong reserved) : this(parameters) => (Sequence, _limit, _windowIsLost) = (reserved, reserved, reserved > 0);

    public OscoreParameters Parameters => _keys.Parameters;
    internal OscoreKeys Keys => _keys;
    /// <summary>The next of our own.</summary>
    public ulong Sequence { get; private set; }
    /// <summary>To be stored, and told to <see cref="Reserve"/> once it is durable.</summary>
    public ulong NextReserve => Math.Min(_limit + Step, MaxSequence);

    /// <summary>The numbers below may be used: they are stored.</summary>
    public void Reserve(ulong below)
    {
        _limit = Math.Min(Math.Max(_limit, below), MaxSequence);
        _asked = false;
    }

    public bool CanSend => Sequence < _limit;

    internal bool WantsReserve()
    {
        if (_asked || _limit >= MaxSequence || _limit - Sequence > Margin)
            return false;
        return _asked = true;
    }

    internal bool TryNext(out byte[] partialIv)
    {
        partialIv = CanSend ? OscoreOption.Iv(Sequence++) : [];
        return partialIv.Length > 0;
    }

    /// <summary>Null: no sequence number is left, or none reserved.</summary>
    internal CoapContent? ProtectRequest(in CoapContent content, out OscoreExchange exchange)
    {
        exchange = null!;
        if (!TryNext(out var iv))
            return null;
        var kid = Parameters.SenderId;
        exchange = new OscoreExchange(this, kid.ToArray(), iv, _keys.Nonce(kid.Span, iv));
        bool observes = content.Options.Has(CoapOptionNumber.Observe);
        var ciphertext = _keys.Encrypt(exchange.Nonce, OscoreForm.Plaintext(content), _keys.Aad(kid.Span, iv));
        var outer = OscoreForm.Outer(content.Options, new OscoreOption(iv, kid, Parameters.SendsIdContext ? Parameters.IdContext : null), content.Options.Observe);
        return new CoapContent(observes ? CoapCode.Fetch : CoapCode.Post, outer, ciphertext);
    }

    /// <exception cref="CoapException">4.00, 4.01 or 4.02 (section 8.2).</exception>
    internal static CoapContent UnprotectRequest(in CoapContent outer, IOscoreContexts contexts, Moment now, out OscoreExchange exchange)
    {
        outer.Options.TryGet(CoapOptionNumber.Oscore, out var value);
        var option = OscoreOption.Parse(value);
        if (option.Kid is not { } kid || option.PartialIv.IsEmpty || outer.Payload.IsEmpty)
            throw new CoapException("4.02", "OSCORE", "A protected request without kid, Partial IV or payload.");
        var context = contexts.Find(kid.Span, option.KidContext) ?? throw new CoapException("4.01", "kid", "Security context not found");
        ulong sequence = CoapOption.ReadUInt(option.PartialIv.Span)!.Value;
        if (!context._windowIsLost && !context._window.Admits(sequence))
            throw new CoapException("4.01", "Partial IV", "Replay detected");
        exchange = new OscoreExchange(context, kid.ToArray(), option.PartialIv.ToArray(), context._keys.Nonce(kid.Span, option.PartialIv.Span))
        {
            IsRecipient = true,
            RequestSequence = sequence,
        };
        var plaintext = context._keys.Decrypt(exchange.Nonce, outer.Payload.Span, context._keys.Aad(kid.Span, option.PartialIv.Span))
            ?? throw new CoapException("4.00", "ciphertext", "Decryption failed");
        if (!context._windowIsLost)
            context._window.Note(sequence);
        return OscoreForm.Inner(outer, plaintext);
    }

    /// <summary>After a restart: the Echo to ask for, unless this request brings it. Then the window begins behind it.</summary>
    internal byte[]? NeedsEcho<TPath>(in CoapContent request, Moment now, EchoValues<TPath> echo, in TPath path, OscoreExchange exchange) where TPath : notnull
    {
        if (!_windowIsLost)
            return null;
        if (request.Options.Echo is { } value && echo.Proves(value.Span, path, now))
        {
            _windowIsLost = false;
            _window.StartAt(exchange.RequestSequence);
            return null;
        }
        // What was received may be a replay: its nonce must not be used for the answer.
        exchange.NonceIsSpent = true;
        return echo.Make(path, now);
    }

    public void Dispose() => _keys.Dispose();
}

/// <summary>Sequence numbers that were seen (section 7.4): the highest, and a bit for each of those below it.</summary>
internal sealed class ReplayWindow(int size)
{
    private readonly int _size = Math.Clamp(size, 1, 64);
    private ulong _highest, _seen;
    private bool _any;

    public bool Admits(ulong number) =>
        !_any || number > _highest || _highest - number < (ulong)_size && (_seen >> (int)(_highest - number) & 1) == 0;

    public void Note(ulong number)
    {
        if (!_any || number > _highest)
        {
            ulong by = _any ? number - _highest : 64;
            _seen = (by >= 64 ? 0 : _seen << (int)by) | 1;
            (_highest, _any) = (number, true);
        }
        else
            _seen |= 1UL << (int)(_highest - number);
    }

    /// <summary>This one and all below count as seen.</summary>
    public void StartAt(ulong number) => (_highest, _seen, _any) = (number, ulong.MaxValue, true);
}
