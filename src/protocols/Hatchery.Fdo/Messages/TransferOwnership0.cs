using System.Collections.Immutable;
using System.Formats.Cbor;
using Hatchery.Cryptography.Cose;

namespace Hatchery.Fdo;

/// <summary>20: [].</summary>
public sealed record To0Hello : FdoMessage
{
    public override StepKind Kind => FdoSteps.To0Hello;

    public static To0Hello Parse(ReadOnlyMemory<byte> body)
    {
        EmptyArray.Parse(body, "TO0.Hello");
        return new To0Hello { Received = body };
    }

    private protected override void Write(CborWriter writer) => EmptyArray.Write(writer);
}

/// <summary>21: [NonceTO0Sign].</summary>
public sealed record To0HelloAck(Nonce NonceTO0Sign) : FdoMessage
{
    public override StepKind Kind => FdoSteps.To0HelloAck;
    public override void Identify(ref Correlators into) => AddNonce(ref into, NonceTO0Sign);

    public static To0HelloAck Parse(ReadOnlyMemory<byte> body)
    {
        var reader = WireReading.Door(body, "TO0.HelloAck");
        reader.StartArray("TO0.HelloAck");
        var nonce = reader.Nonce("NonceTO0Sign");
        reader.EndArray("TO0.HelloAck");
        reader.End("TO0.HelloAck");
        return new To0HelloAck(nonce) { Received = body };
    }

    private protected override void Write(CborWriter writer)
    {
        writer.WriteStartArray(1);
        NonceTO0Sign.Write(writer);
        writer.WriteEndArray();
    }
}

/// <summary>to0d: [OwnershipVoucher, waitSeconds, NonceTO0Sign].</summary>
/// <param name="Raw">What to1dTo0dHash is over.</param>
public sealed record To0d(OwnershipVoucher Voucher, uint WaitSeconds, Nonce NonceTO0Sign, ReadOnlyMemory<byte> Raw)
{
    /// <summary>A voucher that cannot be read throws error 2, all else error 100.</summary>
    internal static To0d Parse(ReadOnlyMemory<byte> raw)
    {
        var reader = new BoundedCborReader(raw, FdoException.Body);
        reader.StartArray("to0d");
        var voucher = OwnershipVoucher.Parse(reader.Raw("OwnershipVoucher"));
        uint wait = reader.UInt32("waitSeconds");
        var nonce = reader.Nonce("NonceTO0Sign");
        reader.EndArray("to0d");
        reader.End("to0d");
        return new To0d(voucher, wait, nonce, raw);
    }

    public static To0d Create(OwnershipVoucher voucher, uint waitSeconds, Nonce nonce)
    {
        var writer = WireReading.Writer(voucher.Raw.Length + 32);
        writer.WriteStartArray(3);
        writer.WriteEncodedValue(voucher.Raw.Span);
        writer.WriteUInt32(waitSeconds);
        nonce.Write(writer);
        writer.WriteEndArray();
        return new To0d(voucher, waitSeconds, nonce, writer.Finish());
    }
}

/// <summary>to1d: the redirect blob, a COSE_Sign1 by the owner over [addresses, to1dTo0dHash]. The device believes it only when the voucher has
/// told it the owner's key.</summary>
public sealed record To1d(CoseSign1 Signed, ImmutableArray<To2AddressEntry> Addresses, FdoHash To1dTo0dHash)
{
    /// <summary>As signed; stored and handed on verbatim.</summary>
    public ReadOnlyMemory<byte> Raw => Signed.Raw;

    /// <summary>The owner's delegate that signed; null: the owner itself is to have signed.</summary>
    public FdoPublicKey? Delegate { get; init; }

    /// <param name="allowDelegate">Experimental: a delegate with the permission to redirect may have signed.</param>
    /// <exception cref="FdoException">101: a delegate's chain is wrong.</exception>
    public bool Verify(FdoPublicKey owner, bool allowDelegate = false)
    {
        if (Delegate is null || !allowDelegate)
            return owner.Verifies(Signed, "OVEPubKey");
        DelegateChain.Require(Delegate, owner, DelegatePermission.Redirect);
        return Delegate.Verifies(Signed, "delegate chain");
    }

