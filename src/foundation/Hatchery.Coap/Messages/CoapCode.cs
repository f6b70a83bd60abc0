namespace Hatchery.Coap;

/// <summary>Message types of RFC 7252 section 3; on a stream there are none.</summary>
public enum CoapType : byte
{
    Confirmable,
    NonConfirmable,
    Acknowledgement,
    Reset,
}

/// <summary>A method or response code: class in the upper 3 bits, detail in the lower 5.</summary>
public readonly record struct CoapCode(byte Value)
{
    public static readonly CoapCode Empty = default;
    public static readonly CoapCode Get = new(0, 1), Post = new(0, 2), Put = new(0, 3), Delete = new(0, 4);
    /// <summary>RFC 8132.</summary>
    public static readonly CoapCode Fetch = new(0, 5), Patch = new(0, 6), IPatch = new(0, 7);
    public static readonly CoapCode Created = new(2, 1), Deleted = new(2, 2), Valid = new(2, 3), Changed = new(2, 4), Content = new(2, 5);
    /// <summary>RFC 7959.</summary>
    public static readonly CoapCode Continue = new(2, 31);
    public static readonly CoapCode BadRequest = new(4, 0), Unauthorized = new(4, 1), BadOption = new(4, 2), Forbidden = new(4, 3), NotFound = new(4, 4),
        MethodNotAllowed = new(4, 5), NotAcceptable = new(4, 6), RequestEntityIncomplete = new(4, 8), Conflict = new(4, 9), PreconditionFailed = new(4, 12),
        RequestEntityTooLarge = new(4, 13), UnsupportedContentFormat = new(4, 15), UnprocessableEntity = new(4, 22), TooManyRequests = new(4, 29);
    public static readonly CoapCode InternalServerError = new(5, 0), NotImplemented = new(5, 1), BadGateway = new(5, 2), ServiceUnavailable = new(5, 3),
        GatewayTimeout = new(5, 4), ProxyingNotSupported = new(5, 5), HopLimitReached = new(5, 8);
    /// <summary>Signaling of RFC 8323 section 5.</summary>
    public static readonly CoapCode Csm = new(7, 1), Ping = new(7, 2), Pong = new(7, 3), Release = new(7, 4), Abort = new(7, 5);

    public CoapCode(int @class, int detail) : this((byte)(@class << 5 | detail)) { }

    public int Class => Value >> 5;
    public int Detail => Value & 31;
    public bool IsRequest => Class == 0 && Value != 0;
    public bool IsResponse => Class is 2 or 4 or 5;
    public bool IsSuccess => Class == 2;
    public bool IsSignal => Class == 7;

    /// <summary>"2.05".</summary>
    public override string ToString() => $"{Class}.{Detail:00}";
}
