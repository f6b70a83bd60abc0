using System.Net;
using Hatchery.Radius.Eap;

namespace Hatchery.Radius.Client;

/// <summary>What a NAS says of itself and of a port.</summary>
/// <param name="Identifier">NAS-Identifier.</param>
public sealed record NasPortOptions(string Identifier)
{
    public IPAddress? Address { get; init; }
    /// <summary>Called-Station-Id: the port's or access point's address, upper-case hex with hyphens (RFC 3580 §3.20).</summary>
    public string CalledStation { get; init; } = "";
    /// <summary>Calling-Station-Id: the device's address, in the same form.</summary>
    public string CallingStation { get; init; } = "";
    public uint? Port { get; init; }
    /// <summary>NAS-Port-Type: 15 Ethernet, 19 IEEE 802.11.</summary>
    public uint PortType { get; init; } = 15;
    /// <summary>Of the link, in bytes.</summary>
    public uint Mtu { get; init; } = 1400;
    public EapAuthenticatorOptions Eap { get; init; } = new();
}

public enum NasPortHappening
{
    /// <summary>A request for a RADIUS server; its answer goes to <see cref="NasPort.Answered"/>.</summary>
    Ask,
    /// <summary>The port was opened.</summary>
    Authorized,
    /// <summary>The port is closed.</summary>
    Unauthorized,
}

/// <param name="Request">With Ask.</param>
/// <param name="Accept">With Authorized: the Access-Accept.</param>
public readonly record struct NasPortEvent(NasPortHappening What, RadiusMessage? Request, RadiusAnswer? Accept);

/// <summary>One port of a NAS: a pass-through authenticator towards the peer, EAP over RADIUS (RFC 3579) towards the server, accounting of the session (RFC 2866).</summary>
public sealed class NasPort(NasPortOptions options, Chance chance)
{
    private readonly EapAuthenticator _eap = new(chance, options.Eap);
    private readonly Queue<NasPortEvent> _events = new();
    private readonly string _sessionPrefix = Convert.ToHexStringLower(chance.Bytes(4, "NAS.Acct-Session-Id"));
    private byte[] _state = [], _class = [];
    private RadiusAnswer? _verdict;
    private TimeSpan _since;
    private int _session;
    private Tag _tag;

    public bool IsAuthorized { get; private set; }
    /// <summary>As <see cref="Moment.Elapsed"/>.</summary>
    public TimeSpan Deadline => _eap.Deadline;
    /// <summary>Of the frame that the pending request came in.</summary>
    public Tag RequestFrames => _tag;

    /// <summary>Asks the peer who it is; closes the port.</summary>
    public void Start(Moment now)
    {
        Close(now, 21);
        (_state, _verdict) = ([], null);
        _eap.Start(now);
    }

    public void ReceiveFromPeer(ReadOnlyMemory<byte> packet, Moment now, Tag tag = default)
    {
        _tag = tag;
        _eap.ReceiveFromPeer(packet);
        Drain(now);
    }

    /// <summary>What became of the request asked last; null: no server answers.</summary>
    public void Answered(RadiusAnswer? answer, Moment now)
    {
        byte[]? packet = null;
        try
        {
            packet = answer?.Packet.EapMessage();
        }
        catch (RadiusException)
        {
            answer = null;
        }
        if (answer?.Packet.Code == RadiusCode.AccessChallenge && packet is { Length: > 4 })
        {
            _state = answer.Packet.TryGet(RadiusAttribute.State, out var state) ? state.ToArray() : [];
            var hint = answer.Packet.Integer(RadiusAttribute.SessionTimeout) is { } seconds and > 0 ? TimeSpan.FromSeconds(seconds) : (TimeSpan?)null;
            _eap.ReceiveRequest(packet, hint, now);
        }
        else
        {
            _verdict = answer;
            _eap.ReceiveVerdict(answer?.Packet.Code == RadiusCode.AccessAccept, packet);
        }
        Drain(now);
    }

