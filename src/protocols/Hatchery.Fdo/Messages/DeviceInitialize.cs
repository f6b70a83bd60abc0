using System.Formats.Cbor;
using Hatchery.Cryptography.Cose;

namespace Hatchery.Fdo;

/// <summary>DeviceMfgInfo in the form that the known implementations use; the standard leaves it open.</summary>
/// <param name="KeyType">Wanted of the manufacturer's key.</param>
/// <param name="Csr">DER PKCS#10, signed by the attestation key.</param>
public sealed record DeviceMfgInfo(PublicKeyType KeyType, PublicKeyEncoding KeyEncoding, string SerialNumber, string Model, ReadOnlyMemory<byte> Csr)
{
    internal static DeviceMfgInfo Parse(ReadOnlyMemory<byte> content)
    {
        const string Name = "DeviceMfgInfo";
        var reader = new BoundedCborReader(content, FdoException.Body);
        reader.StartArray(Name);
        long type = reader.Integer("keyType", 0, 255), encoding = reader.Integer("keyEncoding", 0, 255);
        string serial = reader.Text("serialNumber"), model = reader.Text("deviceInfo");
        var csr = reader.Bytes("CSR");
        while (reader.More(Name))
            reader.Raw(Name);
        reader.EndArray(Name);
        reader.End(Name);
        return new DeviceMfgInfo((PublicKeyType)type, (PublicKeyEncoding)encoding, serial, model, csr);
    }

    internal byte[] Encode()
    {
        var writer = WireReading.Writer(Csr.Length + 128);
        writer.WriteStartArray(5);
        writer.WriteInt32((int)KeyType);
        writer.WriteInt32((int)KeyEncoding);
        writer.WriteTextString(SerialNumber);
        writer.WriteTextString(Model);
        writer.WriteByteString(Csr.Span);
        writer.WriteEndArray();
        return writer.Finish();
    }
}

/// <summary>10: [bstr .cbor DeviceMfgInfo, or null].</summary>
public sealed record AppStart(DeviceMfgInfo? MfgInfo) : FdoMessage
{
    public override StepKind Kind => FdoSteps.AppStart;

    public override void Identify(ref Correlators into)
    {
        if (MfgInfo is { SerialNumber.Length: > 0 } info)
            into.Add("fdo.serial", info.SerialNumber);
    }

    public static AppStart Parse(ReadOnlyMemory<byte> body)
    {
        var reader = WireReading.Door(body, "DI.AppStart");
        reader.StartArray("DI.AppStart");
        var info = reader.TryNull("DeviceMfgInfo") ? null : DeviceMfgInfo.Parse(reader.Bytes("DeviceMfgInfo"));
        reader.EndArray("DI.AppStart");
        reader.End("DI.AppStart");
        return new AppStart(info) { Received = body };
    }

    private protected override void Write(CborWriter writer)
    {
        writer.WriteStartArray(1);
        if (MfgInfo is null)
            writer.WriteNull();
        else
            writer.WriteByteString(MfgInfo.Encode());
        writer.WriteEndArray();
    }
}

/// <summary>11: [bstr .cbor OVHeader].</summary>
public sealed record SetCredentials(OwnershipVoucherHeader Header) : FdoMessage
{
    public override StepKind Kind => FdoSteps.SetCredentials;
    public override void Identify(ref Correlators into) => AddGuid(ref into, Header.Guid);

    public static SetCredentials Parse(ReadOnlyMemory<byte> body)
    {
        var reader = WireReading.Door(body, "DI.SetCredentials");
        reader.StartArray("DI.SetCredentials");
        var header = OwnershipVoucherHeader.Parse(reader.Bytes("OVHeader"), FdoException.Body);
        reader.EndArray("DI.SetCredentials");
        reader.End("DI.SetCredentials");
        return new SetCredentials(header) { Received = body };
    }

    private protected override void Write(CborWriter writer)
    {
        writer.WriteStartArray(1);
        writer.WriteByteString(Header.Raw.Span);
        writer.WriteEndArray();
    }
}

/// <summary>12: [HMac].</summary>
public sealed record SetHmac(FdoHash Hmac) : FdoMessage
{
    public override StepKind Kind => FdoSteps.SetHmac;

    public static SetHmac Parse(ReadOnlyMemory<byte> body)
    {
        var reader = WireReading.Door(body, "DI.SetHMAC");
        reader.StartArray("DI.SetHMAC");
        var hmac = FdoHash.Parse(reader, "HMac", mac: true);
        reader.EndArray("DI.SetHMAC");
        reader.End("DI.SetHMAC");
        return new SetHmac(hmac) { Received = body };
    }

    private protected override void Write(CborWriter writer)
    {
        writer.WriteStartArray(1);
        writer.WriteEncodedValue(Hmac.Raw.Span);
        writer.WriteEndArray();
    }
}

/// <summary>13: [].</summary>
public sealed record DiDone : FdoMessage
{
    public override StepKind Kind => FdoSteps.DiDone;

    public static DiDone Parse(ReadOnlyMemory<byte> body)
    {
        EmptyArray.Parse(body, "DI.Done");
        return new DiDone { Received = body };
    }

    private protected override void Write(CborWriter writer) => EmptyArray.Write(writer);
}

internal static class EmptyArray
{
    public static void Parse(ReadOnlyMemory<byte> body, string message)
    {
        var reader = WireReading.Door(body, message);
        reader.StartArray(message);
        reader.EndArray(message);
        reader.End(message);
    }

    public static void Write(CborWriter writer)
    {
        writer.WriteStartArray(0);
        writer.WriteEndArray();
    }
}
