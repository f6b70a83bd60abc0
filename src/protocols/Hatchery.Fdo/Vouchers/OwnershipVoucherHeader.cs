using System.Text;
using Hatchery.Cryptography.Cose;

namespace Hatchery.Fdo;

/// <summary>OVHeader (FDO 1.1 §3.4). Keeps the bytes it came from: HMAC and hashes are over these.</summary>
public sealed class OwnershipVoucherHeader
{
    private const string Name = "OVHeader";

    private OwnershipVoucherHeader(int version, Guid guid, RendezvousInfo rendezvousInfo, string deviceInfo, FdoPublicKey publicKey, FdoHash? chainHash, ReadOnlyMemory<byte> raw) =>
        (Version, Guid, RendezvousInfo, DeviceInfo, PublicKey, DevCertChainHash, Raw) = (version, guid, rendezvousInfo, deviceInfo, publicKey, chainHash, raw);

    /// <param name="devCertChainHash">Null where the device has no certificate chain.</param>
    public OwnershipVoucherHeader(Guid guid, RendezvousInfo rendezvousInfo, string deviceInfo, FdoPublicKey publicKey, FdoHash? devCertChainHash)
        : this(FdoVersion.Protocol, guid, rendezvousInfo, deviceInfo, publicKey, devCertChainHash, default)
    {
        var writer = WireReading.Writer(256 + publicKey.Raw.Length);
        writer.WriteStartArray(6);
        writer.WriteInt32(FdoVersion.Protocol);
        writer.WriteGuid(guid);
        writer.WriteEncodedValue(rendezvousInfo.Raw.Span);
        writer.WriteTextString(deviceInfo);
        writer.WriteEncodedValue(publicKey.Raw.Span);
        if (devCertChainHash is null)
            writer.WriteNull();
        else
            writer.WriteEncodedValue(devCertChainHash.Raw.Span);
        writer.WriteEndArray();
        Raw = writer.Finish();
    }

    /// <summary>OVHProtVer as found.</summary>
    public int Version { get; }
    public Guid Guid { get; }
    public RendezvousInfo RendezvousInfo { get; }
    public string DeviceInfo { get; }
    /// <summary>The manufacturer's; in a replacement voucher Owner2Key.</summary>
    public FdoPublicKey PublicKey { get; }
    public FdoHash? DevCertChainHash { get; }
    public ReadOnlyMemory<byte> Raw { get; }

    /// <summary>OVEHashHdrInfo is over these bytes: GUID, then DeviceInfo in UTF-8.</summary>
    internal byte[] HeaderInfo()
    {
        var bytes = new byte[16 + Encoding.UTF8.GetByteCount(DeviceInfo)];
        Guid.TryWriteBytes(bytes, bigEndian: true, out _);
        Encoding.UTF8.GetBytes(DeviceInfo, bytes.AsSpan(16));
        return bytes;
    }

    /// <summary>The header after TO2, made of what SetupDevice brought and of what stays, each piece with the bytes that were received.</summary>
    public OwnershipVoucherHeader Replace(Guid guid, RendezvousInfo rendezvousInfo, FdoPublicKey owner2Key) =>
        new(guid, rendezvousInfo, DeviceInfo, owner2Key, DevCertChainHash);

    /// <param name="fault">What is thrown: error 100 in messages, 2 in vouchers.</param>
    public static OwnershipVoucherHeader Parse(ReadOnlyMemory<byte> raw, CborFault fault)
    {
        var reader = new BoundedCborReader(raw, fault);
        reader.StartArray(Name);
        int version = (int)reader.Integer("OVHProtVer", 0, ushort.MaxValue);
        var guid = reader.Guid("OVGuid");
        var rendezvousInfo = RendezvousInfo.Parse(reader, "OVRVInfo");
        string deviceInfo = reader.Text("OVDeviceInfo");
        var publicKey = FdoPublicKey.Parse(reader, "OVPublicKey");
        var hash = reader.TryNull("OVDevCertChainHash") ? null : FdoHash.Parse(reader, "OVDevCertChainHash", mac: false);
        reader.EndArray(Name);
        reader.End(Name);
        return new OwnershipVoucherHeader(version, guid, rendezvousInfo, deviceInfo, publicKey, hash, raw);
    }
}
