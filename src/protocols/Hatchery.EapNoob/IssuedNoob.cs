using System.Collections.Immutable;

namespace Hatchery.EapNoob;

/// <summary>A Noob that was shown and may come back.</summary>
/// <param name="Noob">16 bytes.</param>
/// <param name="At">When; null on a device without a clock.</param>
public sealed record IssuedNoob(SecretBytes Noob, DateTimeOffset? At)
{
    public static readonly Schema<IssuedNoob> Schema = new Schema<IssuedNoob>("eapnoob.noob", 1, new(new SecretBytes(default), null))
        .Plain("Noob", n => n.Noob, (n, v) => n with { Noob = v }, Lifetime.Imparted, "gone with the Completion Exchange", secret: true)
        .Plain("At", n => n.At, (n, v) => n with { At = v }, Lifetime.Imparted, "bookkeeping");
}
