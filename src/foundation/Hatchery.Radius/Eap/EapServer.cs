using System.Collections.Immutable;
using System.Security.Cryptography;

namespace Hatchery.Radius.Eap;

/// <summary>Which methods serve which realm.</summary>
/// <param name="Realm">As <see cref="Nai.IsIn"/> takes it.</param>
/// <param name="Methods">The first is begun; a peer's Nak may lead to another.</param>
public sealed record EapRoute(string Realm, params ImmutableArray<IEapServerMethod> Methods);

/// <summary>Who watches the methods of a server.</summary>
public sealed record EapObserver(Func<Player, Actor> HereOf, Func<Player, Actor?> PeerOf, IWitness Witness, RefusalLog Refused, FaultLog Failed)
{
    /// <summary>Nobody; faults of ours are lost, so this is for tests and samples.</summary>
    public static EapObserver None { get; } = new(p => new Actor(p, p.Name, p.UsuallyOperatedBy), _ => null, Hatchery.Witness.None, (_, _, _) => { }, (_, _) => { });
}

public sealed record EapServerOptions
{
    /// <summary>How long a conversation may rest between two messages, and how long its last answer is kept for a repeated response.</summary>
    public TimeSpan ConversationLife { get; init; } = TimeSpan.FromSeconds(60);
    /// <summary>Requests in one conversation (RFC 4137 leaves it open; 50 is what authenticators allow).</summary>
    public int MaxRounds { get; init; } = 50;
}

/// <summary>What a NAS passed on.</summary>
/// <param name="Eap">The EAP packet; empty: the NAS asks us to begin (EAP-Start, RFC 3579 §2.1).</param>
/// <param name="State">As the NAS returned it; empty: there was none.</param>
/// <param name="Fill">Tells a conversation what the request says about NAS and device.</param>
public readonly record struct EapArrival(ReadOnlyMemory<byte> Eap, ReadOnlyMemory<byte> State, string Client, Action<EapConversation>? Fill = null);

/// <param name="Packet">For the NAS to pass on; Request, Success or Failure.</param>
/// <param name="State">Names the conversation; empty when it has ended.</param>
/// <param name="Ignored">The response was none that the conversation expected: the last request goes out again (RFC 3579 §2.6.1, Error-Cause 202).</param>
public sealed record EapAnswer(EapPacket Packet, ReadOnlyMemory<byte> State, EapKeys? Keys, string Profile, bool Ignored);

/// <summary>The server of RFC 4137 §6 behind pass-through authenticators: identity, choice of the method by realm, Nak, order and repetition of messages. The conversation is a
/// session under State, which stays the same throughout; whoever serves the next message takes it and puts it back. Authenticators retransmit, the server never does.</summary>
public sealed class EapServer(ISessions sessions, Chance chance, ImmutableArray<EapRoute> routes, EapObserver observer, EapServerOptions? options = null)
{
    private const string Kind = "eap.conversation";
    private static readonly Medium s_medium = new("RADIUS");
    private readonly EapServerOptions _options = options ?? new();

    /// <summary>Serves one message. Null: to be discarded in silence, no conversation can be named.</summary>
    /// <param name="caller">Its session and token are set to the conversation's.</param>
    public async ValueTask<EapAnswer?> HandleAsync(EapArrival arrival, Caller caller, CancellationToken cancel)
    {
        EapPacket packet;
        if (arrival.Eap.Length <= 2 && arrival.State.IsEmpty)
            return await BeginAsync(null, arrival, caller, cancel);
        try
        {
            packet = EapPacket.Parse(arrival.Eap);
        }
        catch (RadiusException) when (!arrival.State.IsEmpty)
        {
            packet = default;
        }
        catch (RadiusException fault)
        {
            observer.Refused(caller, null, fault);
            return null;
        }
        if (arrival.State.IsEmpty)
            return packet is { Code: EapCode.Response, Type: EapType.Identity } ? await BeginAsync(packet, arrival, caller, cancel) : Failure(packet.Identifier);
        return await GoOnAsync(packet, arrival, caller, cancel);
    }

