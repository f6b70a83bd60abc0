namespace Hatchery.Coap;

/// <summary>Content-Format numbers of IANA's CoRE registry.</summary>
public static class ContentFormat
{
    public const int TextPlain = 0, LinkFormat = 40, Xml = 41, OctetStream = 42, Exi = 47, Json = 50, Cbor = 60, Cwt = 61, MultipartCore = 62, CborSeq = 63, CoseSign1 = 18,
        SenmlJson = 110, SenmlCbor = 112;
    /// <summary>RFC 9148: server-generated key, certs-only, CMC request and response in CMS; PKCS#8; CSR attributes; PKCS#10; one certificate.</summary>
    public const int Pkcs7ServerGeneratedKey = 280, Pkcs7CertsOnly = 281, Pkcs7CmcRequest = 282, Pkcs7CmcResponse = 283, Pkcs8 = 284, CsrAttributes = 285, Pkcs10 = 286, PkixCertificate = 287;
    public const int OcfCbor = 10000, Lwm2mTlv = 11542, Lwm2mJson = 11543, Lwm2mCbor = 11544;
}
