namespace Hatchery.Transports;

public sealed record DeviceFetcherOptions
{
    /// <summary>Host names that may be asked; empty: all.</summary>
    public IReadOnlyCollection<string> Hosts { get; init; } = [];
    /// <summary>For the whole of a resource.</summary>
    public TimeSpan Limit { get; init; } = TimeSpan.FromMinutes(5);
    /// <summary>Bytes.</summary>
    public long MaxLength { get; init; } = 256 * 1024 * 1024;
    /// <summary>Take any server certificate: for a device without a clock or anchors, where the owner gives the hash of what is fetched.</summary>
    public bool AnyCertificate { get; init; }
}

/// <summary>Fetches over HTTP and HTTPS; follows no redirect, sends no credentials.</summary>
public sealed class DeviceFetcher(DeviceFetcherOptions options) : IDeviceFetcher
{
    public async ValueTask<long> FetchAsync(Uri from, Action<ReadOnlyMemory<byte>> into, CancellationToken cancel)
    {
        if (from.Scheme is not ("http" or "https"))
            throw new DeviceFetchException($"{from.Scheme} is no scheme that is fetched from.");
        if (options.Hosts.Count > 0 && !options.Hosts.Contains(from.Host, StringComparer.OrdinalIgnoreCase))
            throw new DeviceFetchException($"{from.Host} is not among the hosts that this device fetches from.");
        using var handler = new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, Credentials = null, ConnectTimeout = TimeSpan.FromSeconds(10) };
        if (options.AnyCertificate)
            handler.SslOptions.RemoteCertificateValidationCallback = (_, _, _, _) => true;
        using var client = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limit.CancelAfter(options.Limit);
        try
        {
            using var response = await client.GetAsync(from, HttpCompletionOption.ResponseHeadersRead, limit.Token);
            if ((int)response.StatusCode != 200)
                throw new DeviceFetchException($"{from.Host} answers with status {(int)response.StatusCode}.");
            await using var body = await response.Content.ReadAsStreamAsync(limit.Token);
            var piece = new byte[65536];
            long length = 0;
            for (int read; (read = await body.ReadAsync(piece, limit.Token)) > 0;)
            {
                if ((length += read) > options.MaxLength)
                    throw new DeviceFetchException($"The resource has more than {options.MaxLength} bytes.");
                into(piece.AsMemory(0, read));
            }
            if (response.Content.Headers.ContentLength is { } expected && expected != length)
                throw new DeviceFetchException($"{length} bytes came of {expected}.");
            return length;
        }
        catch (Exception e) when (e is HttpRequestException or (IOException and not (DeviceFetchException or DeviceFileException)))
        {
            throw new DeviceFetchException($"{from.Host} cannot be read: {e.Message}", e);
        }
        catch (OperationCanceledException e) when (!cancel.IsCancellationRequested)
        {
            throw new DeviceFetchException($"{from.Host} was too slow.", e);
        }
    }
}