    private async ValueTask<EapAnswer> BeginAsync(EapPacket? identity, EapArrival arrival, Caller caller, CancellationToken cancel)
    {
        var state = chance.Bytes(16, "RADIUS.State");
        Name(caller, state);
        byte identifier = identity is { } first ? first.Identifier : chance.Bytes(1, "EAP.Identifier")[0];
        var session = new EapSession(identifier);
        EapAnswer answer;
        if (identity is { } response)
            answer = await IdentityAsync(session, response, arrival, state, caller, cancel);
        else
            answer = Ask(session, EapType.Identity, default, state);
        session.Answered(arrival.Eap.Span, answer);
        try
        {
            await sessions.PutAsync(Kind, Key(state), session, _options.ConversationLife, cancel);
        }
        catch (TooManySessionsException e)
        {
            observer.Failed("EAP-Response/Identity", e);
            return Failure(identifier);
        }
        return answer;
    }

    private async ValueTask<EapAnswer> GoOnAsync(EapPacket packet, EapArrival arrival, Caller caller, CancellationToken cancel)
    {
        Name(caller, arrival.State.Span);
        string key = Key(arrival.State.Span);
        if (arrival.State.Length != 16 || await sessions.TakeAsync<EapSession>(Kind, key, cancel) is not { } session)
        {
            observer.Refused(caller, null, RadiusException.Discard("State", "It names no conversation that is under way."));
            return Failure(packet.Identifier);
        }
        bool put = false;
        try
        {
            EapAnswer? answer = session.Again(arrival.Eap.Span);
            if (answer is null)
            {
                if (session.Ended)
                    answer = Failure(packet.Identifier);
                else if (packet.Code != EapCode.Response || packet.Identifier != session.Identifier)
                    answer = session.LastAnswer! with { Ignored = true };
                else
                {
                    answer = await ResponseAsync(session, packet, arrival, caller, cancel);
                    if (!answer.Ignored)
                        session.Answered(arrival.Eap.Span, answer);
                }
            }
            await sessions.PutAsync(Kind, key, session, _options.ConversationLife, cancel);
            put = true;
            return answer;
        }
        finally
        {
            if (!put)
                await sessions.DropAsync(Kind, key, default);
        }
    }

    private ValueTask<EapAnswer> ResponseAsync(EapSession session, EapPacket packet, EapArrival arrival, Caller caller, CancellationToken cancel)
    {
        if (session.Rounds >= _options.MaxRounds)
        {
            observer.Refused(caller, null, RadiusException.InvalidEap("packet", $"The conversation has had {session.Rounds} requests."));
            return new(Failure(packet.Identifier));
        }
        switch (packet.Type)
        {
            case EapType.Identity when session.Identity is null:
                return IdentityAsync(session, packet, arrival, arrival.State, caller, cancel);
            case EapType.Nak when session.Identity is not null && session.IsFirst:
                return NakAsync(session, packet, arrival, caller, cancel);
            case var type when session.Identity is not null && type == session.Method:
                session.IsFirst = false;
                var method = routes[session.Route].Methods.First(m => m.Type == session.Method);
                return TurnAsync(session, method, packet.Data, packet.Identifier, arrival, arrival.State, caller, cancel);
            default:
                return new(session.LastAnswer! with { Ignored = true });
        }
    }

    private async ValueTask<EapAnswer> IdentityAsync(EapSession session, EapPacket packet, EapArrival arrival, ReadOnlyMemory<byte> state, Caller caller, CancellationToken cancel)
    {
        Nai nai;
        try
        {
            nai = Nai.Parse(packet.Data.Span);
        }
        catch (RadiusException fault)
        {
            observer.Refused(caller, null, fault);
            return Failure(packet.Identifier);
        }
        int route = 0;
        while (route < routes.Length && !nai.IsIn(routes[route].Realm))
            route++;
        if (route == routes.Length)
        {
            observer.Refused(caller, null, RadiusException.Discard("NAI", $"No method serves the realm {nai.Realm}."));
            return Failure(packet.Identifier);
        }
        (session.Identity, session.Route) = (nai.Text, route);
        return await StartAsync(session, routes[route].Methods[0], packet, arrival, state, caller, cancel);
    }