    /// <summary>Throws <see cref="FdoException"/> 100 for the envelope, 101 for the payload, 4 for an address.</summary>
    public static To1d Parse(ReadOnlyMemory<byte> raw)
    {
        var signed = CoseSign1.Parse(raw, FdoException.Body, "to1d");
        var reader = new BoundedCborReader(signed.Payload, FdoException.Content);
        reader.StartArray("to1d");
        var addresses = To2AddressEntry.ParseList(reader, "to1dRV");
        var hash = FdoHash.Parse(reader, "to1dTo0dHash", mac: false);
        reader.EndArray("to1d");
        reader.End("to1d");
        return new To1d(signed, addresses, hash) { Delegate = DelegateChain.Of(signed, FdoException.Body) };
    }

    public static To1d Sign(ImmutableArray<To2AddressEntry> addresses, FdoHash to1dTo0dHash, FdoPrivateKey owner, Chance chance, FdoPublicKey? delegateChain = null)
    {
        var writer = WireReading.Writer(256);
        writer.WriteStartArray(2);
        writer.WriteStartArray(addresses.Length);
        foreach (var address in addresses)
            address.Write(writer);
        writer.WriteEndArray();
        writer.WriteEncodedValue(to1dTo0dHash.Raw.Span);
        writer.WriteEndArray();
        var headers = delegateChain is null ? CoseHeaders.Empty : new CoseHeaders([(DelegateChain.Label, delegateChain.Raw)]);
        return new To1d(owner.Sign(writer.Finish(), headers, chance, "TO0.to1d"), addresses, to1dTo0dHash) { Delegate = delegateChain };
    }
}

/// <summary>22: [bstr .cbor to0d, to1d].</summary>
public sealed record OwnerSign(To0d To0d, To1d To1d) : FdoMessage
{
    public override StepKind Kind => FdoSteps.OwnerSign;
    private protected override int Capacity => To0d.Raw.Length + To1d.Raw.Length + 16;

    public override void Identify(ref Correlators into)
    {
        AddGuid(ref into, To0d.Voucher.Guid);
        AddNonce(ref into, To0d.NonceTO0Sign);
    }

    public static OwnerSign Parse(ReadOnlyMemory<byte> body)
    {
        var reader = WireReading.Door(body, "TO0.OwnerSign");
        reader.StartArray("TO0.OwnerSign");
        var to0d = reader.Bytes("to0d");
        var to1d = reader.Raw("to1d");
        reader.EndArray("TO0.OwnerSign");
        reader.End("TO0.OwnerSign");
        return new OwnerSign(To0d.Parse(to0d), To1d.Parse(to1d)) { Received = body };
    }

    private protected override void Write(CborWriter writer)
    {
        writer.WriteStartArray(2);
        writer.WriteByteString(To0d.Raw.Span);
        writer.WriteEncodedValue(To1d.Raw.Span);
        writer.WriteEndArray();
    }
}

/// <summary>23: [waitSeconds].</summary>
/// <param name="WaitSeconds">Lifetime granted; not 0.</param>
public sealed record AcceptOwner(uint WaitSeconds) : FdoMessage
{
    public override StepKind Kind => FdoSteps.AcceptOwner;

    public static AcceptOwner Parse(ReadOnlyMemory<byte> body)
    {
        var reader = WireReading.Door(body, "TO0.AcceptOwner");
        reader.StartArray("TO0.AcceptOwner");
        uint wait = reader.UInt32("waitSeconds");
        reader.EndArray("TO0.AcceptOwner");
        reader.End("TO0.AcceptOwner");
        return new AcceptOwner(wait) { Received = body };
    }

    private protected override void Write(CborWriter writer)
    {
        writer.WriteStartArray(1);
        writer.WriteUInt32(WaitSeconds);
        writer.WriteEndArray();
    }
}
