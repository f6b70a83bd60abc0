using System.Net;

namespace Hatchery.Transports;

/// <summary>A body that exceeds the limit.</summary>
internal sealed class TooLargeException(int limit) : IOException($"The answer's body is larger than {limit} bytes.");

/// <summary>Plain requests and responses in the form of the platform's HTTP client.</summary>
internal static class HttpForm
{
    /// <exception cref="ArgumentException">A method, path or header that would break the request's form.</exception>
    /// <param name="secured">Its TLS is not the platform's, whose client is to believe that there is none.</param>
    public static HttpRequestMessage Encode(PlainHttpRequest request, Destination to, bool secured = false)
    {
        if (!request.Path.StartsWith('/') || request.Path.AsSpan().ContainsAnyExceptInRange('!', '~') || request.Path.Contains('#', StringComparison.Ordinal))
            throw new ArgumentException($"{request.Path} is no path of a request.", nameof(request));
        var target = secured ? to with { Scheme = "http" } : to;
        var uri = new Uri(target + request.Path, new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true });
        var message = new HttpRequestMessage(new HttpMethod(request.Method), uri)
        {
            Version = HttpVersion.Version11,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        if (secured)
            message.Headers.Host = to.Port == 443 ? uri.Host : uri.Authority;
        if (!request.Body.IsEmpty || request.Method is "POST" or "PUT")
            message.Content = new ReadOnlyMemoryContent(request.Body);
        foreach (var (name, value) in request.Headers)
        {
            if (name.Equals("Content-Length", StringComparison.OrdinalIgnoreCase))
                continue;
            if (value.AsSpan().ContainsAny('\r', '\n', '\0'))
                throw new ArgumentException($"The value of {name} does not fit on a line.", nameof(request));
            if (!message.Headers.TryAddWithoutValidation(name, value) && message.Content?.Headers.TryAddWithoutValidation(name, value) != true)
                throw new ArgumentException($"{name} is no header of this request.", nameof(request));
        }
        return message;
    }

    public static async Task<PlainHttpResponse> ReadAsync(HttpResponseMessage response, int limit, CancellationToken cancel)
    {
        var headers = new List<KeyValuePair<string, string>>();
        foreach (var (name, values) in response.Headers.NonValidated)
            headers.AddRange(values.Select(value => KeyValuePair.Create(name, value)));
        foreach (var (name, values) in response.Content.Headers.NonValidated)
            headers.AddRange(values.Select(value => KeyValuePair.Create(name, value)));
        var declared = response.Content.Headers.ContentLength;
        if (declared > limit)
            throw new TooLargeException(limit);
        await using var stream = await response.Content.ReadAsStreamAsync(cancel);
        var body = new byte[declared ?? Math.Min(4096, limit + 1L)];
        int length = 0;
        while (true)
        {
            if (length == body.Length)
            {
                if (declared is not null)
                    break;
                Array.Resize(ref body, (int)Math.Min(length * 2L, limit + 1L));
            }
            int n = await stream.ReadAsync(body.AsMemory(length), cancel);
            if (n == 0)
                break;
            length += n;
            if (length > limit)
                throw new TooLargeException(limit);
        }
        return new PlainHttpResponse((int)response.StatusCode, headers, body.AsMemory(0, length));
    }
}
