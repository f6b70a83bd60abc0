using System.Collections.Immutable;

namespace Hatchery.Coap;

/// <summary>How a protocol's messages map to CoAP on the server's side; shared by all requests.</summary>
public interface ICoapServerBinding
{
    /// <summary>Parses at the door; sets <see cref="Caller.Token"/>. Throws only <see cref="ProtocolException"/>.</summary>
    IMessage Parse(CoapRequest request, Caller caller);

    CoapResponse Encode(Reply reply, CoapRequest request);

    /// <summary>The error that the standard prescribes, as a message. Null fault: something of ours broke.</summary>
    Reply Refuse(ProtocolException? fault, CoapRequest request, Caller caller);
}

/// <summary>How a protocol's messages map to CoAP on the client's side; one per connection, so it may keep a token.</summary>
public interface ICoapClientBinding
{
    CoapRequest Encode(IMessage message);

    /// <summary>Throws only <see cref="ProtocolException"/>. Null: the answer carries no message.</summary>
    IMessage? Parse(CoapResponse response, IMessage request);
}

/// <summary>A service as a handler of a <see cref="CoapApp"/>, through its binding.</summary>
/// <param name="callerOf">What the carrier knows of the caller: listener, address, credentials, layers.</param>
public sealed class CoapServiceDriver(ServiceDriver driver, ICoapServerBinding binding, Func<CoapContext, Caller> callerOf)
{
    public Medium Medium { get; init; } = Medium.Udp;

    public ValueTask<CoapResponse> HandleAsync(CoapContext context)
    {
        var request = context.Request;
        var caller = callerOf(context);
        return driver.HandleAsync(c => binding.Parse(request, c), request.Payload, caller, Medium, fault => binding.Refuse(fault, request, caller),
            reply =>
            {
                var response = binding.Encode(reply, request);
                return (response, response.Payload);
            }, context.Cancel);
    }
}

/// <summary>CoAP for a party: each message is a request, each response a message.</summary>
/// <param name="resolve">The path of a destination.</param>
/// <param name="bindings">A new one for each connection.</param>
public sealed class CoapCarrier<TPath>(CoapHost<TPath> host, Func<Destination, TPath> resolve, Func<Destination, ICoapClientBinding> bindings, ImmutableArray<Layer> layers) : ICarrier
    where TPath : notnull
{
    public Medium Medium { get; init; } = Medium.Udp;

    public IConnection Open(Destination to, SessionId session, ICarrierEvents events) => new Connection(host, resolve(to), bindings(to), events, layers, Medium);

    private sealed class Connection(CoapHost<TPath> host, TPath to, ICoapClientBinding binding, ICarrierEvents events, ImmutableArray<Layer> layers, Medium medium) : IConnection
    {
        private volatile bool _closed;

        public Encoded Send(IMessage message, Tag tag)
        {
            var request = binding.Encode(message);
            host.Start(to, request, tag, happened => Take(message, happened));
            return new Encoded(request.Payload, layers, medium);
        }

        private void Take(IMessage request, in CoapEvent<TPath> happened)
        {
            if (_closed)
                return;
            if (happened.Response is not { } response)
            {
                events.Lost(new CarrierFault(happened.Failure!.Sentence, AfterRequestWasSent: true));
                return;
            }
            IMessage? message;
            try
            {
                message = binding.Parse(response, request);
            }
            catch (ProtocolException e)
            {
                events.Lost(new CarrierFault($"{e.FieldName}: {e.Message}", true, e));
                return;
            }
            if (message is not null)
                events.Received(message, new Encoded(response.Payload, layers, medium), happened.Tags.Last);
        }

        public void Close() => _closed = true;
    }
}
