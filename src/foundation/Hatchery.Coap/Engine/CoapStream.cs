using Hatchery.Coap.Engine;

namespace Hatchery.Coap;

/// <summary>CoAP on one byte stream, TCP or TLS (RFC 8323): no types, ids or repetitions; each side tells its settings first (CSM), and Ping, Pong, Release and Abort
/// pass between them.</summary>
public sealed class CoapStream : CoapEngine<StreamPath>
{
    private const int BaseMaxMessage = 1152, MaxHead = 8;
    private readonly Queue<(byte[] Bytes, Tag Tag)> _output = new();
    private readonly byte[] _input;
    private int _have, _written;
    private long _queued;
    private CoapTags _frames;
    private bool _closed;

    public CoapStream(CoapSettings settings, Chance chance) : base(settings, chance)
    {
        _input = new byte[settings.MaxMessage + MaxHead + CoapToken.MaxPlain];
        // Never shorter than 7 bytes: some peers do not survive an empty CSM.
        var options = CoapOptions.Empty.Add(CoapOptionNumber.CsmMaxMessageSize, (ulong)settings.MaxMessage).Add(CoapOptionNumber.CsmBlockWiseTransfer, []);
        if (settings.MaxToken > CoapToken.MaxPlain)
            options = options.Add(CoapOptionNumber.CsmExtendedTokenLength, (ulong)settings.MaxToken);
        Queue(new CoapMessage { Code = CoapCode.Csm, Options = options }, default);
    }

    /// <summary>The peer's CSM has arrived.</summary>
    public bool IsConnected { get; private set; }
    /// <summary>Of what the peer receives, in bytes.</summary>
    public int PeerMaxMessage { get; private set; } = BaseMaxMessage;
    public bool PeerHasBlocks { get; private set; }
    /// <summary>Pongs that have arrived.</summary>
    public int Pongs { get; private set; }
    public bool IsClosed => _closed;

    internal override bool IsDatagram => false;

    public override void Receive(Span<byte> datagram, in StreamPath path, Moment now, Tag tag)
    {
        while (!datagram.IsEmpty && !_closed)
        {
            int taken = Math.Min(datagram.Length, _input.Length - _have);
            datagram[..taken].CopyTo(_input.AsSpan(_have));
            datagram = datagram[taken..];
            _have += taken;
            if (_frames.Count == 0 || _frames.Last != tag)
                _frames = _frames.And(tag);
            TakeFrames(now, tag);
        }
    }

    private void TakeFrames(Moment now, Tag tag)
    {
        int at = 0;
        while (!_closed)
        {
            long length = CoapMessage.FrameLength(_input.AsSpan(at, _have - at));
            if (length < 0)
                Abort("A token length that is reserved.", now);
            else if (length > _input.Length || length > Settings.MaxMessage + MaxHead)
                Abort($"A message of more than {Settings.MaxMessage} bytes.", now);
            if (length <= 0 || length > _have - at || _closed)
                break;
            var frame = _input.AsMemory(at, (int)length).ToArray();
            at += (int)length;
            var frames = _frames;
            _frames = at < _have ? default(CoapTags).And(tag) : default;
            if (CoapMessage.TryParseFrame(frame, out var message) is { } wrong)
                Abort(wrong, now);
            else
                Received(message!, frames, now);
        }
        if (_closed)
            return;
        _input.AsSpan(at, _have - at).CopyTo(_input);
        _have -= at;
    }

    private void Received(CoapMessage message, CoapTags frames, Moment now)
    {
        if (message.Code == CoapCode.Empty)
            return;
        if (!IsConnected && message.Code != CoapCode.Csm)
            Abort("The first message is not a CSM.", now);
        else if (message.Code.IsSignal)
            Signaled(message, now);
        else if (message.Token.Length > Settings.MaxToken)
            Abort($"A token of more than {Settings.MaxToken} bytes.", now);
        else if (message.Code.IsRequest)
        {
            var exchange = new ServerExchange<StreamPath>
            {
                Ticket = NewTicket(),
                Path = default,
                Token = message.Token,
                At = now.Elapsed,
                Confirmable = true,
                Length = message.Payload.Length,
                Tags = frames,
            };
            Server.Received(exchange, message, now);
        }
        else if (message.Code.IsResponse)
            // One that nobody expects is ignored: the request was given up.
            Client.Received(default, message, now, frames.Last);
        // Whatever takes no answers fills the memory with them.
        if (_queued > 4L * Settings.MaxMessage + Settings.MaxBlockBytes)
            Abort("The peer provokes more answers than it takes.", now);
    }

