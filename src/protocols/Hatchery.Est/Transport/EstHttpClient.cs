using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Hatchery.Pki;

namespace Hatchery.Est.Transport;

/// <summary>The client's side of EST over HTTP.</summary>
public sealed class EstHttpClient(EstTolerance? tolerance = null) : IHttpClientBinding
{
    private const int MaxText = 1024;
    private readonly EstTolerance _tolerance = tolerance ?? EstTolerance.Strict;

    public PlainHttpRequest Encode(IMessage message)
    {
        if (message is ServiceUse)
            return new PlainHttpRequest("GET", DomainHttp.Path, [new("Accept", "*/*")], default);
        var request = (EstRequest)message;
        var headers = new List<KeyValuePair<string, string>> { new("Accept", "*/*") };
        if (request.Authorization is { } authorization)
            headers.Add(new("Authorization", authorization));
        string path = EstHttp.Path(request.Operation, request.Label);
        if (request.Operation.IsFetch())
            return new PlainHttpRequest("GET", path, headers, default);
        headers.Add(new("Content-Type", request.Operation == EstOperation.FullCmc ? MediaTypes.CmcRequest : MediaTypes.Pkcs10));
        headers.Add(new("Content-Transfer-Encoding", "base64"));
        return new PlainHttpRequest("POST", path, headers, EstBody.Encode(request.Payload.Span, endLine: true));
    }

    public IMessage? Parse(PlainHttpResponse response, IMessage request)
    {
        if (request is ServiceUse)
            return new ServiceAccept(response.Status == 200);
        var operation = ((EstRequest)request).Operation;
        return response.Status switch
        {
            200 => Success(operation, response),
            204 or 404 or 501 when operation == EstOperation.CsrAttrs => new CsrAttrsResponse(default),
            202 => new PendingResponse(operation, RetryAfter(response), TextOf(response)),
            503 when RetryAfter(response) is { } delay => new PendingResponse(operation, delay, TextOf(response), IsUnavailable: true),
            >= 300 and < 400 when response.Header("Location") is { } location => new RedirectResponse(operation, response.Status, location),
            _ => Refused(operation, response),
        };
    }

    private EstResponse Success(EstOperation operation, PlainHttpResponse response)
    {
        string? type = response.Header("Content-Type");
        ReadOnlyMemory<byte> Body(string media, string field)
        {
            if (!_tolerance.AnyContentType && !MediaTypes.Is(type, media))
                throw EstException.Malformed("Content-Type", $"{type ?? "none"} where {operation.Name()} is answered with {media}.");
            return EstBody.Decode(response.Body, field, _tolerance);
        }
        switch (operation)
        {
            case EstOperation.CaCerts:
                return new CaCertsResponse(Body(MediaTypes.Pkcs7, "certs-only"));
            case EstOperation.CsrAttrs:
                return response.Body.IsEmpty ? new CsrAttrsResponse(default) : new CsrAttrsResponse(Body(MediaTypes.CsrAttrs, "CsrAttrs"));
            case EstOperation.ServerKeyGen:
                return Generated(type, response.Body);
            case EstOperation.FullCmc:
                bool certsOnly = MediaTypes.Parameter(type, "smime-type") is { } smime && smime.Equals("certs-only", StringComparison.OrdinalIgnoreCase);
                return new FullCmcResponse(Body(MediaTypes.Pkcs7, "CMC response"), certsOnly);
            default:
                return new CertificateResponse(operation, Body(MediaTypes.Pkcs7, "certs-only"));
        }
    }

    /// <summary>Two parts in either order, told apart by their types.</summary>
    private ServerKeyGenResponse Generated(string? type, ReadOnlyMemory<byte> body)
    {
        if (!MediaTypes.Is(type, MediaTypes.Multipart))
            throw EstException.Malformed("Content-Type", $"{type ?? "none"} where serverkeygen is answered with multipart/mixed.");
        (KeyForm Form, SecretBytes Key)? key = null;
        ReadOnlyMemory<byte> certificates = default;
        try
        {
            foreach (var part in MultipartMixed.Parse(type, body, _tolerance))
            {
                bool isPkcs7 = MediaTypes.Is(part.ContentType, MediaTypes.Pkcs7);
                bool isKey = MediaTypes.Is(part.ContentType, MediaTypes.Pkcs8)
                    || isPkcs7 && string.Equals(MediaTypes.Parameter(part.ContentType, "smime-type"), "server-generated-key", StringComparison.OrdinalIgnoreCase);
                if (!isKey && !isPkcs7)
                    continue;
                var der = EstBody.Decode(part.Body, isKey ? "key" : "certs-only", _tolerance);
                if (isKey ? key is not null : !certificates.IsEmpty)
                    throw EstException.Malformed("multipart", "two parts of one kind.");
                if (isKey)
                    key = (isPkcs7 ? KeyForm.Enveloped : KeyForm.Pkcs8, new SecretBytes(der.Span));
                else
                    certificates = der;
            }
            if (key is not { } found || certificates.IsEmpty)
                throw EstException.Malformed("multipart", "the answer to serverkeygen has not both a key and a certificate.");
            return new ServerKeyGenResponse(found.Form, found.Key, certificates);
        }
        catch
        {
            key?.Key.Dispose();
            throw;
        }
    }

    private RefusedResponse Refused(EstOperation operation, PlainHttpResponse response)
    {
        ReadOnlyMemory<byte> cmc = default;
        if (MediaTypes.Is(response.Header("Content-Type"), MediaTypes.Pkcs7) && !response.Body.IsEmpty)
            cmc = EstBody.Decode(response.Body, "CMC response", _tolerance);
        return new RefusedResponse(operation, response.Status, cmc.IsEmpty ? TextOf(response) : "")
        {
            Challenges = [.. response.Headers.Where(h => h.Key.Equals("WWW-Authenticate", StringComparison.OrdinalIgnoreCase)).Select(h => h.Value)],
            RetryAfter = RetryAfter(response),
            Cmc = cmc,
        };
    }

    /// <summary>Seconds, or a date against the answer's own Date, because a device's clock may be wrong. Null: absent or not understood.</summary>
    private static TimeSpan? RetryAfter(PlainHttpResponse response)
    {
        string? value = response.Header("Retry-After");
        if (long.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long seconds))
            return TimeSpan.FromSeconds(Math.Clamp(seconds, 1, 365 * 86400L));
        if (DateTimeOffset.TryParseExact(value, "r", CultureInfo.InvariantCulture, DateTimeStyles.None, out var at)
            && DateTimeOffset.TryParseExact(response.Header("Date"), "r", CultureInfo.InvariantCulture, DateTimeStyles.None, out var now))
            return at > now ? at - now : TimeSpan.FromSeconds(1);
        return null;
    }

    /// <summary>What a server says goes to a log or a person: printable, and not long.</summary>
    private static string TextOf(PlainHttpResponse response)
    {
        if (!MediaTypes.Is(response.Header("Content-Type"), MediaTypes.Text) || response.Body.IsEmpty)
            return "";
        string text = Encoding.UTF8.GetString(response.Body.Span[..Math.Min(response.Body.Length, MaxText)]);
        return string.Concat(text.Select(c => char.IsControl(c) ? ' ' : c)).Trim();
    }
}
