using System.Collections.Immutable;

namespace Hatchery;

/// <summary>Takes what went wrong inside a service, not through the peer's fault. The peer gets the standard's internal error and no detail.</summary>
public delegate void FaultLog(string what, Exception fault);

/// <summary>Says what a peer was refused and why: protocol error, field, sentence; no secrets.</summary>
public delegate void RefusalLog(Caller caller, StepKind? kind, ProtocolException fault);

/// <summary>The driver of every service: parses at the door, reports what passed, turns faults into the standard's errors.</summary>
/// <param name="hereOf">Who we are where a message is addressed to this player: a service may play several.</param>
public sealed class ServiceDriver(IService service, Func<Player, Actor> hereOf, Func<Player, Actor?> peerOf, IWitness witness, RefusalLog refused, FaultLog failed)
{
    public ServiceDriver(IService service, Actor here, Func<Player, Actor?> peerOf, IWitness witness, RefusalLog refused, FaultLog failed)
        : this(service, _ => here, peerOf, witness, refused, failed) { }

    /// <summary>Handles one request. Never throws but on cancellation.</summary>
    /// <param name="parse">Parses at the door; may throw <see cref="ProtocolException"/>.</param>
    /// <param name="refuse">The standard's error as a message; null fault: something of ours broke.</param>
    /// <param name="encode">Encodes the answer; the result's bytes are what is digested.</param>
    public async ValueTask<T> HandleAsync<T>(Func<Caller, IMessage> parse, ReadOnlyMemory<byte> bytes, Caller caller, Medium medium,
        Func<ProtocolException?, Reply> refuse, Func<Reply, (T Answer, ReadOnlyMemory<byte> Bytes)> encode, CancellationToken cancel)
    {
        var watching = witness.Watching;
        Dictionary<string, int>? ledger = (watching & Watch.Costs) != 0 ? [] : null;
        var before = ledger is null ? null : OperationMeter.Charge(ledger);
        IMessage? request = null;
        Reply reply;
        try
        {
            request = parse(caller);
            reply = await service.HandleAsync(request, caller, cancel);
        }
        catch (ProtocolException fault)
        {
            refused(caller, request?.Kind, fault);
            reply = refuse(fault);
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            throw;
        }
        catch (Exception fault)
        {
            failed(request?.Kind.Name ?? "a request that was not parsed", fault);
            reply = refuse(null);
        }
        finally
        {
            if (ledger is not null)
                OperationMeter.Charge(before);
        }
        var (answer, answerBytes) = encode(reply);
        if (watching == Watch.None)
            return answer;
        // What was not parsed is known by the answer's kind only.
        var here = hereOf(request?.Kind.To ?? reply.Message?.Kind.From ?? s_nobody);
        if ((watching & Watch.Steps) != 0)
        {
            if (request is not null)
                See(request, Way.Received, bytes.Span, caller, medium, here);
            foreach (var fact in caller.Facts)
                witness.Reported(caller.Session, fact, caller.Now);
            if (reply.Message is not null)
                See(reply.Message, Way.Sent, answerBytes.Span, caller, medium, here);
        }
        if (ledger is not null)
            witness.Spent(caller.Session, here, ledger, caller.Now);
        return answer;
    }

    private static readonly Player s_nobody = new("nobody", PlayerKind.Service, Reach.Never, false, "", "");

    private void See(IMessage message, Way way, ReadOnlySpan<byte> bytes, Caller caller, Medium medium, Actor here)
    {
        var frames = way == Way.Sent ? caller.AnswerFrames : caller.RequestFrames;
        witness.Saw(new Sighting
        {
            Kind = message.Kind,
            Way = way,
            At = caller.Now,
            Session = caller.Session,
            Here = here,
            Peer = peerOf(way == Way.Sent ? message.Kind.To : message.Kind.From),
            Medium = medium,
            Layers = message.Protection == Protection.Clear ? caller.Layers : caller.Layers.Add(new Layer("message", message.Protection)),
            Frames = frames.Value == 0 ? default : new ReadOnlySpan<Tag>(in frames),
            Message = message,
            Bytes = bytes,
        });
    }
}

/// <summary>A service as an HTTP role, through its binding.</summary>
public sealed class HttpServiceDriver(ServiceDriver driver, IHttpServerBinding binding) : IHttpRole
{
    public ImmutableArray<string> Routes => binding.Routes;
    public int MaxBody => binding.MaxBody;

    public ValueTask<PlainHttpResponse> HandleAsync(PlainHttpRequest request, Caller caller, CancellationToken cancel) =>
        driver.HandleAsync(c => binding.Parse(request, c), request.Body, caller, Medium.Http, fault => binding.Refuse(fault, request, caller),
            reply =>
            {
                var response = binding.Encode(reply, request);
                return (response, response.Body);
            }, cancel);
}
