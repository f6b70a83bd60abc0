using System.Runtime.InteropServices;
using Hatchery.Dtls;

namespace Hatchery.Coap;

/// <summary>CoAP over DTLS (RFC 7252 section 9) as one engine: datagrams below, requests and responses above. CoAP's path is the DTLS session, so that what a session asked
/// only that session answers; a session's end ends its exchanges and observations.</summary>
public abstract class CoapsEngine<TPath> : IEngine<TPath, CoapEvent<DtlsSession<TPath>>>, ISuspends<DtlsQuestion, DtlsAnswer> where TPath : notnull
{
    private readonly byte[] _message;
    private Moment _now;

    private protected CoapsEngine(DtlsOptions dtls, CoapSettings settings, Chance chance, Moment now)
    {
        // A session's address is proven by its handshake.
        Coap = new CoapEndpoint<DtlsSession<TPath>>(settings with { PathsAreProven = true }, chance);
        _message = new byte[dtls.Mtu];
        _now = now;
    }

    public CoapEndpoint<DtlsSession<TPath>> Coap { get; }

    /// <summary>Sees what becomes of sessions (Connected, Moved, Closed, Failed) before CoAP does.</summary>
    public Action<DtlsEvent>? SessionChanged { get; set; }

    private protected abstract void ReceiveSecured(Span<byte> datagram, in TPath path, Moment now, Tag tag);
    private protected abstract void TickSecured(Moment now);
    private protected abstract TimeSpan SecuredDeadline { get; }
    private protected abstract bool TrySecuredEvent(out DtlsEvent happened);
    private protected abstract bool TrySecuredTransmit(Span<byte> into, out Transmit<TPath> transmit);
    private protected abstract void SendSecured(DtlsSession<TPath> session, ReadOnlySpan<byte> message, Tag tag, bool repeats, Moment now);
    /// <summary>Before the handshake is over nothing of CoAP leaves.</summary>
    private protected abstract bool IsReady { get; }

    public abstract bool TryNeed(out int ticket, out DtlsQuestion question);

    public abstract void Supply(int ticket, DtlsAnswer answer, Moment now);

    public TimeSpan Deadline => Coap.Deadline < SecuredDeadline ? Coap.Deadline : SecuredDeadline;

    public void Receive(Span<byte> datagram, in TPath path, Moment now, Tag tag)
    {
        _now = now;
        ReceiveSecured(datagram, path, now, tag);
        Relay(now);
    }

    public void Tick(Moment now)
    {
        _now = now;
        TickSecured(now);
        Relay(now);
        Coap.Tick(now);
    }

    private protected void Relay(Moment now)
    {
        _now = now;
        while (TrySecuredEvent(out var happened))
        {
            var session = (DtlsSession<TPath>)happened.Session;
            if (happened.Kind == DtlsEventKind.Data)
            {
                Coap.Receive(MemoryMarshal.AsMemory(happened.Data).Span, session, now, happened.Tag);
                continue;
            }
            SessionChanged?.Invoke(happened);
            if (happened.Kind is DtlsEventKind.Closed or DtlsEventKind.Failed)
                Coap.Forget(session, now);
        }
    }

    public bool TryEvent(out CoapEvent<DtlsSession<TPath>> happened) => Coap.TryEvent(out happened);

    public bool TryTransmit(Span<byte> into, out Transmit<TPath> transmit)
    {
        while (!TrySecuredTransmit(into, out transmit))
        {
            if (!IsReady || !Coap.TryTransmit(_message, out var message))
                return false;
            SendSecured(message.Path, _message.AsSpan(0, message.Length), message.Tag, message.Repeats, _now);
        }
        return true;
    }
}

/// <summary>One coaps server: all sessions of one port.</summary>
public sealed class CoapsServer<TPath> : CoapsEngine<TPath>, IDisposable where TPath : notnull
{
    /// <param name="pathBytes">As of <see cref="DtlsServer{TPath}"/>.</param>
    public CoapsServer(DtlsServerOptions dtls, CoapSettings settings, Chance chance, Moment now, PathBytes<TPath>? pathBytes = null) : base(dtls, settings, chance, now) =>
        Dtls = new DtlsServer<TPath>(dtls, chance, now, pathBytes);

