using System.IO.Pipelines;
using Hatchery.Transports;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Hatchery.AspNetCore;

public sealed record HttpRoleOptions
{
    public SystemClock Clock { get; init; } = new();
    public IWitness Witness { get; init; } = Hatchery.Witness.None;
    /// <summary>The listener's name in an application whose listeners are not ours.</summary>
    public string DefaultListener { get; init; } = "default";
}

/// <summary>Serves roles without endpoint routing, filters and model binding: one look-up, one exact buffer in, one write out.</summary>
internal sealed class RoleMiddleware(RoleTable table, string? listener, bool last, HttpRoleOptions options, RequestDelegate next)
{
    /// <summary>Bytes that are set aside because a client says that it will send them; more come as they arrive.</summary>
    private const int Believed = 64 * 1024;

    public Task InvokeAsync(HttpContext context)
    {
        var connection = RoleConnection.Of(context, options.DefaultListener, options.Witness);
        if (listener is not null && connection.Listener != listener)
            return next(context);
        if (table.Find(context.Request.Path.Value!) is not { } entry)
        {
            if (!last)
                return next(context);
            context.Response.StatusCode = StatusCodes.Status404NotFound;
            return Task.CompletedTask;
        }
        if (!entry.TryGet(context.Request.Method, out var role))
        {
            context.Response.StatusCode = StatusCodes.Status405MethodNotAllowed;
            context.Response.Headers.Allow = entry.Allow;
            return Task.CompletedTask;
        }
        return ServeAsync(context, role, connection);
    }

    private async Task ServeAsync(HttpContext context, IHttpRole role, RoleConnection connection)
    {
        try
        {
            if (await ReadAsync(context, role.MaxBody) is not { } body)
            {
                context.Response.StatusCode = StatusCodes.Status413PayloadTooLarge;
                context.Response.Headers.Connection = "close";
                return;
            }
            var request = new PlainHttpRequest(context.Request.Method, PathOf(context.Request), HeadersOf(context.Request), body);
            var caller = connection.CallerAt(options.Clock.Now, context);
            var response = await role.HandleAsync(request, caller, context.RequestAborted);
            await WriteAsync(context.Response, response);
        }
        catch (Exception e) when (e is ConnectionResetException or ConnectionAbortedException
            || (e is IOException or OperationCanceledException && e is not BadHttpRequestException && context.RequestAborted.IsCancellationRequested))
        {
            // The client has gone; there is nobody to answer.
        }
    }

    private static string PathOf(HttpRequest request) =>
        request.QueryString.HasValue ? request.Path.Value + request.QueryString.Value : request.Path.Value!;

    private static KeyValuePair<string, string>[] HeadersOf(HttpRequest request)
    {
        int count = 0;
        foreach (var header in request.Headers)
            count += header.Value.Count;
        var headers = new KeyValuePair<string, string>[count];
        foreach (var header in request.Headers)
            foreach (var value in header.Value)
                headers[^count--] = new(header.Key, value ?? "");
        return headers;
    }

    /// <summary>Null: larger than the limit; then no more than the limit was read.</summary>
    private static async ValueTask<ReadOnlyMemory<byte>?> ReadAsync(HttpContext context, int limit)
    {
        long? declared = context.Request.ContentLength;
        if (declared > limit)
            return null;
        if (declared == 0 || (declared is null && context.Features.Get<IHttpRequestBodyDetectionFeature>() is { CanHaveBody: false }))
            return ReadOnlyMemory<byte>.Empty;
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size && size.MaxRequestBodySize is { } most && most < limit)
            size.MaxRequestBodySize = limit;
        var stream = context.Request.Body;
        var body = new byte[Math.Min(declared ?? Math.Min(4096, limit + 1L), Believed)];
        for (int length = 0; ;)
        {
            if (length == body.Length)
            {
                if (length == declared)
                    return body;
                Array.Resize(ref body, (int)Math.Min(length * 2L, declared ?? limit + 1L));
            }
            int n = await stream.ReadAsync(body.AsMemory(length), context.RequestAborted);
            if (n == 0)
                return body.AsMemory(0, length);
            length += n;
            if (length > limit)
                return null;
        }
    }

    private static ValueTask<FlushResult> WriteAsync(HttpResponse response, PlainHttpResponse answer)
    {
        response.StatusCode = answer.Status;
        for (int i = 0; i < answer.Headers.Count; i++)
        {
            var (name, value) = answer.Headers[i];
            if (name.Equals("Content-Length", StringComparison.OrdinalIgnoreCase))
                continue;
            response.Headers.TryGetValue(name, out var there);
            response.Headers[name] = there.Count == 0 ? value : Microsoft.Extensions.Primitives.StringValues.Concat(there, value);
        }
        if (answer.Status is 204 or 304 or (>= 100 and < 200))
            return default;
        response.ContentLength = answer.Body.Length;
        if (answer.Body.IsEmpty)
            return default;
        return response.BodyWriter.WriteAsync(answer.Body);
    }
}
