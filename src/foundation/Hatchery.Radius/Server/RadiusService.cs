using System.Collections.Immutable;
using Hatchery.Radius.Eap;

namespace Hatchery.Radius.Server;

/// <summary>Answers authentic requests.</summary>
public interface IRadiusService
{
    /// <summary>Null: no answer; the client will ask again.</summary>
    ValueTask<RadiusMessage?> HandleAsync(RadiusRequest request, Caller caller, CancellationToken cancel);
}

/// <summary>What an admitted device's port gets: attributes of an Access-Accept.</summary>
/// <param name="Name">As the admission policy names it.</param>
public sealed record RadiusProfile(string Name)
{
    /// <summary>VLAN number or name (RFC 3580 §3.31); empty: the port's own.</summary>
    public string Vlan { get; init; } = "";
    public string FilterId { get; init; } = "";
    /// <summary>After which the device must authenticate again; null: the NAS decides.</summary>
    public TimeSpan? SessionTimeout { get; init; }

    public void AddTo(RadiusMessage message)
    {
        if (Vlan.Length > 0)
        {
            message.Add(RadiusAttribute.TunnelType, 13).Add(RadiusAttribute.TunnelMediumType, 6);
            // A name that begins with a byte up to 1f would be read as a tag (RFC 2868 §3.6).
            message.Add(RadiusAttribute.TunnelPrivateGroupId, Vlan);
        }
        if (FilterId.Length > 0)
            message.Add(RadiusAttribute.FilterId, FilterId);
        if (SessionTimeout is { } time)
            message.Add(RadiusAttribute.SessionTimeout, (uint)time.TotalSeconds).Add(RadiusAttribute.TerminationAction, 1);
    }
}

/// <summary>What a NAS reported about a session (RFC 2866).</summary>
public sealed record RadiusAccounting(AcctStatusType Status, string SessionId, string Client, string? UserName, string? CallingStation, ReadOnlyMemory<byte> Class,
    uint SessionSeconds, ulong InputOctets, ulong OutputOctets, uint? TerminateCause);

public sealed record RadiusServiceOptions
{
    /// <summary>By name; a name that is not here gives a plain Access-Accept.</summary>
    public ImmutableDictionary<string, RadiusProfile> Profiles { get; init; } = ImmutableDictionary<string, RadiusProfile>.Empty;
    /// <summary>In Access-Challenge: how long the NAS waits for the peer, as Session-Timeout (RFC 3580 §3.17); null: its own choice.</summary>
    public TimeSpan? PeerTimeout { get; init; }
    /// <summary>Session-Id as EAP-Key-Name in Access-Accept, also where the NAS did not ask (RFC 7268 §2.2).</summary>
    public bool AlwaysNameKey { get; init; }
    /// <summary>Records an accounting request durably; null: accounting is not answered.</summary>
    public Func<RadiusAccounting, Caller, CancellationToken, ValueTask>? Account { get; init; }
}

/// <summary>EAP over RADIUS (RFC 3579), and accounting.</summary>
public sealed class RadiusEapService(EapServer eap, RadiusServiceOptions? options = null) : IRadiusService
{
    private readonly RadiusServiceOptions _options = options ?? new();

    public async ValueTask<RadiusMessage?> HandleAsync(RadiusRequest request, Caller caller, CancellationToken cancel)
    {
        if (request.Packet.Code == RadiusCode.AccountingRequest)
            return await AccountAsync(request, caller, cancel);
        var message = request.Packet.EapMessage();
        if (message is null)
            return new RadiusMessage(RadiusCode.AccessReject).Add(RadiusAttribute.ReplyMessage, "This server speaks EAP only.");
        ReadOnlyMemory<byte> state = request.Packet.TryGet(RadiusAttribute.State, out var value) ? value.ToArray() : default;
        var answer = await eap.HandleAsync(new EapArrival(message, state, request.Nas.Name, c => Fill(c, request.Packet)), caller, cancel);
        return answer is null ? null : ToMessage(answer, request.Packet);
    }

    private static void Fill(EapConversation conversation, in RadiusPacket packet)
    {
        conversation.CallingStation = packet.Text(RadiusAttribute.CallingStationId);
        conversation.CalledStation = packet.Text(RadiusAttribute.CalledStationId);
        conversation.NasIdentifier = packet.Text(RadiusAttribute.NasIdentifier);
        // Framed-MTU counts EAPOL's header of 4 bytes (RFC 3579 §2.4).
        if (packet.Integer(RadiusAttribute.FramedMtu) is { } mtu)
            conversation.Mtu = (int)Math.Clamp(mtu - 4L, EapPacket.MinimumMtu, 3000);
    }