    public DtlsServer<TPath> Dtls { get; }

    private protected override TimeSpan SecuredDeadline => Dtls.Deadline;
    private protected override bool IsReady => true;
    private protected override void ReceiveSecured(Span<byte> datagram, in TPath path, Moment now, Tag tag) => Dtls.Receive(datagram, path, now, tag);
    private protected override void TickSecured(Moment now) => Dtls.Tick(now);
    private protected override bool TrySecuredEvent(out DtlsEvent happened) => Dtls.TryEvent(out happened);
    private protected override bool TrySecuredTransmit(Span<byte> into, out Transmit<TPath> transmit) => Dtls.TryTransmit(into, out transmit);
    private protected override void SendSecured(DtlsSession<TPath> session, ReadOnlySpan<byte> message, Tag tag, bool repeats, Moment now) => Dtls.Send(session, message, tag, now);

    public override bool TryNeed(out int ticket, out DtlsQuestion question) => Dtls.TryNeed(out ticket, out question);

    public override void Supply(int ticket, DtlsAnswer answer, Moment now)
    {
        Dtls.Supply(ticket, answer, now);
        Relay(now);
    }

    /// <summary>Ends a session, and what CoAP has with it.</summary>
    public void Close(DtlsSession<TPath> session, Moment now)
    {
        Dtls.Close(session, now);
        Relay(now);
    }

    /// <summary>Closes all sessions.</summary>
    public void Dispose() => Dtls.Dispose();
}

/// <summary>One coaps session with one server; requests may be made at once and wait for the handshake.</summary>
public sealed class CoapsClient<TPath> : CoapsEngine<TPath>, IDisposable where TPath : notnull
{
    public CoapsClient(DtlsClientOptions dtls, TPath server, CoapSettings settings, Chance chance, Moment now) : base(dtls, settings, chance, now) =>
        Dtls = new DtlsClient<TPath>(dtls, server, chance, now);

    public DtlsClient<TPath> Dtls { get; }
    /// <summary>CoAP's path.</summary>
    public DtlsSession<TPath> Session => Dtls.Session;

    private bool _hasSent;

    private protected override TimeSpan SecuredDeadline => Dtls.Deadline;
    private protected override bool IsReady => Dtls.Connection is not null;
    private protected override void ReceiveSecured(Span<byte> datagram, in TPath path, Moment now, Tag tag) => Dtls.Receive(datagram, path, now, tag);
    private protected override void TickSecured(Moment now) => Dtls.Tick(now);
    private protected override bool TrySecuredEvent(out DtlsEvent happened) => Dtls.TryEvent(out happened);
    private protected override bool TrySecuredTransmit(Span<byte> into, out Transmit<TPath> transmit) => Dtls.TryTransmit(into, out transmit);

    private protected override void SendSecured(DtlsSession<TPath> session, ReadOnlySpan<byte> message, Tag tag, bool repeats, Moment now)
    {
        // What was repeated while the handshake went on has not been sent once.
        if (repeats && !_hasSent)
            return;
        _hasSent |= !repeats && Dtls.Send(message, tag, now) == Accepted.Yes;
        if (repeats)
            Dtls.Send(message, tag, now);
    }

    public override bool TryNeed(out int ticket, out DtlsQuestion question) => Dtls.TryNeed(out ticket, out question);

    public override void Supply(int ticket, DtlsAnswer answer, Moment now)
    {
        Dtls.Supply(ticket, answer, now);
        Relay(now);
    }

    /// <summary>Sends close_notify; what is open fails.</summary>
    public void Close(Moment now)
    {
        Dtls.Close(now);
        Relay(now);
    }

    /// <summary>Closes, and frees the keys.</summary>
    public void Dispose() => Dtls.Dispose();
}
