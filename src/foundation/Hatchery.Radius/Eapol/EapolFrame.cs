using System.Buffers.Binary;

namespace Hatchery.Radius.Eapol;

/// <summary>IEEE 802.1X-2010 §11.3.2.</summary>
public enum EapolType : byte { EapPacket = 0, Start = 1, Logoff = 2, Key = 3 }

/// <summary>An EAPOL PDU, without the link's header: version (1), type (1), length of the body (2), body (IEEE 802.1X-2010 §11.3).</summary>
public readonly ref struct EapolFrame
{
    /// <summary>EtherType.</summary>
    public const ushort EtherType = 0x888e;
    public const int HeaderLength = 4;
    /// <summary>Of the body, in bytes: what an Ethernet frame of 1500 holds.</summary>
    public const int MaxBody = 1496;
    /// <summary>The version that is sent: of 802.1X-2004. Receivers take any (§11.3.1).</summary>
    public const byte Version = 2;

    private EapolFrame(byte version, EapolType type, ReadOnlySpan<byte> body)
    {
        (SentVersion, Type) = (version, type);
        Body = body;
    }

    public byte SentVersion { get; }
    public EapolType Type { get; }
    public ReadOnlySpan<byte> Body { get; }

    /// <summary>Bytes behind the body are the link's padding and ignored.</summary>
    /// <exception cref="RadiusException"/>
    public static EapolFrame Parse(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < HeaderLength)
            throw RadiusException.Discard("EAPOL", $"{bytes.Length} bytes are no frame.");
        int length = BinaryPrimitives.ReadUInt16BigEndian(bytes[2..]);
        if (length > bytes.Length - HeaderLength)
            throw RadiusException.Discard("Packet Body Length", $"The frame says {length} bytes and has {bytes.Length - HeaderLength}.");
        return new EapolFrame(bytes[0], (EapolType)bytes[1], bytes.Slice(HeaderLength, length));
    }

    /// <summary>Returns the bytes written.</summary>
    public static int Encode(EapolType type, ReadOnlySpan<byte> body, Span<byte> into)
    {
        (into[0], into[1]) = (Version, (byte)type);
        BinaryPrimitives.WriteUInt16BigEndian(into[2..], checked((ushort)body.Length));
        body.CopyTo(into[HeaderLength..]);
        return HeaderLength + body.Length;
    }
}
