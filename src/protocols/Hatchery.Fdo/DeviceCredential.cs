using System.Collections.Immutable;

namespace Hatchery.Fdo;

/// <summary>DeviceCredential (FDO 1.1 §3.4), with the attestation key and its certificates: all that a device must not lose. A factory reset keeps
/// the credential of the last owner, because nobody else could make a new one; it arms the device again and forgets what ServiceInfo brought.</summary>
/// <param name="Active">DCActive: onboarding is due.</param>
/// <param name="HmacSecret">DCHmacSecret; 32 or 48 bytes, made in the device. Null before DI.</param>
/// <param name="RendezvousInfo">DCRVInfo as encoded.</param>
/// <param name="PublicKeyHash">DCPubKeyHash as encoded: hash of the manufacturer's PublicKey, later of Owner2Key, bytes as received.</param>
/// <param name="AttestationKey">PKCS#8; never leaves.</param>
/// <param name="CertificateChain">DER, leaf first; may be empty.</param>
/// <param name="OwnerKeyType">pkType of the key that <paramref name="PublicKeyHash"/> is of; all owners of a voucher have keys of this type, and the key
/// exchange follows it. 0: as the attestation key.</param>
/// <param name="Delivered">What ServiceInfo left in the device.</param>
public sealed record DeviceCredential(bool Active, int ProtocolVersion, SecretBytes? HmacSecret, string DeviceInfo, Guid Guid, ReadOnlyMemory<byte> RendezvousInfo,
    ReadOnlyMemory<byte> PublicKeyHash, SecretBytes? AttestationKey, ImmutableArray<byte[]> CertificateChain, string SerialNumber, ImmutableArray<DeliveredItem> Delivered,
    int OwnerKeyType = 0)
{
    public static readonly DeviceCredential Blank = new(true, 0, null, "", Guid.Empty, default, default, null, [], "", []);

    public static readonly Schema<DeviceCredential> Schema = new Schema<DeviceCredential>("fdo.device", 1, Blank)
        // Written also when it is off: off is not the same as never set.
        .Plain<int?>("DCActive", s => s.Active ? 1 : 0, (s, v) => s with { Active = v != 0 }, Lifetime.Imparted, "a switch, not knowledge")
        .Plain("DCProtVer", s => s.ProtocolVersion, (s, v) => s with { ProtocolVersion = v }, Lifetime.Factory, "the same for all devices")
        .Item("DCHmacSecret", s => s.HmacSecret!, (s, v) => s with { HmacSecret = v }, Lifetime.Factory, BeliefKind.SymmetricSecret, About.Device, secret: true)
        .Item("DCDeviceInfo", s => s.DeviceInfo, (s, v) => s with { DeviceInfo = v }, Lifetime.Factory, BeliefKind.Identifier, About.Device)
        .Item("DCGuid", s => s.Guid, (s, v) => s with { Guid = v }, Lifetime.Factory, BeliefKind.Identifier, About.Device)
        .Item("DCRVInfo", s => s.RendezvousInfo, (s, v) => s with { RendezvousInfo = v }, Lifetime.Factory, BeliefKind.ServiceEndpoint, About.Service)
        .Item("DCPubKeyHash", s => s.PublicKeyHash, (s, v) => s with { PublicKeyHash = v }, Lifetime.Factory, BeliefKind.OwnerCredential, About.Owner)
        .Item("attestation key", s => s.AttestationKey!, (s, v) => s with { AttestationKey = v }, Lifetime.Factory, BeliefKind.KeyPair, About.Device, secret: true,
            bits: _ => 128)
        .Item("device certificate chain", s => s.CertificateChain, (s, v) => s with { CertificateChain = v }, Lifetime.Factory, BeliefKind.Certificate, About.Device)
        .Item("serial number", s => s.SerialNumber, (s, v) => s with { SerialNumber = v }, Lifetime.Factory, BeliefKind.Identifier, About.Device)
        .Plain("owner key type", s => s.OwnerKeyType, (s, v) => s with { OwnerKeyType = v }, Lifetime.Factory, "said by the hash's key already")
        .Items("ServiceInfo", s => s.Delivered, (s, v) => s with { Delivered = v }, Lifetime.Imparted, DeliveredItem.Schema);

    /// <summary>Whether DI has been completed.</summary>
    public bool IsInitialized => HmacSecret is not null && Guid != Guid.Empty;

    /// <summary>Whether the header is the one that this credential was made for: GUID, and the hash over the encoded PublicKey.</summary>
    public bool Knows(OwnershipVoucherHeader header)
    {
        if (PublicKeyHash.IsEmpty || header.Guid != Guid)
            return false;
        var reader = new Hatchery.Cryptography.Cose.BoundedCborReader(PublicKeyHash, FdoException.Body);
        return FdoHash.Parse(reader, "DCPubKeyHash", mac: false).Matches(header.PublicKey.Raw.Span);
    }

    public override string ToString() => $"credential of {Guid}";
}

/// <summary>A file, certificate or setting that a ServiceInfo module left in the device.</summary>
/// <param name="Name">"fdo.download:/etc/agent.json".</param>
public sealed record DeliveredItem(string Name, SecretBytes? Content)
{
    public static readonly Schema<DeliveredItem> Schema = new Schema<DeliveredItem>("fdo.delivered", 1, new DeliveredItem("", null))
        .Plain("name", s => s.Name, (s, v) => s with { Name = v }, Lifetime.Imparted, "names the content")
        .Item("content", s => s.Content!, (s, v) => s with { Content = v }, Lifetime.Imparted, BeliefKind.ServiceEndpoint, About.Service, secret: true);

    public override string ToString() => Name;
}
