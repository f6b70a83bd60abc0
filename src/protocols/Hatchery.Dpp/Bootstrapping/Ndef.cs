using System.Text;

namespace Hatchery.Dpp;

/// <summary>A DPP URI on an NFC tag: one NDEF record of type U (NFC Forum URI RTD) without a prefix (DPP §5.4).</summary>
public static class Ndef
{
    private const byte MessageBegin = 0x80, MessageEnd = 0x40, Short = 0x10, WellKnown = 1;

    public static byte[] Encode(DppUri uri)
    {
        byte[] text = Encoding.ASCII.GetBytes(uri.ToString());
        int length = text.Length + 1;
        return length < 256 ? [MessageBegin | MessageEnd | Short | WellKnown, 1, (byte)length, (byte)'U', 0, .. text]
            : [MessageBegin | MessageEnd | WellKnown, 1, 0, 0, (byte)(length >> 8), (byte)length, (byte)'U', 0, .. text];
    }

    /// <exception cref="DppException"/>
    public static DppUri Parse(ReadOnlySpan<byte> record)
    {
        bool isShort = record.Length > 0 && (record[0] & Short) != 0;
        int head = isShort ? 4 : 7;
        if (record.Length < head + 1 || (record[0] & 7) != WellKnown || record[1] != 1 || record[head - 1] != 'U' || (record[0] & 0x08) != 0)
            throw DppException.Malformed("NDEF", "is no URI record.");
        int length = isShort ? record[2] : record[2] != 0 || record[3] != 0 ? int.MaxValue : record[4] << 8 | record[5];
        if (length < 1 || length > record.Length - head || record[head] != 0)
            throw DppException.Malformed("NDEF", "is cut short, or its URI has a prefix.");
        return DppUri.Parse(Encoding.ASCII.GetString(record.Slice(head + 1, length - 1)));
    }
}
