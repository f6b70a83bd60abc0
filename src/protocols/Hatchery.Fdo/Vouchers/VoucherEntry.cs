using Hatchery.Cryptography.Cose;

namespace Hatchery.Fdo;

/// <summary>OVEntry: a COSE_Sign1 by the owner before, naming the owner after (FDO 1.1 §3.4).</summary>
public sealed class VoucherEntry
{
    private VoucherEntry(CoseSign1 signed, FdoHash previous, FdoHash headerInfo, ReadOnlyMemory<byte> extra, FdoPublicKey publicKey) =>
        (Signed, HashPrevEntry, HashHdrInfo, Extra, PublicKey) = (signed, previous, headerInfo, extra, publicKey);

    public CoseSign1 Signed { get; }
    public FdoHash HashPrevEntry { get; }
    public FdoHash HashHdrInfo { get; }
    /// <summary>OVEExtra as encoded: null, or a byte string.</summary>
    public ReadOnlyMemory<byte> Extra { get; }
    /// <summary>Of the next owner.</summary>
    public FdoPublicKey PublicKey { get; }
    /// <summary>With its tag; what the next entry's hash is over.</summary>
    public ReadOnlyMemory<byte> Raw => Signed.Raw;

    internal static VoucherEntry Parse(BoundedCborReader reader, string field)
    {
        var signed = CoseSign1.Parse(reader, field);
        var payload = new BoundedCborReader(signed.Payload, reader.Fault);
        payload.StartArray(field);
        var previous = FdoHash.Parse(payload, $"{field}.OVEHashPrevEntry", mac: false);
        var info = FdoHash.Parse(payload, $"{field}.OVEHashHdrInfo", mac: false);
        string extraField = $"{field}.OVEExtra";
        var extra = payload.IsBytes(extraField) || payload.Peek(extraField) == System.Formats.Cbor.CborReaderState.Null
            ? payload.Raw(extraField) : throw payload.Wrong(extraField, "neither null nor a byte string.");
        var key = FdoPublicKey.Parse(payload, $"{field}.OVEPubKey");
        payload.EndArray(field);
        payload.End(field);
        return new VoucherEntry(signed, previous, info, extra, key);
    }

    /// <param name="extra">OVEExtra as encoded; empty: null.</param>
    internal static VoucherEntry Sign(FdoHash previous, FdoHash headerInfo, ReadOnlyMemory<byte> extra, FdoPublicKey next, FdoPrivateKey owner, Chance chance, string use)
    {
        var writer = WireReading.Writer(160 + next.Raw.Length + extra.Length);
        writer.WriteStartArray(4);
        writer.WriteEncodedValue(previous.Raw.Span);
        writer.WriteEncodedValue(headerInfo.Raw.Span);
        if (extra.IsEmpty)
            writer.WriteNull();
        else
            writer.WriteEncodedValue(extra.Span);
        writer.WriteEncodedValue(next.Raw.Span);
        writer.WriteEndArray();
        var signed = owner.Sign(writer.Finish(), CoseHeaders.Empty, chance, use);
        return new VoucherEntry(signed, previous, headerInfo, extra.IsEmpty ? new byte[] { 0xF6 } : extra, next);
    }
}
