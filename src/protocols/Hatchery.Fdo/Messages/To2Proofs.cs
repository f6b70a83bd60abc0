using System.Formats.Cbor;
using Hatchery.Cryptography.Cose;

namespace Hatchery.Fdo;

/// <summary>60: [maxDeviceMessageSize, Guid, NonceTO2ProveOV, kexSuiteName, cipherSuiteName, eASigInfo].</summary>
/// <param name="MaxDeviceMessageSize">Bytes; 0: no statement.</param>
/// <param name="KexSuiteName">"ECDH256"; see <see cref="KeyExchangeSuite"/>.</param>
/// <param name="CipherSuiteName">See <see cref="CipherSuite"/>.</param>
public sealed record HelloDevice(ushort MaxDeviceMessageSize, Guid Guid, Nonce NonceTO2ProveOV, string KexSuiteName, int CipherSuiteName, SigInfo ASigInfo) : FdoMessage
{
    public override StepKind Kind => FdoSteps.HelloDevice;

    public override void Identify(ref Correlators into)
    {
        AddGuid(ref into, Guid);
        AddNonce(ref into, NonceTO2ProveOV);
    }

    public static HelloDevice Parse(ReadOnlyMemory<byte> body)
    {
        var reader = WireReading.Door(body, "TO2.HelloDevice");
        reader.StartArray("TO2.HelloDevice");
        ushort size = reader.UInt16("maxDeviceMessageSize");
        var guid = reader.Guid("Guid");
        var nonce = reader.Nonce("NonceTO2ProveOV");
        string kex = reader.Text("kexSuiteName");
        int cipher = (int)reader.Integer("cipherSuiteName", int.MinValue, int.MaxValue);
        var sigInfo = SigInfo.Parse(reader, "eASigInfo");
        reader.EndArray("TO2.HelloDevice");
        reader.End("TO2.HelloDevice");
        return new HelloDevice(size, guid, nonce, kex, cipher, sigInfo) { Received = body };
    }

    private protected override void Write(CborWriter writer)
    {
        writer.WriteStartArray(6);
        writer.WriteUInt32(MaxDeviceMessageSize);
        writer.WriteGuid(Guid);
        NonceTO2ProveOV.Write(writer);
        writer.WriteTextString(KexSuiteName);
        writer.WriteInt32(CipherSuiteName);
        writer.WriteEncodedValue(ASigInfo.Raw.Span);
        writer.WriteEndArray();
    }
}

/// <summary>61: a COSE_Sign1 by the owner over the voucher's header and the owner's half of the key exchange.</summary>
/// <param name="CuphNonce">NonceTO2ProveDv; unprotected label 256.</param>
/// <param name="CuphOwnerPubKey">Unprotected label 257.</param>
/// <param name="Content">The payload.</param>
public sealed record ProveOVHdr(CoseSign1 Signed, Nonce CuphNonce, FdoPublicKey CuphOwnerPubKey, ProveOVHdrContent Content) : FdoMessage
{
    private const int NonceLabel = 256, KeyLabel = 257;

    public override StepKind Kind => FdoSteps.ProveOVHdr;

    public override void Identify(ref Correlators into)
    {
        AddGuid(ref into, Content.Header.Guid);
        AddNonce(ref into, Content.NonceTO2ProveOV);
    }

    /// <summary>With the key of label 257, which is believed only when the voucher's last entry names it.</summary>
    public bool Verify() => Delegate is null ? CuphOwnerPubKey.Verifies(Signed, "CUPHOwnerPubKey") : Delegate.Verifies(Signed, "delegate chain");

    /// <summary>The owner's delegate that signed (experimental); its chain is not looked at here. Null: the owner itself.</summary>
    public FdoPublicKey? Delegate { get; init; }

    public static ProveOVHdr Parse(ReadOnlyMemory<byte> body)
    {
        const string Name = "TO2.ProveOVHdr";
        if (body.Length > WireReading.MaxMessage)
            throw new FdoException(FdoErrorCode.MessageBodyError, Name, $"{Name}: longer than a message may be.");
        var signed = CoseSign1.Parse(body, FdoException.Body, Name, untagged: true);
        if (!signed.Unprotected.TryGet(NonceLabel, out var nonceRaw))
            throw FdoException.Body("CUPHNonce", $"{Name}: CUPHNonce (label 256) is missing.", null);
        if (!signed.Unprotected.TryGet(KeyLabel, out var keyRaw))
            throw FdoException.Body("CUPHOwnerPubKey", $"{Name}: CUPHOwnerPubKey (label 257) is missing.", null);
        var nonce = new BoundedCborReader(nonceRaw, FdoException.Body).Nonce("CUPHNonce");
        var key = FdoPublicKey.Parse(keyRaw, "CUPHOwnerPubKey", FdoException.Body);
        return new ProveOVHdr(signed, nonce, key, ProveOVHdrContent.Parse(signed.Payload)) { Received = body, Delegate = DelegateChain.Of(signed, FdoException.Body) };
    }

