using System.Collections.Immutable;
using Hatchery.Cryptography.Cose;

namespace Hatchery.Fdo;

/// <summary>OwnershipVoucher (FDO 1.1 §3.4). Parsed, not verified: see <see cref="VoucherVerifier"/>. Keeps the bytes it came from.</summary>
public sealed class OwnershipVoucher
{
    public const int MaxEntries = 255;
    private const string Name = "OwnershipVoucher";

    private OwnershipVoucher(int version, OwnershipVoucherHeader header, FdoHash headerHmac, ImmutableArray<ReadOnlyMemory<byte>> chain, ImmutableArray<VoucherEntry> entries, ReadOnlyMemory<byte> raw) =>
        (Version, Header, HeaderHmac, DevCertChain, Entries, Raw) = (version, header, headerHmac, chain, entries, raw);

    /// <summary>A voucher without entries: after DI, or the replacement after TO2.</summary>
    /// <param name="chain">DER certificates of the device, leaf first; empty: null.</param>
    public OwnershipVoucher(OwnershipVoucherHeader header, FdoHash headerHmac, ImmutableArray<ReadOnlyMemory<byte>> chain)
        : this(FdoVersion.Protocol, header, headerHmac, chain.IsDefault ? [] : chain, [], Encode(FdoVersion.Protocol, header, headerHmac, chain, [])) { }

    /// <summary>OVProtVer as found.</summary>
    public int Version { get; }
    public OwnershipVoucherHeader Header { get; }
    public FdoHash HeaderHmac { get; }
    /// <summary>DER certificates, leaf first; empty where the voucher has null.</summary>
    public ImmutableArray<ReadOnlyMemory<byte>> DevCertChain { get; }
    public ImmutableArray<VoucherEntry> Entries { get; }
    public ReadOnlyMemory<byte> Raw { get; }
    public Guid Guid => Header.Guid;

    /// <summary>Who owns the device, if the voucher is genuine: the last entry's key, or the manufacturer's.</summary>
    public FdoPublicKey Owner => Entries.IsEmpty ? Header.PublicKey : Entries[^1].PublicKey;

    /// <summary>DER; empty where there is no chain or its leaf cannot be read.</summary>
    public ReadOnlyMemory<byte> DeviceKey => _deviceKey ??= DevCertChain.IsEmpty ? default(ReadOnlyMemory<byte>) : CertificateKey.SubjectPublicKeyInfo(DevCertChain[0]) ?? default;

    private ReadOnlyMemory<byte>? _deviceKey;

    /// <summary>The same voucher with one more entry; bytes before it stay as they are.</summary>
    internal OwnershipVoucher Append(VoucherEntry entry)
    {
        var entries = Entries.Add(entry);
        return new OwnershipVoucher(Version, Header, HeaderHmac, DevCertChain, entries, Encode(Version, Header, HeaderHmac, DevCertChain, entries));
    }

    /// <summary>Throws <see cref="FdoException"/> 2.</summary>
    public static OwnershipVoucher Parse(ReadOnlyMemory<byte> raw) => Parse(raw, FdoException.Voucher);

    internal static OwnershipVoucher Parse(ReadOnlyMemory<byte> raw, CborFault fault)
    {
        var reader = new BoundedCborReader(raw, fault);
        reader.StartArray(Name);
        int version = (int)reader.Integer("OVProtVer", 0, ushort.MaxValue);
        var header = OwnershipVoucherHeader.Parse(reader.Bytes("OVHeaderTag"), fault);
        var hmac = FdoHash.Parse(reader, "OVHeaderHMac", mac: true);
        ImmutableArray<ReadOnlyMemory<byte>> chain = reader.TryNull("OVDevCertChain") ? [] : X5Chain.Parse(reader, "OVDevCertChain", 16);
        var entries = ImmutableArray.CreateBuilder<VoucherEntry>(2);
        reader.StartArray("OVEntryArray");
        while (reader.More("OVEntryArray"))
        {
            if (entries.Count == MaxEntries)
                throw reader.Wrong("OVEntryArray", $"more than {MaxEntries} entries.");
            entries.Add(VoucherEntry.Parse(reader, $"OVEntry {entries.Count}"));
        }
        reader.EndArray("OVEntryArray");
        reader.EndArray(Name);
        reader.End(Name);
        return new OwnershipVoucher(version, header, hmac, chain, entries.ToImmutable(), raw);
    }

    private static byte[] Encode(int version, OwnershipVoucherHeader header, FdoHash hmac, ImmutableArray<ReadOnlyMemory<byte>> chain, ImmutableArray<VoucherEntry> entries)
    {
        var writer = WireReading.Writer(2048);
        writer.WriteStartArray(5);
        writer.WriteInt32(version);
        writer.WriteByteString(header.Raw.Span);
        writer.WriteEncodedValue(hmac.Raw.Span);
        if (chain.IsDefaultOrEmpty)
            writer.WriteNull();
        else
            X5Chain.Write(writer, chain);
        writer.WriteStartArray(entries.Length);
        foreach (var entry in entries)
            writer.WriteEncodedValue(entry.Raw.Span);
        writer.WriteEndArray();
        writer.WriteEndArray();
        return writer.Finish();
    }
}