    public void Tick(Moment now)
    {
        _eap.Tick(now);
        Drain(now);
    }

    /// <summary>The peer leaves, or is told to.</summary>
    /// <param name="cause">Acct-Terminate-Cause (RFC 2866 §5.10): 1 user request, 6 admin reset, 20 supplicant restart, 21 reauthentication.</param>
    public void Close(Moment now, uint cause)
    {
        _eap.Stop();
        if (!IsAuthorized)
            return;
        IsAuthorized = false;
        _events.Enqueue(new(NasPortHappening.Ask, Account(AcctStatusType.Stop, now).Add(RadiusAttribute.AcctTerminateCause, cause), null));
        _events.Enqueue(new(NasPortHappening.Unauthorized, null, null));
    }

    private void Drain(Moment now)
    {
        while (_eap.TryEvent(out var what))
            switch (what.What)
            {
                case EapAuthenticatorHappening.Response:
                    _events.Enqueue(new(NasPortHappening.Ask, Ask(what.Packet.Span), null));
                    break;
                case EapAuthenticatorHappening.Accepted:
                    IsAuthorized = true;
                    _since = now.Elapsed;
                    _session++;
                    _class = _verdict!.Packet.TryGet(RadiusAttribute.Class, out var c) ? c.ToArray() : [];
                    _events.Enqueue(new(NasPortHappening.Authorized, null, _verdict));
                    _events.Enqueue(new(NasPortHappening.Ask, Account(AcctStatusType.Start, now), null));
                    break;
                default:
                    _events.Enqueue(new(NasPortHappening.Unauthorized, null, null));
                    break;
            }
    }

    private RadiusMessage Ask(ReadOnlySpan<byte> eap)
    {
        var message = Describe(new RadiusMessage(RadiusCode.AccessRequest)).Add(RadiusAttribute.FramedMtu, options.Mtu);
        // Asks for the Session-Id (RFC 4072 §2.2: one zero byte).
        message.Add(RadiusAttribute.EapKeyName, [0]);
        if (_state.Length > 0)
            message.Add(RadiusAttribute.State, _state);
        return message.AddEap(eap);
    }

    private RadiusMessage Describe(RadiusMessage message)
    {
        if (_eap.Identity.Length is > 0 and <= RadiusPacket.MaxValue)
            message.Add(RadiusAttribute.UserName, _eap.Identity.Span);
        message.Add(RadiusAttribute.NasIdentifier, options.Identifier);
        if (options.Address is { } address)
            message.Add(address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork ? RadiusAttribute.NasIpAddress : RadiusAttribute.NasIpv6Address, address);
        if (options.Port is { } port)
            message.Add(RadiusAttribute.NasPort, port);
        message.Add(RadiusAttribute.NasPortType, options.PortType);
        if (options.CalledStation.Length > 0)
            message.Add(RadiusAttribute.CalledStationId, options.CalledStation);
        if (options.CallingStation.Length > 0)
            message.Add(RadiusAttribute.CallingStationId, options.CallingStation);
        return message;
    }

    private RadiusMessage Account(AcctStatusType status, Moment now)
    {
        var message = Describe(new RadiusMessage(RadiusCode.AccountingRequest)).Add(RadiusAttribute.AcctStatusType, (uint)status)
            .Add(RadiusAttribute.AcctSessionId, $"{_sessionPrefix}-{_session}").Add(RadiusAttribute.AcctAuthentic, 1);
        if (_class.Length > 0)
            message.Add(RadiusAttribute.Class, _class);
        if (status == AcctStatusType.Stop)
            message.Add(RadiusAttribute.AcctSessionTime, (uint)(now.Elapsed - _since).TotalSeconds);
        return message;
    }

    public bool TryEvent(out NasPortEvent happened) => _events.TryDequeue(out happened);

    /// <summary>An EAP packet for the peer.</summary>
    public bool TryTransmit(out ReadOnlyMemory<byte> packet, out bool repeats) => _eap.TryTransmit(out packet, out repeats);
}
