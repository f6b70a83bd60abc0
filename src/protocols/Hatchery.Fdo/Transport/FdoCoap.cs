using System.Globalization;
using Hatchery.Coap;
using Hatchery.Fdo.Services;

namespace Hatchery.Fdo.Transport;

/// <summary>FDO over CoAP. The standard reserves the number and says no more, and no other implementation is known, so this mapping is ours: POST to fdo/101/msg/TYPE with
/// application/cbor, 2.04 for answers and 5.00 for error messages; every payload is framed as on a stream (<see cref="FdoStream"/>), which brings the answer's type and the token.
/// Long messages go block-wise.</summary>
public static class FdoCoap
{
    /// <summary>To be mapped to POST in a <see cref="CoapApp"/>.</summary>
    public const string Route = "/fdo/101/msg/{type}";

    /// <summary>Room for the longest message with its frame.</summary>
    public const int MaxBody = FdoStream.MaxFrame;

    internal static byte[] Frame(FdoMessage message, string? token)
    {
        var framing = new FdoStream();
        if (framing.Send(message, token, default) != Accepted.Yes)
            throw new FdoException(FdoErrorCode.MessageBodyError, "length", $"{message.Kind} is longer than a frame may be.");
        var bytes = new byte[FdoStream.MaxFrame];
        framing.TryTransmit(bytes, out var transmit);
        return bytes[..transmit.Length];
    }

    /// <exception cref="FdoException">Not one frame, or its message cannot be parsed.</exception>
    internal static (FdoMessage Message, string? Token) Unframe(ReadOnlyMemory<byte> payload)
    {
        var framing = new FdoStream();
        framing.Receive(payload.ToArray(), default, default, default);
        if (!framing.TryEvent(out var happened))
            throw new FdoException(FdoErrorCode.MessageBodyError, "length", "The payload is not one whole frame.");
        if (happened.Fault is not null)
            throw happened.Fault;
        // The body belongs to the framing until its next call, and the message keeps it: no next call is made.
        var message = FdoCodec.Parse(happened.Type, happened.Body);
        return (message, happened.Token);
    }

    internal static int TypeOf(CoapRequest request) => FdoHttp.TypeOf(request.Path);
}

/// <summary>The server's side of <see cref="FdoCoap"/>.</summary>
/// <param name="correlationIds">Draws EMErrorCID.</param>
public sealed class FdoCoapServer(Chance correlationIds) : ICoapServerBinding
{
    public IMessage Parse(CoapRequest request, Caller caller)
    {
        if (request.Options.ContentFormat is { } format and not ContentFormat.Cbor)
            throw new FdoException(FdoErrorCode.MessageBodyError, "Content-Format", $"{format} where application/cbor (60) is expected.");
        var (message, token) = FdoCoap.Unframe(request.Payload);
        if (message.Type != FdoCoap.TypeOf(request))
            throw new FdoException(FdoErrorCode.MessageBodyError, "message type", "Path and frame name different types.");
        caller.Token = token;
        return message;
    }

    public CoapResponse Encode(Reply reply, CoapRequest request) => reply.Message is not FdoMessage message ? CoapResults.Changed()
        : CoapResults.Changed(FdoCoap.Frame(message, reply.Token), ContentFormat.Cbor) with { Code = message is ErrorMessage ? CoapCode.InternalServerError : CoapCode.Changed };

    public Reply Refuse(ProtocolException? fault, CoapRequest request, Caller caller) =>
        new(FdoErrors.Answer(fault as FdoException, FdoCoap.TypeOf(request), caller.Now.Wall, correlationIds));
}

/// <summary>The client's side; one per connection: it echoes the token that came last.</summary>
public sealed class FdoCoapClient : ICoapClientBinding
{
    private string? _token;

    public CoapRequest Encode(IMessage message)
    {
        var fdo = (FdoMessage)message;
        return CoapRequest.Post(FdoHttp.Path(fdo.Type), FdoCoap.Frame(fdo, _token), ContentFormat.Cbor);
    }

    public IMessage? Parse(CoapResponse response, IMessage request)
    {
        var asked = (FdoMessage)request;
        if (asked is ErrorMessage)
            return null;
        if (response.Options.ContentFormat != ContentFormat.Cbor)
            throw new FdoException(FdoErrorCode.MessageBodyError, "Content-Format", $"The answer to {asked.Kind} is {response.Code} and holds no message.");
        var (message, token) = FdoCoap.Unframe(response.Payload);
        if (message is ErrorMessage)
            return message;
        if (response.Code != CoapCode.Changed || message.Type != asked.Type + 1)
            throw FdoException.Invalid("msgType", string.Create(CultureInfo.InvariantCulture, $"{message.Type} with {response.Code} is no answer to {asked.Kind}."));
        _token = token ?? _token;
        return message;
    }
}
