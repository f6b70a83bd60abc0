namespace Hatchery.Coap;

/// <summary>A request: what is to be sent, or what arrived with all of its blocks.</summary>
public sealed record CoapRequest
{
    public required CoapCode Method { get; init; }
    /// <summary>Without Block1, Size1, Echo and Request-Tag, which the engine adds; a Block2 here asks for a block size.</summary>
    public CoapOptions Options { get; init; }
    public ReadOnlyMemory<byte> Payload { get; init; }
    /// <summary>Datagrams only.</summary>
    public bool Confirmable { get; init; } = true;
    /// <summary>How long to wait for the response once the request is on its way; null: as the engine's options say.</summary>
    public TimeSpan? Timeout { get; init; }
    /// <summary>Protects the request, or did.</summary>
    public Oscore.OscoreContext? Oscore { get; init; }
    /// <summary>To a group, or received by one: not confirmable, answered by many or none.</summary>
    public bool IsMulticast { get; init; }

    public string Path => Options.UriPath;

    /// <param name="path">As <see cref="CoapOptions.ForPath"/>.</param>
    public static CoapRequest To(CoapCode method, string path, ReadOnlyMemory<byte> payload = default, int? format = null, int? accept = null)
    {
        var options = CoapOptions.ForPath(path);
        if (format is { } f)
            options = options.Add(CoapOptionNumber.ContentFormat, (ulong)f);
        if (accept is { } a)
            options = options.Add(CoapOptionNumber.Accept, (ulong)a);
        return new CoapRequest { Method = method, Options = options, Payload = payload };
    }

    public static CoapRequest Get(string path, int? accept = null) => To(CoapCode.Get, path, accept: accept);
    public static CoapRequest Post(string path, ReadOnlyMemory<byte> payload = default, int? format = null) => To(CoapCode.Post, path, payload, format);
    public static CoapRequest Put(string path, ReadOnlyMemory<byte> payload, int? format = null) => To(CoapCode.Put, path, payload, format);
    public static CoapRequest Delete(string path) => To(CoapCode.Delete, path);
    public static CoapRequest Fetch(string path, ReadOnlyMemory<byte> payload, int format) => To(CoapCode.Fetch, path, payload, format);
    public static CoapRequest IPatch(string path, ReadOnlyMemory<byte> payload, int format) => To(CoapCode.IPatch, path, payload, format);

    /// <summary>Registers as an observer (RFC 7641).</summary>
    public CoapRequest Observing() => this with { Options = Options.Set(CoapOptionNumber.Observe, 0) };
}

/// <summary>A response with all of its blocks.</summary>
public sealed record CoapResponse
{
    public required CoapCode Code { get; init; }
    public CoapOptions Options { get; init; }
    public ReadOnlyMemory<byte> Payload { get; init; }
    /// <summary>Of a notification, or of the answer to a GET that registered.</summary>
    public uint? Observe => Options.Observe;
    /// <summary>UTF-8.</summary>
    public string Text => System.Text.Encoding.UTF8.GetString(Payload.Span);
}
