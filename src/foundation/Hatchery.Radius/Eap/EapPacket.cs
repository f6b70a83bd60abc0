using System.Buffers.Binary;

namespace Hatchery.Radius.Eap;

/// <summary>RFC 3748 §4.</summary>
public enum EapCode : byte { Request = 1, Response = 2, Success = 3, Failure = 4 }

/// <summary>Types that EAP itself defines (RFC 3748 §5). Methods name their own.</summary>
public static class EapType
{
    public const byte Identity = 1, Notification = 2, Nak = 3, Md5Challenge = 4, Expanded = 254;
}

/// <summary>An EAP packet: code (1), identifier (1), length (2, of the whole), and with requests and responses type (1) and data (RFC 3748 §4).</summary>
/// <param name="Type">0 with Success and Failure.</param>
/// <param name="Data">Behind the type; empty with Success and Failure.</param>
public readonly record struct EapPacket(EapCode Code, byte Identifier, byte Type, ReadOnlyMemory<byte> Data)
{
    /// <summary>What every lower layer carries at least, in bytes (RFC 3748 §3.1).</summary>
    public const int MinimumMtu = 1020;

    /// <summary>Of the packet as encoded, in bytes.</summary>
    public int Length => Code is EapCode.Success or EapCode.Failure ? 4 : 5 + Data.Length;

    /// <summary>Bytes behind the length are padding and ignored; fewer bytes than the length says are an error.</summary>
    /// <exception cref="RadiusException"/>
    public static EapPacket Parse(ReadOnlyMemory<byte> bytes)
    {
        var span = bytes.Span;
        if (span.Length < 4)
            throw RadiusException.InvalidEap("Length", $"An EAP packet of {span.Length} bytes is too short.");
        int length = BinaryPrimitives.ReadUInt16BigEndian(span[2..]);
        if (length < 4 || length > span.Length)
            throw RadiusException.InvalidEap("Length", $"The EAP packet says {length} bytes and has {span.Length}.");
        switch ((EapCode)span[0])
        {
            case EapCode.Success or EapCode.Failure:
                return length == 4 ? new EapPacket((EapCode)span[0], span[1], 0, default)
                    : throw RadiusException.InvalidEap("Length", $"Success and Failure have 4 bytes, not {length}.");
            case EapCode.Request or EapCode.Response:
                return length >= 5 ? new EapPacket((EapCode)span[0], span[1], span[4], bytes[5..length])
                    : throw RadiusException.InvalidEap("Type", "There is no type.");
            default:
                throw RadiusException.InvalidEap("Code", $"{span[0]} is no code of EAP.");
        }
    }

    /// <param name="into">At least <see cref="Length"/> bytes.</param>
    /// <returns>Bytes written.</returns>
    public int Encode(Span<byte> into)
    {
        int length = Length;
        (into[0], into[1]) = ((byte)Code, Identifier);
        BinaryPrimitives.WriteUInt16BigEndian(into[2..], checked((ushort)length));
        if (length > 4)
        {
            into[4] = Type;
            Data.Span.CopyTo(into[5..]);
        }
        return length;
    }

    public byte[] Encode()
    {
        var bytes = new byte[Length];
        Encode(bytes);
        return bytes;
    }
}
