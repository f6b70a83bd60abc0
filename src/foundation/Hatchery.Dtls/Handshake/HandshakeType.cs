namespace Hatchery.Dtls;

internal enum HandshakeType : byte
{
    HelloRequest = 0,
    ClientHello = 1,
    ServerHello = 2,
    HelloVerifyRequest = 3,
    NewSessionTicket = 4,
    Certificate = 11,
    ServerKeyExchange = 12,
    CertificateRequest = 13,
    ServerHelloDone = 14,
    CertificateVerify = 15,
    ClientKeyExchange = 16,
    Finished = 20,
    CertificateStatus = 22,
}

internal enum ExtensionType : ushort
{
    ServerName = 0,
    MaxFragmentLength = 1,
    SupportedGroups = 10,
    EcPointFormats = 11,
    SignatureAlgorithms = 13,
    ApplicationProtocols = 16,
    ClientCertificateType = 19,
    ServerCertificateType = 20,
    EncryptThenMac = 22,
    ExtendedMasterSecret = 23,
    RecordSizeLimit = 28,
    SessionTicket = 35,
    ConnectionId = 54,
    EcjpakeKeys = 256,
    RenegotiationInfo = 0xFF01,
}

internal enum CertificateForm : byte { X509 = 0, RawKey = 2 }

/// <summary>Handshake header (RFC 6347, section 4.2.2): msg_type (1), length (3), message_seq (2), fragment_offset (3), fragment_length (3).</summary>
internal readonly record struct FragmentHeader(HandshakeType Type, int Length, ushort MessageSequence, int Offset, int FragmentLength)
{
    public const int Size = 12;

    public static bool TryRead(ReadOnlySpan<byte> from, out FragmentHeader header)
    {
        header = default;
        if (from.Length < Size)
            return false;
        header = new((HandshakeType)from[0], from[1] << 16 | from[2] << 8 | from[3], (ushort)(from[4] << 8 | from[5]),
            from[6] << 16 | from[7] << 8 | from[8], from[9] << 16 | from[10] << 8 | from[11]);
        return header.FragmentLength <= from.Length - Size && header.Offset + header.FragmentLength <= header.Length;
    }

    public void Write(Span<byte> into)
    {
        into[0] = (byte)Type;
        Write24(into[1..], Length);
        into[4] = (byte)(MessageSequence >> 8);
        into[5] = (byte)MessageSequence;
        Write24(into[6..], Offset);
        Write24(into[9..], FragmentLength);
    }

    private static void Write24(Span<byte> into, int value) => (into[0], into[1], into[2]) = ((byte)(value >> 16), (byte)(value >> 8), (byte)value);
}
