using System.Formats.Cbor;
using Hatchery.Cryptography.Cose;

namespace Hatchery.Fdo;

/// <summary>30: [Guid, eASigInfo].</summary>
public sealed record HelloRV(Guid Guid, SigInfo ASigInfo) : FdoMessage
{
    public override StepKind Kind => FdoSteps.HelloRV;
    public override void Identify(ref Correlators into) => AddGuid(ref into, Guid);

    public static HelloRV Parse(ReadOnlyMemory<byte> body)
    {
        var reader = WireReading.Door(body, "TO1.HelloRV");
        reader.StartArray("TO1.HelloRV");
        var guid = reader.Guid("Guid");
        var sigInfo = SigInfo.Parse(reader, "eASigInfo");
        reader.EndArray("TO1.HelloRV");
        reader.End("TO1.HelloRV");
        return new HelloRV(guid, sigInfo) { Received = body };
    }

    private protected override void Write(CborWriter writer)
    {
        writer.WriteStartArray(2);
        writer.WriteGuid(Guid);
        writer.WriteEncodedValue(ASigInfo.Raw.Span);
        writer.WriteEndArray();
    }
}

/// <summary>31: [NonceTO1Proof, eBSigInfo].</summary>
public sealed record HelloRVAck(Nonce NonceTO1Proof, SigInfo BSigInfo) : FdoMessage
{
    public override StepKind Kind => FdoSteps.HelloRVAck;
    public override void Identify(ref Correlators into) => AddNonce(ref into, NonceTO1Proof);

    public static HelloRVAck Parse(ReadOnlyMemory<byte> body)
    {
        var reader = WireReading.Door(body, "TO1.HelloRVAck");
        reader.StartArray("TO1.HelloRVAck");
        var nonce = reader.Nonce("NonceTO1Proof");
        var sigInfo = SigInfo.Parse(reader, "eBSigInfo");
        reader.EndArray("TO1.HelloRVAck");
        reader.End("TO1.HelloRVAck");
        return new HelloRVAck(nonce, sigInfo) { Received = body };
    }

    private protected override void Write(CborWriter writer)
    {
        writer.WriteStartArray(2);
        NonceTO1Proof.Write(writer);
        writer.WriteEncodedValue(BSigInfo.Raw.Span);
        writer.WriteEndArray();
    }
}

/// <summary>32: an EAT with NonceTO1Proof and the GUID.</summary>
public sealed record ProveToRV(EntityToken Token) : FdoMessage
{
    public override StepKind Kind => FdoSteps.ProveToRV;

    public override void Identify(ref Correlators into)
    {
        AddGuid(ref into, Token.Guid);
        AddNonce(ref into, Token.Nonce);
    }

    public static ProveToRV Parse(ReadOnlyMemory<byte> body) => new(EntityToken.Parse(body, "TO1.ProveToRV")) { Received = body };

    public static ProveToRV Sign(Nonce nonceTO1Proof, Guid guid, FdoPrivateKey attestationKey, Chance chance) =>
        new(EntityToken.Sign(nonceTO1Proof, guid, default, CoseHeaders.Empty, attestationKey, chance, "TO1.ProveToRV"));

    private protected override void Write(CborWriter writer) => writer.WriteEncodedValue(Token.Signed.Raw.Span);
    private protected override ReadOnlyMemory<byte> Encode() => Token.Signed.Raw;
}

/// <summary>33: to1d, as the owner signed it.</summary>
public sealed record RVRedirect(To1d To1d) : FdoMessage
{
    public override StepKind Kind => FdoSteps.RVRedirect;

    public static RVRedirect Parse(ReadOnlyMemory<byte> body) => body.Length <= WireReading.MaxMessage ? new RVRedirect(To1d.Parse(body)) { Received = body }
        : throw new FdoException(FdoErrorCode.MessageBodyError, "to1d", "to1d: longer than a message may be.");

    private protected override void Write(CborWriter writer) => writer.WriteEncodedValue(To1d.Raw.Span);
    private protected override ReadOnlyMemory<byte> Encode() => To1d.Raw;
}