    private RadiusMessage ToMessage(EapAnswer answer, in RadiusPacket request)
    {
        var message = new RadiusMessage(answer.Packet.Code switch
        {
            EapCode.Request => RadiusCode.AccessChallenge,
            EapCode.Success => RadiusCode.AccessAccept,
            _ => RadiusCode.AccessReject,
        });
        if (!answer.State.IsEmpty)
            message.Add(RadiusAttribute.State, answer.State.Span);
        message.AddEap(answer.Packet.Encode());
        if (answer.Ignored)
            message.Add(RadiusAttribute.ErrorCause, 202);
        if (message.Code == RadiusCode.AccessChallenge && _options.PeerTimeout is { } wait)
            message.Add(RadiusAttribute.SessionTimeout, (uint)wait.TotalSeconds);
        if (message.Code != RadiusCode.AccessAccept)
            return message;
        if (request.TryGet(RadiusAttribute.UserName, out var user))
            message.Add(RadiusAttribute.UserName, user);
        message.Keys = answer.Keys;
        if (answer.Keys is { SessionId.Length: > 0 and <= RadiusPacket.MaxValue } keys && (_options.AlwaysNameKey || request.Has(RadiusAttribute.EapKeyName)))
            message.Add(RadiusAttribute.EapKeyName, keys.SessionId.Span);
        if (_options.Profiles.TryGetValue(answer.Profile, out var profile))
            profile.AddTo(message);
        return message;
    }

    private async ValueTask<RadiusMessage?> AccountAsync(RadiusRequest request, Caller caller, CancellationToken cancel)
    {
        var packet = request.Packet;
        if (_options.Account is not { } record || packet.Integer(RadiusAttribute.AcctStatusType) is not { } status)
            return null;
        ulong Octets(RadiusAttribute low, byte high) => packet.Integer(low).GetValueOrDefault() + ((ulong)packet.Integer((RadiusAttribute)high).GetValueOrDefault() << 32);
        await record(new RadiusAccounting((AcctStatusType)status, packet.Text(RadiusAttribute.AcctSessionId) ?? "", request.Nas.Name, packet.Text(RadiusAttribute.UserName),
            packet.Text(RadiusAttribute.CallingStationId), packet.TryGet(RadiusAttribute.Class, out var c) ? c.ToArray() : default,
            packet.Integer(RadiusAttribute.AcctSessionTime).GetValueOrDefault(), Octets(RadiusAttribute.AcctInputOctets, 52), Octets(RadiusAttribute.AcctOutputOctets, 53),
            packet.Integer(RadiusAttribute.AcctTerminateCause)), caller, cancel);
        return new RadiusMessage(RadiusCode.AccountingResponse);
    }
}

/// <summary><see cref="RadiusServer{TPath}.Answer"/>.</summary>
public delegate void RadiusAnswering(long ticket, RadiusMessage? answer, Moment now, Tag tag);

/// <summary>Joins an engine and a service: the handler for the engine's pump.</summary>
/// <param name="post">Runs something on the pump's thread.</param>
/// <param name="inline">Serves on the pump's thread (virtual time); else on the thread pool.</param>
/// <param name="answer">The engine's <c>Answer</c>.</param>
public sealed class RadiusServerHost(RadiusAnswering answer, IRadiusService service, string listener, Func<Moment> now, Action<Action> post, RefusalLog refused, FaultLog failed,
    bool inline = false, CancellationToken stop = default)
{
    public void Happened(in RadiusServerEvent what)
    {
        if (what.Discarded is { } fault)
        {
            refused(CallerOf(what.Remote, default), null, fault);
            return;
        }
        var (ticket, request) = (what.Ticket, what.Request!);
        if (inline)
            _ = ServeAsync(ticket, request);
        else
            ThreadPool.UnsafeQueueUserWorkItem(static w => _ = w.Host.ServeAsync(w.Ticket, w.Request), (Host: this, Ticket: ticket, Request: request), preferLocal: false);
    }

    private async Task ServeAsync(long ticket, RadiusRequest request)
    {
        RadiusMessage? reply = null;
        try
        {
            reply = await service.HandleAsync(request, CallerOf(request.Remote, request.Frames), stop);
        }
        catch (RadiusException fault)
        {
            refused(CallerOf(request.Remote, request.Frames), null, fault);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return;
        }
        catch (Exception fault)
        {
            failed(request.Packet.Code.ToString(), fault);
        }
        post(() => answer(ticket, reply, now(), default));
    }

    private Caller CallerOf(string remote, Tag frames) => new() { Now = now(), Listener = listener, Remote = remote, RequestFrames = frames };
}
