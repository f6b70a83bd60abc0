using System.Collections.Immutable;
using System.Formats.Cbor;
using System.Security.Cryptography;
using Hatchery.Fdo.Services;
using Hatchery.Pki;

namespace Hatchery.Fdo.Manufacturer;

/// <summary>What the factory puts into devices.</summary>
public sealed class ManufacturerOptions
{
    /// <summary>Manufacturer keys; DI takes the one of the type that the device wishes.</summary>
    public required ImmutableArray<FdoPrivateKey> Keys { get; init; }
    /// <summary>Signs device certificates.</summary>
    public required CertificateAuthority DeviceCa { get; init; }
    public required RendezvousInfo RendezvousInfo { get; init; }
    /// <summary>Certificates of the manufacturer keys, DER, leaf first, by position in <see cref="Keys"/>; needed for devices that wish X5CHAIN.</summary>
    public ImmutableArray<ImmutableArray<ReadOnlyMemory<byte>>> KeyChains { get; init; } = [];
    public TimeSpan DeviceCertificateLife { get; init; } = TimeSpan.FromDays(365 * 30);
}

/// <summary>State between DI.AppStart and DI.SetHMAC.</summary>
public sealed record DiSession(ReadOnlyMemory<byte> Header, string Serial, ImmutableArray<ReadOnlyMemory<byte>> Chain) : ISessionState<DiSession>
{
    public byte[] Write()
    {
        var writer = new CborWriter();
        writer.WriteStartArray(2 + Chain.Length);
        writer.WriteByteString(Header.Span);
        writer.WriteTextString(Serial);
        foreach (var certificate in Chain)
            writer.WriteByteString(certificate.Span);
        writer.WriteEndArray();
        return writer.Encode();
    }

    public static DiSession Read(ReadOnlyMemory<byte> bytes)
    {
        var reader = new CborReader(bytes);
        int count = reader.ReadStartArray()!.Value;
        byte[] header = reader.ReadByteString();
        string serial = reader.ReadTextString();
        var chain = ImmutableArray.CreateBuilder<ReadOnlyMemory<byte>>(count - 2);
        while (chain.Count < count - 2)
            chain.Add(reader.ReadByteString());
        return new DiSession(header, serial, chain.MoveToImmutable());
    }
}

