namespace Hatchery.Fdo;

/// <summary>Hash and MAC types: IANA COSE numbers.</summary>
public enum HashType { Sha256 = -16, Sha384 = -43, HmacSha256 = 5, HmacSha384 = 6 }

/// <summary>pkType.</summary>
public enum PublicKeyType { Rsa2048Restr = 1, RsaPkcs = 5, RsaPss = 6, Secp256R1 = 10, Secp384R1 = 11 }

/// <summary>pkEnc.</summary>
public enum PublicKeyEncoding { Crypto = 0, X509 = 1, X5Chain = 2, CoseKey = 3 }

/// <summary>sgType of a SigInfo; the same numbers as COSE algorithms, but for EPID.</summary>
public enum SignatureType { Es256 = -7, Es384 = -35, Ps256 = -37, Ps384 = -38, Rs256 = -257, Rs384 = -258, Epid10 = 90, Epid11 = 91, Epid20 = 92 }

/// <summary>RVVariable.</summary>
public enum RendezvousVariable
{
    DevOnly = 0, OwnerOnly = 1, IPAddress = 2, DevPort = 3, OwnerPort = 4, Dns = 5, SvCertHash = 6, ClCertHash = 7, UserInput = 8,
    WifiSsid = 9, WifiPw = 10, Medium = 11, Protocol = 12, Delaysec = 13, Bypass = 14, ExtRV = 15,
}

/// <summary>RVProtocol: how a rendezvous server is spoken to.</summary>
public enum RendezvousProtocol { Rest = 0, Http = 1, Https = 2, Tcp = 3, Tls = 4, CoapTcp = 5, CoapUdp = 6 }

/// <summary>TransportProtocol of an RVTO2AddrEntry; not the numbers of RVProtocol.</summary>
public enum TransportProtocol { Tcp = 1, Tls = 2, Http = 3, Coap = 4, Https = 5, Coaps = 6 }

public static class FdoVersion
{
    /// <summary>Of FDO 1.0 and 1.1 on the wire.</summary>
    public const int Protocol = 101;
}
