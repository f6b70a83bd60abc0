namespace Hatchery.Fdo.Rendezvous;

/// <summary>What an owner registered for a GUID; answers TO1 until it expires.</summary>
/// <param name="To1d">As the owner signed it.</param>
/// <param name="DeviceKey">SubjectPublicKeyInfo of the attestation key, DER.</param>
/// <param name="OwnerKey">SHA-256 of the owner's SubjectPublicKeyInfo, hex.</param>
/// <param name="Entries">Of the voucher that was shown: a longer chain replaces a shorter one, never the other way round.</param>
public sealed record RendezvousEntry(Guid Guid, ReadOnlyMemory<byte> To1d, ReadOnlyMemory<byte> DeviceKey, string OwnerKey, int Entries, DateTimeOffset Expires)
{
    public static readonly Schema<RendezvousEntry> Schema =
        new Schema<RendezvousEntry>("fdo.rendezvous", 1, new(default, default, default, "", 0, default))
            .Plain("Guid", d => d.Guid, (d, v) => d with { Guid = v }, Lifetime.Factory, "a server's record")
            .Plain("To1d", d => d.To1d, (d, v) => d with { To1d = v }, Lifetime.Factory, "a server's record")
            .Plain("DeviceKey", d => d.DeviceKey, (d, v) => d with { DeviceKey = v }, Lifetime.Factory, "a server's record")
            .Plain("OwnerKey", d => d.OwnerKey, (d, v) => d with { OwnerKey = v }, Lifetime.Factory, "a server's record")
            .Plain("Entries", d => d.Entries, (d, v) => d with { Entries = v }, Lifetime.Factory, "a server's record")
            .Plain("Expires", d => d.Expires, (d, v) => d with { Expires = v }, Lifetime.Factory, "a server's record");

    public static RecordKey Key(Guid guid) => new(guid.ToString("N"));
}
