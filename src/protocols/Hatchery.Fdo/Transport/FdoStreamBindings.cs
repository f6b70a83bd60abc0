using Hatchery.Fdo.Services;

namespace Hatchery.Fdo.Transport;

/// <summary>The asking side of FDO over TCP or TLS; one per connection: it echoes the token that it got last. No other implementation is known to speak this binding.</summary>
public sealed class FdoStreamClient : IStreamClientBinding
{
    private readonly FdoStream _stream = new();
    private string? _token;

    public ReadOnlyMemory<byte> Encode(IMessage message)
    {
        var fdo = (FdoMessage)message;
        if (_stream.Send(fdo, _token, default) != Accepted.Yes)
            throw new FdoException(FdoErrorCode.InternalServerError, "length", $"{fdo.Kind} is longer than a frame may be.");
        return _stream.Drain();
    }

    public bool IsAnswered(IMessage message) => message is not ErrorMessage;

    public void Receive(ReadOnlySpan<byte> bytes) => _stream.Receive(bytes);

    public IMessage? Next(IMessage request, out ReadOnlyMemory<byte> bytes)
    {
        bytes = default;
        if (!_stream.TryEvent(out var happened))
            return null;
        if (happened.Fault is { } fault)
            throw fault;
        bytes = happened.Body.ToArray();
        var asked = (FdoMessage)request;
        var answer = FdoCodec.Parse(happened.Type, bytes);
        if (answer is ErrorMessage)
            return answer;
        if (happened.Type != asked.Type + 1)
            throw FdoException.Invalid("msgType", $"{happened.Type} is no answer to {asked.Kind}.");
        _token = happened.Token ?? _token;
        return _token is not null || asked.Type is not (10 or 20 or 30 or 60) ? answer : throw FdoException.Invalid("token", $"The answer to {asked.Kind} brings none.");
    }
}

/// <summary>The answering side: hands each message of a stream to a service's driver. The caller moves the bytes.</summary>
/// <param name="correlationIds">Draws EMErrorCID.</param>
public sealed class FdoStreamServer(ServiceDriver driver, Chance correlationIds)
{
    /// <summary>Answers what an event brought; the answer lies in the stream, to be transmitted. False: the stream is of no use any more.</summary>
    /// <param name="caller">Of this one message.</param>
    public async ValueTask<bool> HandleAsync(FdoStream stream, FdoStreamEvent happened, Caller caller, CancellationToken cancel)
    {
        // The event's body is valid until the engine's next call only.
        ReadOnlyMemory<byte> body = happened.Body.ToArray();
        var reply = await driver.HandleAsync(c =>
        {
            c.Token = happened.Token;
            return happened.Fault is { } fault ? throw fault : FdoCodec.Parse(happened.Type, body);
        }, body, caller, Medium.Tcp, fault => new Reply(FdoErrors.Answer(fault as FdoException, happened.Type, caller.Now.Wall, correlationIds)),
            answer => (answer, (answer.Message as FdoMessage)?.Raw ?? default), cancel);
        bool sent = reply.Message is not FdoMessage message || stream.Send(message, reply.Token, caller.AnswerFrames) == Accepted.Yes;
        return sent && happened.Fault is null;
    }
}