    public static ProveOVHdr Sign(ProveOVHdrContent content, Nonce nonceTO2ProveDv, FdoPublicKey ownerPublicKey, FdoPrivateKey owner, Chance chance, FdoPublicKey? delegateChain = null)
    {
        var nonce = new byte[1 + Nonce.Size];
        nonce[0] = 0x50;
        nonceTO2ProveDv.Value.CopyTo(nonce.AsMemory(1));
        var headers = new CoseHeaders(delegateChain is null ? [(NonceLabel, nonce), (KeyLabel, ownerPublicKey.Raw)] : [(NonceLabel, nonce), (KeyLabel, ownerPublicKey.Raw), (DelegateChain.Label, delegateChain.Raw)]);
        return new ProveOVHdr(owner.Sign(content.Encode(), headers, chance, "TO2.ProveOVHdr"), nonceTO2ProveDv, ownerPublicKey, content) { Delegate = delegateChain };
    }

    private protected override void Write(CborWriter writer) => writer.WriteEncodedValue(Signed.Raw.Span);
    private protected override ReadOnlyMemory<byte> Encode() => Signed.Raw;
}

/// <param name="NumOVEntries">0 to 255.</param>
/// <param name="BSigInfo">Echo of eASigInfo.</param>
/// <param name="XAKeyExchange">The owner's half, see <see cref="KeyExchangeSuite"/>.</param>
/// <param name="HelloDeviceHash">Over the body of message 60 as received.</param>
/// <param name="MaxOwnerMessageSize">Bytes; 0: no statement.</param>
public sealed record ProveOVHdrContent(OwnershipVoucherHeader Header, int NumOVEntries, FdoHash Hmac, Nonce NonceTO2ProveOV, SigInfo BSigInfo,
    ReadOnlyMemory<byte> XAKeyExchange, FdoHash HelloDeviceHash, ushort MaxOwnerMessageSize)
{
    internal static ProveOVHdrContent Parse(ReadOnlyMemory<byte> payload)
    {
        const string Name = "TO2ProveOVHdrPayload";
        var reader = new BoundedCborReader(payload, FdoException.Body);
        reader.StartArray(Name);
        var header = OwnershipVoucherHeader.Parse(reader.Bytes("OVHeader"), FdoException.Body);
        int entries = (int)reader.Integer("NumOVEntries", 0, 255);
        var hmac = FdoHash.Parse(reader, "HMac", mac: true);
        var nonce = reader.Nonce("NonceTO2ProveOV");
        var sigInfo = SigInfo.Parse(reader, "eBSigInfo");
        var xA = reader.Bytes("xAKeyExchange");
        var helloHash = FdoHash.Parse(reader, "helloDeviceHash", mac: false);
        ushort size = reader.UInt16("maxOwnerMessageSize");
        reader.EndArray(Name);
        reader.End(Name);
        return new ProveOVHdrContent(header, entries, hmac, nonce, sigInfo, xA, helloHash, size);
    }

    internal byte[] Encode()
    {
        var writer = WireReading.Writer(Header.Raw.Length + XAKeyExchange.Length + 256);
        writer.WriteStartArray(8);
        writer.WriteByteString(Header.Raw.Span);
        writer.WriteInt32(NumOVEntries);
        writer.WriteEncodedValue(Hmac.Raw.Span);
        NonceTO2ProveOV.Write(writer);
        writer.WriteEncodedValue(BSigInfo.Raw.Span);
        writer.WriteByteString(XAKeyExchange.Span);
        writer.WriteEncodedValue(HelloDeviceHash.Raw.Span);
        writer.WriteUInt32(MaxOwnerMessageSize);
        writer.WriteEndArray();
        return writer.Finish();
    }
}

/// <summary>62: [OVEntryNum].</summary>
public sealed record GetOVNextEntry(int OVEntryNum) : FdoMessage
{
    public override StepKind Kind => FdoSteps.GetOVNextEntry;

