namespace Hatchery.Fdo.Manufacturer;

/// <summary>What the manufacturer keeps of a device: its voucher, for as long as the device is his to sell.</summary>
/// <param name="Voucher">As made in DI, or as extended last.</param>
/// <param name="SoldTo">SHA-256 of the SubjectPublicKeyInfo of whom the voucher was extended to, hex; empty while it is not sold.</param>
public sealed record ManufacturedDevice(Guid Guid, string Serial, string DeviceInfo, ReadOnlyMemory<byte> Voucher, DateTimeOffset Made, string SoldTo)
{
    public static readonly Schema<ManufacturedDevice> Schema =
        new Schema<ManufacturedDevice>("fdo.manufactured", 1, new(default, "", "", default, default, ""))
            .Plain("Guid", d => d.Guid, (d, v) => d with { Guid = v }, Lifetime.Factory, "a server's record")
            .Plain("Serial", d => d.Serial, (d, v) => d with { Serial = v }, Lifetime.Factory, "a server's record")
            .Plain("DeviceInfo", d => d.DeviceInfo, (d, v) => d with { DeviceInfo = v }, Lifetime.Factory, "a server's record")
            .Plain("Voucher", d => d.Voucher, (d, v) => d with { Voucher = v }, Lifetime.Factory, "a server's record")
            .Plain("Made", d => d.Made, (d, v) => d with { Made = v }, Lifetime.Factory, "a server's record")
            .Plain("SoldTo", d => d.SoldTo, (d, v) => d with { SoldTo = v }, Lifetime.Factory, "a server's record")
            .Index("serial", d => d.Serial);

    public static RecordKey Key(Guid guid) => new(guid.ToString("N"));
}
