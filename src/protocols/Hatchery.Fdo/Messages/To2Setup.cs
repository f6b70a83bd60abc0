using System.Formats.Cbor;
using Hatchery.Cryptography.Cose;

namespace Hatchery.Fdo;

/// <summary>65, inside the encryption: a COSE_Sign1 by the Owner2 key over [RendezvousInfo, Guid, NonceTO2SetupDv, Owner2Key].</summary>
public sealed record SetupDevice(CoseSign1 Signed, RendezvousInfo RendezvousInfo, Guid Guid, Nonce NonceTO2SetupDv, FdoPublicKey Owner2Key) : FdoMessage
{
    public override StepKind Kind => FdoSteps.SetupDevice;
    public override void Identify(ref Correlators into) => AddGuid(ref into, Guid);

    /// <summary>Proof that whoever sent it has the Owner2 private key.</summary>
    public bool Verify() => Owner2Key.Verifies(Signed, "Owner2Key");

    public static SetupDevice Parse(ReadOnlyMemory<byte> body)
    {
        const string Name = "TO2.SetupDevice";
        var signed = CoseSign1.Parse(body, FdoException.Body, Name, untagged: true);
        var reader = new BoundedCborReader(signed.Payload, FdoException.Body);
        reader.StartArray(Name);
        var rendezvousInfo = RendezvousInfo.Parse(reader, "RendezvousInfo");
        var guid = reader.Guid("Guid");
        var nonce = reader.Nonce("NonceTO2SetupDv");
        var key = FdoPublicKey.Parse(reader, "Owner2Key");
        reader.EndArray(Name);
        reader.End(Name);
        return new SetupDevice(signed, rendezvousInfo, guid, nonce, key) { Received = body };
    }

    public static SetupDevice Sign(RendezvousInfo rendezvousInfo, Guid guid, Nonce nonceTO2SetupDv, FdoPublicKey owner2Key, FdoPrivateKey owner2, Chance chance)
    {
        var writer = WireReading.Writer(64 + rendezvousInfo.Raw.Length + owner2Key.Raw.Length);
        writer.WriteStartArray(4);
        writer.WriteEncodedValue(rendezvousInfo.Raw.Span);
        writer.WriteGuid(guid);
        nonceTO2SetupDv.Write(writer);
        writer.WriteEncodedValue(owner2Key.Raw.Span);
        writer.WriteEndArray();
        return new SetupDevice(owner2.Sign(writer.Finish(), CoseHeaders.Empty, chance, "TO2.SetupDevice"), rendezvousInfo, guid, nonceTO2SetupDv, owner2Key);
    }

    private protected override void Write(CborWriter writer) => writer.WriteEncodedValue(Signed.Raw.Span);
    private protected override ReadOnlyMemory<byte> Encode() => Signed.Raw;
}

/// <summary>66, inside the encryption: [ReplacementHMac or null, maxOwnerServiceInfoSz or null].</summary>
/// <param name="ReplacementHMac">Null: the device accepts credential reuse.</param>
/// <param name="MaxOwnerServiceInfoSz">Bytes of ServiceInfo that the device can receive; null: 1300.</param>
public sealed record DeviceServiceInfoReady(FdoHash? ReplacementHMac, ushort? MaxOwnerServiceInfoSz) : FdoMessage
{
    public override StepKind Kind => FdoSteps.DeviceServiceInfoReady;

    public static DeviceServiceInfoReady Parse(ReadOnlyMemory<byte> body)
    {
        const string Name = "TO2.DeviceServiceInfoReady";
        var reader = WireReading.Door(body, Name);
        reader.StartArray(Name);
        var hmac = reader.TryNull("ReplacementHMac") ? null : FdoHash.Parse(reader, "ReplacementHMac", mac: true);
        ushort? size = reader.UInt16OrNull("maxOwnerServiceInfoSz");
        reader.EndArray(Name);
        reader.End(Name);
        return new DeviceServiceInfoReady(hmac, size) { Received = body };
    }

    private protected override void Write(CborWriter writer)
    {
        writer.WriteStartArray(2);
        if (ReplacementHMac is null)
            writer.WriteNull();
        else
            writer.WriteEncodedValue(ReplacementHMac.Raw.Span);
        writer.WriteNumberOrNull(MaxOwnerServiceInfoSz);
        writer.WriteEndArray();
    }
}

/// <summary>67, inside the encryption: [maxDeviceServiceInfoSz or null].</summary>
/// <param name="MaxDeviceServiceInfoSz">Bytes of ServiceInfo that the owner can receive; null: 1300.</param>
public sealed record OwnerServiceInfoReady(ushort? MaxDeviceServiceInfoSz) : FdoMessage
{
    public override StepKind Kind => FdoSteps.OwnerServiceInfoReady;

    public static OwnerServiceInfoReady Parse(ReadOnlyMemory<byte> body)
    {
        const string Name = "TO2.OwnerServiceInfoReady";
        var reader = WireReading.Door(body, Name);
        reader.StartArray(Name);
        ushort? size = reader.UInt16OrNull("maxDeviceServiceInfoSz");
        reader.EndArray(Name);
        reader.End(Name);
        return new OwnerServiceInfoReady(size) { Received = body };
    }

    private protected override void Write(CborWriter writer)
    {
        writer.WriteStartArray(1);
        writer.WriteNumberOrNull(MaxDeviceServiceInfoSz);
        writer.WriteEndArray();
    }
}

/// <summary>70, inside the encryption: [NonceTO2ProveDv], the owner's nonce of message 61.</summary>
public sealed record Done(Nonce NonceTO2ProveDv) : FdoMessage
{
    public override StepKind Kind => FdoSteps.Done;
    public override void Identify(ref Correlators into) => AddNonce(ref into, NonceTO2ProveDv);

    public static Done Parse(ReadOnlyMemory<byte> body)
    {
        var reader = WireReading.Door(body, "TO2.Done");
        reader.StartArray("TO2.Done");
        var nonce = reader.Nonce("NonceTO2ProveDv");
        reader.EndArray("TO2.Done");
        reader.End("TO2.Done");
        return new Done(nonce) { Received = body };
    }

    private protected override void Write(CborWriter writer)
    {
        writer.WriteStartArray(1);
        NonceTO2ProveDv.Write(writer);
        writer.WriteEndArray();
    }
}

/// <summary>71, inside the encryption: [NonceTO2SetupDv], the device's nonce of message 64.</summary>
public sealed record Done2(Nonce NonceTO2SetupDv) : FdoMessage
{
    public override StepKind Kind => FdoSteps.Done2;
    public override void Identify(ref Correlators into) => AddNonce(ref into, NonceTO2SetupDv);

    public static Done2 Parse(ReadOnlyMemory<byte> body)
    {
        var reader = WireReading.Door(body, "TO2.Done2");
        reader.StartArray("TO2.Done2");
        var nonce = reader.Nonce("NonceTO2SetupDv");
        reader.EndArray("TO2.Done2");
        reader.End("TO2.Done2");
        return new Done2(nonce) { Received = body };
    }

    private protected override void Write(CborWriter writer)
    {
        writer.WriteStartArray(1);
        NonceTO2SetupDv.Write(writer);
        writer.WriteEndArray();
    }
}
