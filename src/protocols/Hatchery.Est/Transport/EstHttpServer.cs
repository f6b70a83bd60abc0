using System.Collections.Immutable;
using System.Globalization;
using System.Text;

namespace Hatchery.Est.Transport;

/// <summary>The server's side of EST over HTTP. Headers stay few: a client is known that reads no more than 1024 bytes of them.</summary>
/// <param name="boundaries">Draws the boundary of multipart answers.</param>
public sealed class EstHttpServer(Chance boundaries, EstTolerance? tolerance = null) : IHttpServerBinding
{
    private static readonly KeyValuePair<string, string> s_base64 = new("Content-Transfer-Encoding", "base64"), s_noStore = new("Cache-Control", "no-store");
    private readonly EstTolerance _tolerance = tolerance ?? EstTolerance.Strict;

    public ImmutableArray<string> Routes { get; } = ["GET " + EstHttp.Prefix, "POST " + EstHttp.Prefix];
    public int MaxBody => EstHttp.MaxRequest;

    public IMessage Parse(PlainHttpRequest request, Caller caller)
    {
        if (EstHttp.Parse(request.Path) is not var (operation, label))
            throw new EstException(404, "path", "no operation of EST has this path.");
        if (request.Method != EstHttp.Method(operation))
            throw new EstException(405, "method", $"{operation.Name()} takes {EstHttp.Method(operation)} only.") { Allow = EstHttp.Method(operation) };
        var parsed = new EstRequest(operation, label, default) { Credentials = HttpCredentials.Parse(request.Header("Authorization")), Target = request.Path };
        if (operation.IsFetch())
            return parsed;
        try
        {
            return parsed with { Payload = ReadBody(operation, request) };
        }
        catch (EstException fault)
        {
            return parsed with { Fault = fault };
        }
    }

    private ReadOnlyMemory<byte> ReadBody(EstOperation operation, PlainHttpRequest request)
    {
        string wanted = operation == EstOperation.FullCmc ? MediaTypes.Pkcs7 : MediaTypes.Pkcs10;
        if (!_tolerance.AnyContentType && !MediaTypes.Is(request.Header("Content-Type"), wanted))
            throw new EstException(415, "Content-Type", $"{operation.Name()} takes {wanted}.");
        return EstBody.Decode(request.Body, operation == EstOperation.FullCmc ? "CMC request" : "PKCS#10", _tolerance);
    }

    public PlainHttpResponse Encode(Reply reply, PlainHttpRequest request) => reply.Message switch
    {
        CaCertsResponse ca => CaCerts(ca, request),
        CertificateResponse issued => Base64(200, MediaTypes.CertsOnly, issued.Certificates.Span),
        CsrAttrsResponse { Attributes.IsEmpty: true } => new PlainHttpResponse(204, [], default),
        CsrAttrsResponse attributes => Base64(200, MediaTypes.CsrAttrs, attributes.Attributes.Span),
        FullCmcResponse cmc => Base64(cmc.Status, cmc.IsCertsOnly ? MediaTypes.CertsOnly : MediaTypes.CmcResponse, cmc.Content.Span),
        ServerKeyGenResponse made => Generated(made),
        PendingResponse pending => Pending(pending),
        RefusedResponse refused => Refused(refused),
        _ => throw new InvalidOperationException("The service answered with no message of EST."),
    };

    /// <summary>With an ETag: clients ask again now and then, for the same certificates.</summary>
    private static PlainHttpResponse CaCerts(CaCertsResponse ca, PlainHttpRequest request)
    {
        string tag = $"\"{Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(ca.Certificates.Span).AsSpan(0, 8))}\"";
        if (request.Header("If-None-Match") is { } known && known.Split(',').Any(k => k.Trim() == tag))
            return new PlainHttpResponse(304, [new("ETag", tag)], default);
        var full = Base64(200, MediaTypes.CertsOnly, ca.Certificates.Span);
        return full with { Headers = [.. full.Headers, new("ETag", tag)] };
    }

    private static PlainHttpResponse Base64(int status, string type, ReadOnlySpan<byte> der) =>
        new(status, [new("Content-Type", type), s_base64], EstBody.Encode(der, endLine: false));

    private PlainHttpResponse Generated(ServerKeyGenResponse made)
    {
        string boundary = "est" + Convert.ToHexStringLower(boundaries.Bytes(12, "EST.boundary"));
        // The plain key is copied into the body, which the web server sends and forgets: beyond our reach.
        byte[] key = made.Key.Reveal().ToArray();
        byte[] body = MultipartMixed.Encode(boundary, (made.Form == KeyForm.Pkcs8 ? MediaTypes.Pkcs8 : MediaTypes.ServerKey, key), (MediaTypes.CertsOnly, made.Certificates));
        System.Security.Cryptography.CryptographicOperations.ZeroMemory(key);
        made.Key.Dispose();
        return new PlainHttpResponse(200, [new("Content-Type", $"{MediaTypes.Multipart}; boundary={boundary}"), s_noStore], body);
    }

    private static PlainHttpResponse Pending(PendingResponse pending) => new(pending.IsUnavailable ? 503 : 202,
        [new("Retry-After", Seconds(pending.RetryAfter ?? TimeSpan.FromSeconds(60))), new("Content-Type", MediaTypes.PlainText)], Line(pending.Text));

    private static PlainHttpResponse Refused(RefusedResponse refused)
    {
        var headers = new List<KeyValuePair<string, string>>();
        foreach (string challenge in refused.Challenges)
            headers.Add(new("WWW-Authenticate", challenge));
        if (refused.Status == 401)
            headers.Add(s_noStore);
        if (refused.RetryAfter is { } delay)
            headers.Add(new("Retry-After", Seconds(delay)));
        if (refused.Allow is { } allow)
            headers.Add(new("Allow", allow));
        if (!refused.Cmc.IsEmpty)
        {
            var cmc = Base64(refused.Status, MediaTypes.CmcResponse, refused.Cmc.Span);
            return cmc with { Headers = [.. headers, .. cmc.Headers] };
        }
        headers.Add(new("Content-Type", MediaTypes.PlainText));
        return new PlainHttpResponse(refused.Status, headers, Line(refused.Text));
    }

    /// <summary>Whole seconds, never a date: a client is known that reads nothing else.</summary>
    private static string Seconds(TimeSpan delay) => Math.Max(1, (long)Math.Ceiling(delay.TotalSeconds)).ToString(CultureInfo.InvariantCulture);

    private static byte[] Line(string text) => Encoding.UTF8.GetBytes(text + "\n");

    public Reply Refuse(ProtocolException? fault, PlainHttpRequest request, Caller caller)
    {
        var operation = EstHttp.Parse(request.Path)?.Operation ?? EstOperation.CaCerts;
        return new(fault is EstException known ? RefusedResponse.Of(operation, known)
            : new RefusedResponse(operation, 500, "The server could not do this; the fault is not in the request."));
    }
}
