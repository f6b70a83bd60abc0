using System.Formats.Cbor;
using Hatchery.Coap;
using Hatchery.Pki;

namespace Hatchery.Est.Transport;

/// <summary>EST over secure CoAP (RFC 9148, section 4): short names under /.well-known/est or /est, DER without base64, content formats in place of media types.</summary>
public static class EstCoap
{
    internal static readonly (string Name, EstOperation Operation, string Formats)[] Operations =
    [
        ("crts", EstOperation.CaCerts, "281 287"), ("sen", EstOperation.SimpleEnroll, "281 287"), ("sren", EstOperation.SimpleReenroll, "281 287"),
        ("att", EstOperation.CsrAttrs, "285"), ("skg", EstOperation.ServerKeyGen, "62"), ("skc", EstOperation.ServerKeyGen, "62"),
    ];

    /// <summary>Maps all operations, with and without a label, and lists those without (section 4.1: GET /.well-known/core?rt=ace.est*).</summary>
    /// <param name="keyGeneration">Whether skg and skc are offered.</param>
    public static void Map(CoapApp app, CoapHandler handler, bool keyGeneration)
    {
        foreach (var (name, operation, formats) in Operations)
        {
            if (operation == EstOperation.ServerKeyGen && !keyGeneration)
                continue;
            var method = operation.IsFetch() ? CoapCode.Get : CoapCode.Post;
            foreach (string root in new[] { "/.well-known/est", "/est" })
            {
                var route = app.Map(method, $"{root}/{name}", handler);
                // The short root is what is discovered.
                if (root == "/est")
                    route.With("rt", $"ace.est.{name}").With("ct", formats);
                else
                    route.Hidden();
                app.Map(method, $"{root}/{{label}}/{name}", handler).Hidden();
            }
        }
    }

    /// <summary>Null: no operation of EST.</summary>
    internal static (string Name, EstOperation Operation, string Label)? Parse(CoapRequest request)
    {
        var segments = request.Options.Texts(CoapOptionNumber.UriPath).ToArray();
        int root = segments is [".well-known", "est", ..] ? 2 : segments is ["est", ..] ? 1 : 0;
        if (root == 0 || segments.Length - root is not (1 or 2))
            return null;
        string label = segments.Length - root == 2 ? segments[root] : "";
        foreach (var (name, operation, _) in Operations)
            if (name == segments[^1] && (label.Length == 0 || EstHttp.IsLabel(label)))
                return (name, operation, label);
        return null;
    }

    /// <summary>multipart-core (RFC 8710): [format of the key, key, format of the certificates, certificates]. A secret, if the key is in the clear.</summary>
    internal static byte[] Multipart(ServerKeyGenResponse made, bool oneCertificate)
    {
        var writer = new CborWriter(CborConformanceMode.Lax);
        writer.WriteStartArray(4);
        writer.WriteInt32(made.Form == KeyForm.Pkcs8 ? ContentFormat.Pkcs8 : ContentFormat.Pkcs7ServerGeneratedKey);
        writer.WriteByteString(made.Key.Reveal());
        writer.WriteInt32(oneCertificate ? ContentFormat.PkixCertificate : ContentFormat.Pkcs7CertsOnly);
        writer.WriteByteString(oneCertificate ? Single(made.Certificates).Span : made.Certificates.Span);
        writer.WriteEndArray();
        return writer.Encode();
    }

    /// <exception cref="EstException">406: there are several, which only certs-only can hold.</exception>
    internal static ReadOnlyMemory<byte> Single(ReadOnlyMemory<byte> certsOnly) =>
        CertsOnly.Parse(certsOnly) is [var only] ? only : throw new EstException(406, "Accept", "There is more than one certificate; ask for application/pkcs7-mime (281).");

    internal static CoapCode CodeOf(int status) => status switch
    {
        400 => CoapCode.BadRequest,
        401 => CoapCode.Unauthorized,
        403 => CoapCode.Forbidden,
        404 => CoapCode.NotFound,
        405 => CoapCode.MethodNotAllowed,
        406 => CoapCode.NotAcceptable,
        413 => CoapCode.RequestEntityTooLarge,
        415 => CoapCode.UnsupportedContentFormat,
        429 => CoapCode.TooManyRequests,
        501 => CoapCode.NotImplemented,
        503 => CoapCode.ServiceUnavailable,
        _ => CoapCode.InternalServerError,
    };
}