/// <summary>Server of DI (FDO 1.1 §5.2): certifies the attestation key, makes the voucher, keeps it. DI authenticates nobody: it belongs on a factory's own network.</summary>
public sealed class DeviceInitializeService(IRecordStore store, IAdmission admission, Chance chance, ManufacturerOptions options)
    : FdoService<DiSession>(store, chance, "DI", TimeSpan.FromMinutes(1))
{
    private const int MaxSerial = 128;

    internal override IReadOnlyList<int> Types { get; } = [10, 12];
    private protected override bool Begins(int type) => type == 10;

    private protected override async ValueTask<(DiSession State, FdoMessage Answer)> BeginAsync(FdoMessage first, Caller caller, CancellationToken cancel)
    {
        var info = ((AppStart)first).MfgInfo ?? throw FdoException.Invalid("DeviceMfgInfo", "a device without serial number and certificate request cannot be initialized here.");
        if (info.SerialNumber.Length is 0 or > MaxSerial)
            throw FdoException.Invalid("serialNumber", $"{info.SerialNumber.Length} characters; 1 to {MaxSerial} are allowed.");
        if (info.Model.Length is 0 or > MaxSerial)
            throw FdoException.Invalid("deviceInfo", $"{info.Model.Length} characters; 1 to {MaxSerial} are allowed.");
        var request = Request(info.Csr);
        var manufacturer = ManufacturerKey(info);
        var decision = await admission.DecideAsync(new AdmissionRequest(FdoProfile.Protocol, "fdo.di",
            [new Identifier("spki-sha256", Convert.ToHexStringLower(SHA256.HashData(request.SubjectPublicKeyInfo.Span)))], [new Identifier("serial", info.SerialNumber)],
            ["certificate request signed by the attestation key"]), cancel);
        if (decision is not Decision.Admit)
            throw FdoException.Invalid("serialNumber", "the policy does not admit this device.");

        var leaf = options.DeviceCa.Issue(request, DeviceProfile(info.SerialNumber), caller.Wall, options.DeviceCertificateLife, Chance);
        ImmutableArray<ReadOnlyMemory<byte>> chain = [leaf, .. options.DeviceCa.Chain];
        Span<byte> guid = stackalloc byte[16];
        Chance.Fill(guid, "DI.Guid");
        var header = VoucherExtension.NewHeader(new Guid(guid, bigEndian: true), options.RendezvousInfo, info.Model, manufacturer, chain);
        return (new DiSession(header.Raw, info.SerialNumber, chain), new SetCredentials(header));
    }

    private protected override async ValueTask<FdoMessage> GoOnAsync(DiSession state, FdoMessage message, int last, Caller caller, CancellationToken cancel)
    {
        if (message is not SetHmac { Hmac: var hmac } || last != 10)
            throw Unexpected(message, last);
        var header = OwnershipVoucherHeader.Parse(state.Header, FdoException.Body);
        var voucher = new OwnershipVoucher(header, hmac, state.Chain);
        var subject = new Identifier("fdo.guid", header.Guid.ToString("N"));
        var unit = Store.Begin(caller);
        unit.Insert(ManufacturedDevice.Schema, ManufacturedDevice.Key(header.Guid),
            new ManufacturedDevice(header.Guid, state.Serial, header.DeviceInfo, voucher.Raw, caller.Wall, ""));
        unit.Report(new Fact.Seen(subject, FdoProfile.Protocol.Id,
            [subject, new Identifier("spki-sha256", Convert.ToHexStringLower(SHA256.HashData(voucher.DeviceKey.Span))), new Identifier("serial", state.Serial)], []));
        unit.Report(new Fact.Imparted(subject, "device credential", null));
        await unit.CommitAsync(cancel);
        return new DiDone();
    }

    private static Pkcs10 Request(ReadOnlyMemory<byte> csr)
    {
        try
        {
            var request = Pkcs10.Parse(csr);
            return FdoPublicKey.TypeOf(request.SubjectPublicKeyInfo) is not null ? request
                : throw FdoException.Invalid("CSR", "the key is none of a supported type (P-256, P-384, RSA of 2048 or 3072 bits).");
        }
        catch (PkiException e)
        {
            throw new FdoException(FdoErrorCode.InvalidMessageError, "CSR", $"CSR: {e.Message}", e);
        }
    }

    private FdoPublicKey ManufacturerKey(DeviceMfgInfo info)
    {
        for (int i = 0; i < options.Keys.Length; i++)
        {
            var key = FdoPublicKey.From(options.Keys[i]);
            if (key.Type != info.KeyType)
                continue;
            return info.KeyEncoding switch
            {
                PublicKeyEncoding.X509 => key,
                PublicKeyEncoding.CoseKey => FdoPublicKey.From(options.Keys[i], PublicKeyEncoding.CoseKey),
                PublicKeyEncoding.X5Chain when i < options.KeyChains.Length && !options.KeyChains[i].IsDefaultOrEmpty => FdoPublicKey.FromChain(options.KeyChains[i], key.Type),
                _ => throw FdoException.Invalid("keyEncoding", $"{info.KeyEncoding} is not available here."),
            };
        }
        throw FdoException.Invalid("keyType", $"there is no manufacturer key of type {(int)info.KeyType}.");
    }

    /// <summary>The serial number goes into the subject, where the buyer finds it attested.</summary>
    private static CertificateProfile DeviceProfile(string serial)
    {
        try
        {
            return CertificateProfile.Device(serial);
        }
        catch (PkiException e)
        {
            throw new FdoException(FdoErrorCode.InvalidMessageError, "serialNumber", $"serialNumber: {e.Message}", e);
        }
    }
}
