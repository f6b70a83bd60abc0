using System.Security.Cryptography;

namespace Hatchery.Fdo.Device;

/// <summary>Client of DI (FDO 1.1 §5.2): a device becomes one in the factory. Nothing is saved before the manufacturer has said Done: if power
/// fails earlier, DI begins again and the voucher made in vain is garbage.</summary>
/// <param name="manufacturer">The manufacturing server.</param>
/// <param name="attestationKey">PKCS#8, DER.</param>
/// <param name="attestationPublicKey">SubjectPublicKeyInfo, DER.</param>
/// <param name="csr">PKCS#10, DER, signed by that key.</param>
public sealed class DeviceInitializer(Destination manufacturer, SecretBytes attestationKey, ReadOnlyMemory<byte> attestationPublicKey, ReadOnlyMemory<byte> csr, PublicKeyType keyType,
    PublicKeyEncoding keyEncoding, string serialNumber, string model, Chance chance) : IParty<DeviceCredential>
{
    private DeviceCredential? _made;

    public DeviceCredential State { get; private set; } = DeviceCredential.Blank;
    public TimeSpan Deadline => Moment.Never;

    public void Start(Moment now, Moves<DeviceCredential> moves)
    {
        moves.Connect(manufacturer);
        moves.Send(new AppStart(new DeviceMfgInfo(keyType, keyEncoding, serialNumber, model, csr)));
    }

    public void Receive(IMessage message, Moment now, Moves<DeviceCredential> moves)
    {
        switch (message)
        {
            case SetCredentials { Header: var header } when _made is null:
                Accept(header, moves);
                break;
            case DiDone when _made is not null:
                State = _made;
                moves.Save(State, new Fact.Imparted(new Identifier("fdo.guid", State.Guid.ToString("N")), "device credential", null));
                moves.End(new Outcome(true, "initialized"));
                break;
            case ErrorMessage error:
                moves.End(new Outcome(false, $"The manufacturer answers: {error.Text}", $"{error.Code}"));
                break;
            default:
                Refuse(FdoException.Invalid("message type", $"{message.Kind} was not expected."), message, now, moves);
                break;
        }
    }

    private void Accept(OwnershipVoucherHeader header, Moves<DeviceCredential> moves)
    {
        if (header.Version != FdoVersion.Protocol)
            throw FdoException.Invalid("OVHProtVer", $"{header.Version} where {FdoVersion.Protocol} is spoken.");
        if (header.PublicKey.Type != keyType)
            throw FdoException.Invalid("OVPublicKey", $"of type {header.PublicKey.Type} where {keyType} was wished.");
        var deviceType = FdoPublicKey.TypeOf(attestationPublicKey)!.Value;
        var mac = VoucherHmac.MacFor(deviceType, keyType);
        var secret = new SecretBytes(chance.Bytes(FdoHash.Size(mac), "DI.DCHmacSecret"));
        _made = DeviceCredential.Blank with
        {
            Active = true,
            ProtocolVersion = FdoVersion.Protocol,
            HmacSecret = secret,
            DeviceInfo = header.DeviceInfo,
            Guid = header.Guid,
            RendezvousInfo = header.RendezvousInfo.Raw,
            PublicKeyHash = FdoHash.Of(VoucherHmac.HashFor(deviceType, keyType), header.PublicKey.Raw.Span).Raw,
            AttestationKey = attestationKey,
            SerialNumber = serialNumber,
            OwnerKeyType = (int)keyType,
        };
        moves.Send(new SetHmac(VoucherHmac.Compute(mac, secret, header)));
    }

    public void Lost(CarrierFault fault, Moment now, Moves<DeviceCredential> moves)
    {
        if (fault.Broken is FdoException broken)
            Refuse(broken, null, now, moves);
        else
            moves.End(new Outcome(false, fault.Reason));
    }

    private void Refuse(FdoException fault, IMessage? message, Moment now, Moves<DeviceCredential> moves)
    {
        moves.Send(Services.FdoErrors.Answer(fault, message?.Kind.Code ?? -1, now.Wall, chance));
        moves.End(new Outcome(false, fault.Message, fault.Error));
    }

    public void Tick(Moment now, Moves<DeviceCredential> moves) { }
    public void Answered(HumanAnswer answer, Moment now, Moves<DeviceCredential> moves) { }
    public void Supplied(Supply supply, Moment now, Moves<DeviceCredential> moves) { }
}
