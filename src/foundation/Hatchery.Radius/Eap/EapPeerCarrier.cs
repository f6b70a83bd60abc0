using System.Collections.Immutable;

namespace Hatchery.Radius.Eap;

/// <summary>The lower layer of a peer as an engine that holds its <see cref="EapPeer"/>: EAPOL, or RADIUS without an authenticator between.</summary>
public interface IEapPeerEngine
{
    /// <summary>"EAPOL", "RADIUS".</summary>
    Medium Medium { get; }

    /// <summary>Asks the network for a conversation. One that is under way is given up.</summary>
    void Start(Moment now);

    /// <inheritdoc cref="EapPeer.Identify"/>
    void Identify(ReadOnlyMemory<byte> identity, Tag tag, Moment now);

    /// <inheritdoc cref="EapPeer.Respond"/>
    void Respond(in EapPeerResponse response, Tag tag, Moment now);

    /// <summary>Leaves the conversation that is under way, if any; an authorized port stays as it is.</summary>
    void Stop(Moment now);
}

/// <summary>A party's connections as EAP conversations: a connect asks the network for a conversation, EAP's requests arrive as the method's messages, its sends are responses.
/// Success and Failure arrive as messages too (<see cref="IEapPeerBinding.Ended"/>); a conversation that dies without them is lost.</summary>
/// <param name="post">Runs something on the engine's pump and has the pump look at the engine afterwards; at once is well.</param>
/// <param name="succeeded">At each Success, before the party hears of it: what the lower layer does with the keys.</param>
public sealed class EapPeerCarrier(IEapPeerEngine engine, IEapPeerBinding binding, Action<Action> post, Func<Moment> now, Action<EapKeys?>? succeeded = null) : ICarrier
{
    private static readonly ImmutableArray<Layer> s_layers = [new("EAP", Protection.Clear)];
    private Connection? _current;

    public IConnection Open(Destination to, SessionId session, ICarrierEvents events)
    {
        var connection = new Connection(this, events);
        post(() =>
        {
            _current = connection;
            engine.Start(now());
        });
        return connection;
    }

    /// <summary>The handler for the engine's pump.</summary>
    public void Happened(in EapPeerEvent what)
    {
        var connection = _current;
        if (connection is null)
            return;
        switch (what.What)
        {
            case EapPeerHappening.Identity:
                connection.Receive(binding.ParseIdentity(what.Data.ToArray()), what.Data, what.Tag, identity: true);
                break;
            case EapPeerHappening.Request:
                byte[] data = what.Data.ToArray();
                IMessage message;
                try
                {
                    message = binding.Parse(data);
                }
                catch (ProtocolException fault)
                {
                    connection.Lost(new CarrierFault(fault.Message, true, fault));
                    return;
                }
                connection.Receive(message, data, what.Tag, identity: false);
                break;
            case EapPeerHappening.Success:
                succeeded?.Invoke(what.Keys);
                _current = null;
                connection.Receive(binding.Ended(true), default, what.Tag, identity: false);
                break;
            case EapPeerHappening.Failure when what.Carrier:
                _current = null;
                connection.Lost(new CarrierFault(what.Reason, true));
                break;
            case EapPeerHappening.Failure:
                _current = null;
                connection.Receive(binding.Ended(false), default, what.Tag, identity: false);
                break;
        }
    }

    private sealed class Connection(EapPeerCarrier carrier, ICarrierEvents events) : IConnection
    {
        /// <summary>What the last request asked for; written by the pump before the party hears of the request.</summary>
        private volatile bool _identity;

        public void Receive(IMessage message, ReadOnlyMemory<byte> bytes, Tag tag, bool identity)
        {
            _identity = identity;
            events.Received(message, new Encoded(bytes, s_layers, carrier.Medium), tag);
        }

        public void Lost(CarrierFault fault)
        {
            _identity = false;
            events.Lost(fault);
        }

        public Encoded Send(IMessage message, Tag tag)
        {
            var response = carrier.Encode(message);
            bool identity = _identity;
            carrier.Post(this, engine =>
            {
                if (identity)
                    engine.Identify(response.Data, tag, carrier.Now);
                else
                    engine.Respond(response, tag, carrier.Now);
            });
            return new Encoded(response.Data, s_layers, carrier.Medium);
        }

        public void Close() => carrier.Post(this, engine =>
        {
            carrier._current = null;
            engine.Stop(carrier.Now);
        });
    }

    private Medium Medium => engine.Medium;
    private Moment Now => now();
    private EapPeerResponse Encode(IMessage message) => binding.Encode(message);

    private void Post(Connection connection, Action<IEapPeerEngine> act) => post(() =>
    {
        if (ReferenceEquals(_current, connection))
            act(engine);
    });
}