    private ValueTask<EapAnswer> NakAsync(EapSession session, EapPacket packet, EapArrival arrival, Caller caller, CancellationToken cancel)
    {
        foreach (byte wanted in packet.Data.Span)
            foreach (var method in routes[session.Route].Methods)
                if (method.Type == wanted && wanted != session.Method)
                    return StartAsync(session, method, packet, arrival, arrival.State, caller, cancel);
        observer.Refused(caller, null, RadiusException.Discard("Nak", "The peer does not speak the method of its realm."));
        return new(Failure(packet.Identifier));
    }

    private ValueTask<EapAnswer> StartAsync(EapSession session, IEapServerMethod method, EapPacket packet, EapArrival arrival, ReadOnlyMemory<byte> state, Caller caller, CancellationToken cancel)
    {
        session.Begin(method.Type);
        return TurnAsync(session, method, null, packet.Identifier, arrival, state, caller, cancel);
    }

    /// <param name="data">Null: the identity, which begins the method.</param>
    private async ValueTask<EapAnswer> TurnAsync(EapSession session, IEapServerMethod method, ReadOnlyMemory<byte>? data, byte identifier, EapArrival arrival,
        ReadOnlyMemory<byte> state, Caller caller, CancellationToken cancel)
    {
        var conversation = new EapConversation
        {
            Identity = Nai.Parse(session.Identity!),
            Client = arrival.Client,
            Identifier = identifier,
            State = session.StateOf(method),
        };
        arrival.Fill?.Invoke(conversation);
        var turning = new Turning(method, conversation);
        var driver = new ServiceDriver(turning, observer.HereOf, observer.PeerOf, observer.Witness, observer.Refused, observer.Failed);
        var turn = await driver.HandleAsync(
            _ => data is { } bytes ? method.Parse(bytes, conversation) : method.ParseIdentity(conversation),
            data ?? System.Text.Encoding.UTF8.GetBytes(session.Identity!), caller, s_medium,
            fault => new Reply((turning.Turn = method.Refuse(fault, conversation)).Message),
            _ => (turning.Turn!, turning.Turn is EapTurn.Request r ? r.Data : default), cancel);
        session.Keep(conversation.State);
        return turn switch
        {
            EapTurn.Request request => Ask(session, method.Type, request.Data, state),
            EapTurn.Success success => new EapAnswer(new EapPacket(EapCode.Success, identifier, 0, default), default, success.Keys, success.Profile, false),
            _ => Failure(identifier),
        };
    }

    private static EapAnswer Ask(EapSession session, byte type, ReadOnlyMemory<byte> data, ReadOnlyMemory<byte> state) =>
        new(new EapPacket(EapCode.Request, session.NextIdentifier(), type, data), state, null, "", false);

    private static EapAnswer Failure(byte identifier) => new(new EapPacket(EapCode.Failure, identifier, 0, default), default, null, "", false);

    private static string Key(ReadOnlySpan<byte> state) => Convert.ToHexStringLower(state);

    private static void Name(Caller caller, ReadOnlySpan<byte> state)
    {
        caller.Token = Key(state);
        Span<byte> hash = stackalloc byte[32];
        SHA256.HashData(state, hash);
        caller.Session = new SessionId(new Guid(hash[..16]));
    }

    private sealed class Turning(IEapServerMethod method, EapConversation conversation) : IService
    {
        public EapTurn? Turn { get; set; }

        public async ValueTask<Reply> HandleAsync(IMessage request, Caller caller, CancellationToken cancel)
        {
            Turn = await method.HandleAsync(request, conversation, caller, cancel);
            if (Turn is EapTurn.Request { Data.Length: var length } && 5 + length > conversation.Mtu)
                throw new InvalidOperationException($"Method {method.Type} makes a packet of {5 + length} bytes; the path takes {conversation.Mtu}.");
            return new Reply(Turn.Message);
        }
    }
}
