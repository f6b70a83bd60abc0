namespace Hatchery.Simulation;

/// <summary>HTTP for parties. An answer that is no message of the protocol is reported as <see cref="ICarrierEvents.Lost"/> with what was wrong.</summary>
/// <param name="bindings">One per connection.</param>
public sealed class SimulatedHttpCarrier(SimulatedHost host, Func<Destination, IHttpClientBinding> bindings) : ICarrier
{
    /// <summary>What secures a connection to this destination; null: nothing.</summary>
    public Func<Destination, IStreamFilter?>? Filters { get; init; }
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(30);

    public IConnection Open(Destination to, SessionId session, ICarrierEvents events) => new Connection(this, to, session, events);

    private sealed class Connection : IConnection
    {
        private readonly SimulatedHttpClient _client;
        private readonly IHttpClientBinding _binding;
        private readonly ICarrierEvents _events;
        private readonly SimulationLoop _loop;
        private bool _closed;

        public Connection(SimulatedHttpCarrier carrier, Destination to, SessionId session, ICarrierEvents events)
        {
            (_events, _loop) = (events, carrier.Host.Loop);
            _binding = carrier.Bindings(to);
            Func<IStreamFilter>? filter = null;
            if (carrier.Filters?.Invoke(to) is { } first)
                filter = () => Interlocked.Exchange(ref first, null) ?? carrier.Filters(to)!;
            _client = new SimulatedHttpClient(carrier.Host, to.Host, to.Port, filter, supply => Tell(() => _events.Supplied(supply))) { Timeout = carrier.Timeout, Session = session };
            _client.Open(reason => Lost(reason, false));
        }

        public Encoded Send(IMessage message, Tag tag)
        {
            var request = _binding.Encode(message);
            _client.Send(request, tag, (response, received) => Answered(message, response, received), Lost);
            return new Encoded(request.Body, SimulatedHttp.LayersOver(_client.Facts), Medium.Http);
        }

        public void Close()
        {
            _closed = true;
            _client.Close();
        }

        private void Answered(IMessage request, PlainHttpResponse response, Tag tag)
        {
            IMessage? message;
            try
            {
                message = _binding.Parse(response, request);
            }
            catch (ProtocolException e)
            {
                Tell(() => _events.Lost(new CarrierFault($"{e.FieldName}: {e.Message}", true, e)));
                return;
            }
            if (message is not null)
                Tell(() => _events.Received(message, new Encoded(response.Body, SimulatedHttp.LayersOver(_client.Facts), Medium.Http), tag));
        }

        private void Lost(string reason, bool afterRequestWasSent) => Tell(() => _events.Lost(new CarrierFault(reason, afterRequestWasSent)));

        private void Tell(Action what)
        {
            if (!_closed)
                what();
        }
    }

    private SimulatedHost Host => host;
    private Func<Destination, IHttpClientBinding> Bindings => bindings;
}