    public static GetOVNextEntry Parse(ReadOnlyMemory<byte> body)
    {
        var reader = WireReading.Door(body, "TO2.GetOVNextEntry");
        reader.StartArray("TO2.GetOVNextEntry");
        int number = (int)reader.Integer("OVEntryNum", 0, 255);
        reader.EndArray("TO2.GetOVNextEntry");
        reader.End("TO2.GetOVNextEntry");
        return new GetOVNextEntry(number) { Received = body };
    }

    private protected override void Write(CborWriter writer)
    {
        writer.WriteStartArray(1);
        writer.WriteInt32(OVEntryNum);
        writer.WriteEndArray();
    }
}

/// <summary>63: [OVEntryNum, OVEntry].</summary>
public sealed record OVNextEntry(int OVEntryNum, VoucherEntry Entry) : FdoMessage
{
    public override StepKind Kind => FdoSteps.OVNextEntry;
    private protected override int Capacity => Entry.Raw.Length + 16;

    public static OVNextEntry Parse(ReadOnlyMemory<byte> body)
    {
        var reader = WireReading.Door(body, "TO2.OVNextEntry");
        reader.StartArray("TO2.OVNextEntry");
        int number = (int)reader.Integer("OVEntryNum", 0, 255);
        var entry = VoucherEntry.Parse(reader, "OVEntry");
        reader.EndArray("TO2.OVNextEntry");
        reader.End("TO2.OVNextEntry");
        return new OVNextEntry(number, entry) { Received = body };
    }

    private protected override void Write(CborWriter writer)
    {
        writer.WriteStartArray(2);
        writer.WriteInt32(OVEntryNum);
        writer.WriteEncodedValue(Entry.Raw.Span);
        writer.WriteEndArray();
    }
}

/// <summary>64: an EAT with NonceTO2ProveDv, the GUID and the device's half of the key exchange.</summary>
/// <param name="EuphNonce">NonceTO2SetupDv; unprotected label -259.</param>
/// <param name="XBKeyExchange">See <see cref="KeyExchangeSuite"/>.</param>
public sealed record ProveDevice(EntityToken Token, Nonce EuphNonce, ReadOnlyMemory<byte> XBKeyExchange) : FdoMessage
{
    private const int NonceLabel = -259;

    public override StepKind Kind => FdoSteps.ProveDevice;

    public override void Identify(ref Correlators into)
    {
        AddGuid(ref into, Token.Guid);
        AddNonce(ref into, Token.Nonce);
    }

    public static ProveDevice Parse(ReadOnlyMemory<byte> body)
    {
        var token = EntityToken.Parse(body, "TO2.ProveDevice");
        if (!token.Signed.Unprotected.TryGet(NonceLabel, out var nonceRaw))
            throw FdoException.Body("EUPHNonce", "TO2.ProveDevice: EUPHNonce (label -259) is missing.", null);
        var nonce = new BoundedCborReader(nonceRaw, FdoException.Body).Nonce("EUPHNonce");
        if (token.Fdo.IsEmpty)
            throw FdoException.Body("EAT-FDO", "TO2.ProveDevice: the claim EAT-FDO is missing.", null);
        var reader = new BoundedCborReader(token.Fdo, FdoException.Body);
        reader.StartArray("EAT-FDO");
        var xB = reader.Bytes("xBKeyExchange");
        reader.EndArray("EAT-FDO");
        return new ProveDevice(token, nonce, xB) { Received = body };
    }

    public static ProveDevice Sign(Nonce nonceTO2ProveDv, Guid guid, ReadOnlyMemory<byte> xB, Nonce nonceTO2SetupDv, FdoPrivateKey attestationKey, Chance chance)
    {
        var fdo = WireReading.Writer(xB.Length + 8);
        fdo.WriteStartArray(1);
        fdo.WriteByteString(xB.Span);
        fdo.WriteEndArray();
        var nonce = new byte[1 + Nonce.Size];
        nonce[0] = 0x50;
        nonceTO2SetupDv.Value.CopyTo(nonce.AsMemory(1));
        var token = EntityToken.Sign(nonceTO2ProveDv, guid, fdo.Finish(), new CoseHeaders([(NonceLabel, nonce)]), attestationKey, chance, "TO2.ProveDevice");
        return new ProveDevice(token, nonceTO2SetupDv, xB);
    }

    private protected override void Write(CborWriter writer) => writer.WriteEncodedValue(Token.Signed.Raw.Span);
    private protected override ReadOnlyMemory<byte> Encode() => Token.Signed.Raw;
}