/// <summary>The server's side of <see cref="EstCoap"/>. Clients authenticate in the DTLS handshake; HTTP's passwords have no place here.</summary>
public sealed class EstCoapServer : ICoapServerBinding
{
    public IMessage Parse(CoapRequest request, Caller caller)
    {
        if (EstCoap.Parse(request) is not var (name, operation, label))
            throw new EstException(404, "path", "no operation of EST has this path.");
        if (request.Options.Accept is { } wanted && !Offers(name, wanted))
            throw new EstException(406, "Accept", $"{name} is not answered in content format {wanted}.");
        var parsed = new EstRequest(operation, label, default) { Target = request.Path };
        if (operation.IsFetch())
            return parsed;
        return request.Options.ContentFormat == ContentFormat.Pkcs10 ? parsed with { Payload = request.Payload }
            : parsed with { Fault = new EstException(415, "Content-Format", $"{name} takes application/pkcs10 (286).") };
    }

    private static bool Offers(string name, int format) => name switch
    {
        "att" => format == ContentFormat.CsrAttributes,
        "skg" or "skc" => format == ContentFormat.MultipartCore,
        _ => format is ContentFormat.Pkcs7CertsOnly or ContentFormat.PkixCertificate,
    };

    public CoapResponse Encode(Reply reply, CoapRequest request)
    {
        try
        {
            return Encode(reply.Message, request);
        }
        catch (EstException fault)
        {
            return CoapResults.Status(EstCoap.CodeOf(fault.Status), fault.Message);
        }
    }

    private static CoapResponse Encode(IMessage? message, CoapRequest request) => message switch
    {
        CaCertsResponse ca => Certificates(ca.Certificates, request, CoapCode.Content),
        CertificateResponse issued => Certificates(issued.Certificates, request, CoapCode.Changed),
        // RFC 9148 says nothing of a server without wishes.
        CsrAttrsResponse { Attributes.IsEmpty: true } => CoapResults.Status(CoapCode.Content),
        CsrAttrsResponse attributes => CoapResults.Content(attributes.Attributes, ContentFormat.CsrAttributes),
        ServerKeyGenResponse made => Generated(made, request),
        PendingResponse pending => Later(pending.RetryAfter ?? TimeSpan.FromSeconds(60), pending.Text),
        RefusedResponse { RetryAfter: { } delay, Status: 503 } refused => Later(delay, refused.Text),
        RefusedResponse refused => CoapResults.Status(EstCoap.CodeOf(refused.Status), refused.Text),
        _ => throw new InvalidOperationException("The service answered with no message of EST over CoAP."),
    };

    private static CoapResponse Certificates(ReadOnlyMemory<byte> certsOnly, CoapRequest request, CoapCode code)
    {
        bool one = request.Options.Accept == ContentFormat.PkixCertificate;
        return CoapResults.Content(one ? EstCoap.Single(certsOnly) : certsOnly, one ? ContentFormat.PkixCertificate : ContentFormat.Pkcs7CertsOnly) with { Code = code };
    }

    private static CoapResponse Generated(ServerKeyGenResponse made, CoapRequest request)
    {
        // The plain key is copied into the body, which leaves in blocks and is forgotten with them: beyond our reach.
        byte[] body = EstCoap.Multipart(made, EstCoap.Parse(request)?.Name == "skc");
        made.Key.Dispose();
        return CoapResults.Changed(body, ContentFormat.MultipartCore);
    }

    /// <summary>202 and 503 of HTTP (section 4.4): ask again with the same request after Max-Age.</summary>
    private static CoapResponse Later(TimeSpan delay, string text)
    {
        var response = CoapResults.Status(CoapCode.ServiceUnavailable, text);
        return response with { Options = response.Options.Set(CoapOptionNumber.MaxAge, (ulong)Math.Max(1, Math.Ceiling(delay.TotalSeconds))) };
    }

    public Reply Refuse(ProtocolException? fault, CoapRequest request, Caller caller)
    {
        var operation = EstCoap.Parse(request)?.Operation ?? EstOperation.CaCerts;
        return new(fault is EstException known ? RefusedResponse.Of(operation, known)
            : new RefusedResponse(operation, 500, "The server could not do this; the fault is not in the request."));
    }
}

