namespace Hatchery.Fdo.Owner;

/// <summary>How far a device of ours has come.</summary>
public enum OwnerVoucherState
{
    /// <summary>Imported; answers TO2.</summary>
    Waiting = 1,
    /// <summary>Made in TO2; the device goes by this GUID now.</summary>
    Onboarded = 2,
    /// <summary>Replaced in TO2; answers TO2 still, because the device does not switch before it has message 71, which may be lost.</summary>
    Superseded = 3,
    /// <summary>Extended to the next owner; answers nobody.</summary>
    Sold = 4,
    /// <summary>Made in a TO2 that the device did not finish and repeated; or superseded and known to be left behind.</summary>
    Retired = 5,
}

/// <summary>What an owner keeps of a device.</summary>
/// <param name="Voucher">As imported, or the replacement made in TO2.</param>
/// <param name="Successor">GUID that TO2 gave instead; empty: none.</param>
/// <param name="DeviceKey">SubjectPublicKeyInfo of the attestation key, DER.</param>
/// <param name="OwnerKey">SHA-256 of our SubjectPublicKeyInfo that the voucher names, hex.</param>
public sealed record OwnerVoucher(Guid Guid, ReadOnlyMemory<byte> Voucher, OwnerVoucherState State, Guid Successor, ReadOnlyMemory<byte> DeviceKey, string OwnerKey,
    string Serial, DateTimeOffset Since)
{
    public static readonly Schema<OwnerVoucher> Schema =
        new Schema<OwnerVoucher>("fdo.voucher", 1, new(default, default, default, default, default, "", "", default))
            .Plain("Guid", d => d.Guid, (d, v) => d with { Guid = v }, Lifetime.Factory, "a server's record")
            .Plain("Voucher", d => d.Voucher, (d, v) => d with { Voucher = v }, Lifetime.Factory, "a server's record")
            .Plain("State", d => (int)d.State, (d, v) => d with { State = (OwnerVoucherState)v }, Lifetime.Factory, "a server's record")
            .Plain("Successor", d => d.Successor, (d, v) => d with { Successor = v }, Lifetime.Factory, "a server's record")
            .Plain("DeviceKey", d => d.DeviceKey, (d, v) => d with { DeviceKey = v }, Lifetime.Factory, "a server's record")
            .Plain("OwnerKey", d => d.OwnerKey, (d, v) => d with { OwnerKey = v }, Lifetime.Factory, "a server's record")
            .Plain("Serial", d => d.Serial, (d, v) => d with { Serial = v }, Lifetime.Factory, "a server's record")
            .Plain("Since", d => d.Since, (d, v) => d with { Since = v }, Lifetime.Factory, "a server's record")
            .Index("successor", d => d.Successor == default ? null : d.Successor.ToString("N"));

    public static RecordKey Key(Guid guid) => new(guid.ToString("N"));
    public static Identifier Subject(Guid guid) => new("fdo.guid", guid.ToString("N"));
    public bool AnswersTo2 => State is OwnerVoucherState.Waiting or OwnerVoucherState.Superseded;
}

/// <summary>When an owner registers a device at its rendezvous servers.</summary>
/// <param name="NextAt">Wall time of the next TO0.</param>
/// <param name="Granted">Until when the last registration holds; null: there was none.</param>
/// <param name="LastError">Why the last TO0 failed; empty: it did not.</param>
public sealed record To0Schedule(Guid Guid, DateTimeOffset NextAt, DateTimeOffset? Granted, int Failures, string LastError)
{
    public static readonly Schema<To0Schedule> Schema = new Schema<To0Schedule>("fdo.to0", 1, new(default, default, null, 0, ""))
        .Plain("Guid", d => d.Guid, (d, v) => d with { Guid = v }, Lifetime.Factory, "a server's record")
        .Plain("NextAt", d => d.NextAt, (d, v) => d with { NextAt = v }, Lifetime.Factory, "a server's record")
        .Plain("Granted", d => d.Granted, (d, v) => d with { Granted = v }, Lifetime.Factory, "a server's record")
        .Plain("Failures", d => d.Failures, (d, v) => d with { Failures = v }, Lifetime.Factory, "a server's record")
        .Plain("LastError", d => d.LastError, (d, v) => d with { LastError = v }, Lifetime.Factory, "a server's record");

    public static RecordKey Key(Guid guid) => new(guid.ToString("N"));

    /// <summary>After a registration: again at half of what was granted, a little spread.</summary>
    public To0Schedule Registered(DateTimeOffset now, uint grantedSeconds, Chance chance)
    {
        var granted = TimeSpan.FromSeconds(grantedSeconds);
        return this with { Granted = now + granted, NextAt = now + granted * (0.45 + 0.1 * Fraction(chance)), Failures = 0, LastError = "" };
    }

    /// <summary>After a failure: from one minute, doubled each time, up to an hour.</summary>
    public To0Schedule Failed(DateTimeOffset now, string error, Chance chance)
    {
        double minutes = Math.Min(60, Math.Pow(2, Math.Min(Failures, 10)));
        return this with { NextAt = now + TimeSpan.FromMinutes(minutes * (0.9 + 0.2 * Fraction(chance))), Failures = Failures + 1, LastError = error };
    }

    private static double Fraction(Chance chance)
    {
        Span<byte> draw = stackalloc byte[2];
        chance.Fill(draw, "TO0.jitter");
        return (draw[0] << 8 | draw[1]) / 65536.0;
    }
}
