namespace Hatchery.Radius;

/// <summary>RFC 2865 §3, RFC 2866 §3, RFC 5176 §2.3, RFC 5997.</summary>
public enum RadiusCode : byte
{
    AccessRequest = 1,
    AccessAccept = 2,
    AccessReject = 3,
    AccountingRequest = 4,
    AccountingResponse = 5,
    AccessChallenge = 11,
    StatusServer = 12,
    DisconnectRequest = 40,
    DisconnectAck = 41,
    DisconnectNak = 42,
    CoaRequest = 43,
    CoaAck = 44,
    CoaNak = 45,
}

/// <summary>The attributes that this library reads or writes (RFC 2865 §5, 2866 §5, 2868, 2869, 3162, 3579, 5176, 4072). Others pass as numbers.</summary>
public enum RadiusAttribute : byte
{
    UserName = 1,
    UserPassword = 2,
    NasIpAddress = 4,
    NasPort = 5,
    ServiceType = 6,
    FilterId = 11,
    FramedMtu = 12,
    ReplyMessage = 18,
    State = 24,
    Class = 25,
    VendorSpecific = 26,
    SessionTimeout = 27,
    IdleTimeout = 28,
    TerminationAction = 29,
    CalledStationId = 30,
    CallingStationId = 31,
    NasIdentifier = 32,
    ProxyState = 33,
    AcctStatusType = 40,
    AcctDelayTime = 41,
    AcctInputOctets = 42,
    AcctOutputOctets = 43,
    AcctSessionId = 44,
    AcctAuthentic = 45,
    AcctSessionTime = 46,
    AcctInputPackets = 47,
    AcctOutputPackets = 48,
    AcctTerminateCause = 49,
    EventTimestamp = 55,
    NasPortType = 61,
    TunnelType = 64,
    TunnelMediumType = 65,
    ConnectInfo = 77,
    EapMessage = 79,
    MessageAuthenticator = 80,
    TunnelPrivateGroupId = 81,
    NasPortId = 87,
    NasIpv6Address = 95,
    ErrorCause = 101,
    EapKeyName = 102,
    /// <summary>First of RFC 6929's extended attributes: 241 to 244 carry one more byte of type, 245 and 246 a flag for continuation too.</summary>
    Extended1 = 241,
    Extended4 = 244,
    LongExtended1 = 245,
    LongExtended2 = 246,
}

/// <summary>RFC 2866 §5.1.</summary>
public enum AcctStatusType : uint { Start = 1, Stop = 2, InterimUpdate = 3, AccountingOn = 7, AccountingOff = 8 }