/// <summary>The client's side.</summary>
public sealed class EstCoapClient : ICoapClientBinding
{
    public CoapRequest Encode(IMessage message)
    {
        var request = (EstRequest)message;
        var found = Array.Find(EstCoap.Operations, o => o.Operation == request.Operation);
        if (found.Name is null)
            throw new EstException(501, "operation", $"{request.Operation.Name()} is not offered over CoAP.");
        string path = "/.well-known/est/" + (request.Label.Length == 0 ? "" : Uri.EscapeDataString(request.Label) + "/") + found.Name;
        int accept = request.Operation switch { EstOperation.CsrAttrs => ContentFormat.CsrAttributes, EstOperation.ServerKeyGen => ContentFormat.MultipartCore, _ => ContentFormat.Pkcs7CertsOnly };
        return request.Operation.IsFetch() ? CoapRequest.Get(path, accept) : CoapRequest.To(CoapCode.Post, path, request.Payload, ContentFormat.Pkcs10, accept);
    }

    public IMessage? Parse(CoapResponse response, IMessage request)
    {
        var operation = ((EstRequest)request).Operation;
        if (response.Code == CoapCode.ServiceUnavailable)
            return new PendingResponse(operation, TimeSpan.FromSeconds(response.Options.MaxAge ?? 60), response.Text);
        if (operation == EstOperation.CsrAttrs && (response.Code == CoapCode.NotFound || response.Code.IsSuccess && response.Payload.IsEmpty))
            return new CsrAttrsResponse(default);
        if (!response.Code.IsSuccess)
            return new RefusedResponse(operation, response.Code.Class * 100 + response.Code.Detail, response.Text);
        return (operation, response.Options.ContentFormat) switch
        {
            (EstOperation.CaCerts, ContentFormat.Pkcs7CertsOnly) => new CaCertsResponse(response.Payload),
            (EstOperation.CaCerts, ContentFormat.PkixCertificate) => new CaCertsResponse(CertsOnly.Encode([response.Payload])),
            (EstOperation.SimpleEnroll or EstOperation.SimpleReenroll, ContentFormat.Pkcs7CertsOnly) => new CertificateResponse(operation, response.Payload),
            (EstOperation.SimpleEnroll or EstOperation.SimpleReenroll, ContentFormat.PkixCertificate) => new CertificateResponse(operation, CertsOnly.Encode([response.Payload])),
            (EstOperation.CsrAttrs, ContentFormat.CsrAttributes) => new CsrAttrsResponse(response.Payload),
            (EstOperation.ServerKeyGen, ContentFormat.MultipartCore) => Generated(response.Payload),
            var (_, format) => throw EstException.Malformed("Content-Format", $"{format?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "none"} is no answer to {operation.Name()}."),
        };
    }

    /// <summary>The two representations may come in either order.</summary>
    private static ServerKeyGenResponse Generated(ReadOnlyMemory<byte> payload)
    {
        (KeyForm Form, ReadOnlyMemory<byte> Key)? key = null;
        ReadOnlyMemory<byte> certificates = default;
        var reader = new Cryptography.Cose.BoundedCborReader(payload, static (field, sentence, inner) => EstException.Malformed(field, sentence, inner), 2);
        const string Field = "multipart-core";
        reader.StartArray(Field);
        while (reader.More(Field))
        {
            long format = reader.Integer(Field, 0, ushort.MaxValue);
            var bytes = reader.Bytes(Field);
            switch ((int)format)
            {
                case ContentFormat.Pkcs8 or ContentFormat.Pkcs7ServerGeneratedKey when key is null:
                    key = (format == ContentFormat.Pkcs8 ? KeyForm.Pkcs8 : KeyForm.Enveloped, bytes);
                    break;
                case ContentFormat.Pkcs7CertsOnly when certificates.IsEmpty:
                    certificates = bytes;
                    break;
                case ContentFormat.PkixCertificate when certificates.IsEmpty:
                    certificates = CertsOnly.Encode([bytes]);
                    break;
                default:
                    throw EstException.Malformed(Field, $"a representation of format {format} has no place here, or is there twice.");
            }
        }
        reader.EndArray(Field);
        reader.End(Field);
        return key is { } found && !certificates.IsEmpty ? new ServerKeyGenResponse(found.Form, new SecretBytes(found.Key.Span), certificates)
            : throw EstException.Malformed(Field, "the answer to serverkeygen has not both a key and a certificate.");
    }
}