    private void Signaled(CoapMessage message, Moment now)
    {
        if (message.Code == CoapCode.Csm)
        {
            if (!TakeSettings(message.Options, now) || IsConnected)
                return;
            IsConnected = true;
            Raise(new CoapEvent<StreamPath> { Kind = CoapEventKind.Connected });
            return;
        }
        foreach (var option in message.Options)
        {
            if (CoapOptionNumber.IsCritical(option.Number))
            {
                Abort($"Signaling option {option.Number} is critical and not understood.", now);
                return;
            }
        }
        if (message.Code == CoapCode.Ping)
        {
            var custody = message.Options.Has(2) ? CoapOptions.Empty.Add(2, []) : default;
            Queue(new CoapMessage { Code = CoapCode.Pong, Token = message.Token, Options = custody }, default);
        }
        else if (message.Code == CoapCode.Pong)
            Pongs++;
        else if (message.Code == CoapCode.Release)
            Raise(new CoapEvent<StreamPath> { Kind = CoapEventKind.Released });
        else if (message.Code == CoapCode.Abort)
            Close(new CoapFailure(CoapFailureReason.Closed, "The peer aborted the connection."), now);
    }

    private bool TakeSettings(CoapOptions options, Moment now)
    {
        foreach (var option in options)
        {
            switch (option.Number)
            {
                case CoapOptionNumber.CsmMaxMessageSize when option.AsUInt() is { } size:
                    PeerMaxMessage = (int)Math.Clamp(size, 64, 16 * 1024 * 1024);
                    break;
                case CoapOptionNumber.CsmBlockWiseTransfer:
                    PeerHasBlocks = true;
                    break;
                case var number when CoapOptionNumber.IsCritical(number):
                    Queue(new CoapMessage { Code = CoapCode.Abort, Options = CoapOptions.Empty.Add(2, number) }, default);
                    Close(new CoapFailure(CoapFailureReason.Broken, $"CSM option {number} is critical and not understood."), now);
                    return false;
            }
        }
        return true;
    }

    /// <summary>Asks for a sign of life, which counts in <see cref="Pongs"/>.</summary>
    public void Ping() => Queue(new CoapMessage { Code = CoapCode.Ping, Token = NewToken() }, default);

    /// <summary>Says that nothing new is to be asked of us: what is open is still answered (section 5.5).</summary>
    public void Release() => Queue(new CoapMessage { Code = CoapCode.Release }, default);

    /// <summary>Ends at once (section 5.6). What waits to be transmitted still is.</summary>
    public void Abort(string diagnostic, Moment now)
    {
        if (_closed)
            return;
        Queue(new CoapMessage { Code = CoapCode.Abort, Payload = System.Text.Encoding.UTF8.GetBytes(diagnostic) }, default);
        Close(new CoapFailure(CoapFailureReason.Broken, diagnostic), now);
    }

    private void Close(CoapFailure failure, Moment now)
    {
        if (_closed)
            return;
        _closed = true;
        (_have, _frames) = (0, default);
        Forget(default, now);
        Raise(new CoapEvent<StreamPath> { Kind = CoapEventKind.Closed, Failure = failure });
    }

    /// <summary>The stream below ended.</summary>
    public void InputEnded(Moment now) => Close(new CoapFailure(CoapFailureReason.Closed, "The connection ended."), now);

    internal override Accepted Send(in Outgoing<StreamPath> message, Moment now)
    {
        if (_closed)
            return Accepted.Closed;
        if (_queued > 4L * Settings.MaxMessage && message.Code.IsRequest)
            return Accepted.TryLater;
        Queue(new CoapMessage { Code = message.Code, Token = message.Token, Options = message.Options, Payload = message.Payload }, message.Tag);
        message.Owner?.Left(now);
        return Accepted.Yes;
    }

    internal override void Withdraw(MessageOwner owner) { }

    internal override void Answer(ServerExchange<StreamPath> exchange, in CoapContent content, Tag tag, Moment now) =>
        Queue(new CoapMessage { Code = content.Code, Token = exchange.Token, Options = content.Options, Payload = content.Payload }, tag);

    internal override void Drop(ServerExchange<StreamPath> exchange, Moment now) => exchange.Answered = true;

    internal override void Reject(ServerExchange<StreamPath> exchange, Moment now) => exchange.Answered = true;

    internal override int LargestExponent(in StreamPath path) =>
        !PeerHasBlocks ? -1 : PeerMaxMessage > BaseMaxMessage && Settings.MaxMessage > BaseMaxMessage ? Block.Bert : Math.Min(Settings.BlockExponent, Block.ExponentFor(LargestPayload(path)));

    /// <summary>Leaves room for token and options.</summary>
    internal override int LargestPayload(in StreamPath path) => Math.Max(16, PeerMaxMessage - 128);

    private void Queue(CoapMessage message, Tag tag)
    {
        if (_closed)
            return;
        var bytes = message.ToFrame();
        _queued += bytes.Length;
        _output.Enqueue((bytes, tag));
    }

    public override bool TryTransmit(Span<byte> into, out Transmit<StreamPath> transmit)
    {
        transmit = default;
        if (into.IsEmpty || !_output.TryPeek(out var next))
            return false;
        int length = Math.Min(into.Length, next.Bytes.Length - _written);
        next.Bytes.AsSpan(_written, length).CopyTo(into);
        _written += length;
        _queued -= length;
        if (_written == next.Bytes.Length)
        {
            _output.Dequeue();
            _written = 0;
        }
        transmit = new Transmit<StreamPath>(length, default, next.Tag, Repeats: false);
        return true;
    }
}
