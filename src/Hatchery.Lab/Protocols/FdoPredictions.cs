using System.Collections.Immutable;

namespace Hatchery.Lab.Protocols;

/// <summary>What FDO 1.1 promises.</summary>
internal static class FdoPredictions
{
    public static readonly ImmutableArray<AttackPrediction> All =
    [
        new(AttackScenario.Eavesdropper, Result.Refused, "what TO2 delivers is encrypted under keys of an ephemeral exchange; identifiers and the voucher are not", "FDO 1.1 §4.4"),
        new(AttackScenario.OnPathAtFirstContact, Result.Refused, "both sides sign over nonces; what is changed afterwards fails its authentication tag", "FDO 1.1 §5.5"),
        new(AttackScenario.LabelSwapped, Result.NotApplicable, "no label takes part", "FDO 1.1 §3"),
        new(AttackScenario.LabelPhotographed, Result.NotApplicable, "no label takes part", "FDO 1.1 §3"),
        new(AttackScenario.Misbinding, Result.Refused, "the owner expects the GUID and the certificate of its voucher", "FDO 1.1 §5.5.6"),
        new(AttackScenario.RogueInfrastructure, Result.Refused, "the device believes only a voucher that begins with the manufacturer's key and carries its own HMAC", "FDO 1.1 §3.4"),
        new(AttackScenario.StolenManufacturerKey, Result.Works, "who has the manufacturer's key and the voucher is the manufacturer, and may extend it", "FDO 1.1 §3.4"),
        new(AttackScenario.ReplayOfACeremony, Result.Refused, "the device's nonce is signed by the owner", "FDO 1.1 §5.5.3"),
        new(AttackScenario.Downgrade, Result.Refused, "the owner signs a hash of the HelloDevice that it got", "FDO 1.1 §5.5.3"),
        new(AttackScenario.GuessOnline, Result.NotApplicable, "no secret is short", "FDO 1.1 §3.4"),
        new(AttackScenario.GuessOffline, Result.NotApplicable, "no secret is short", "FDO 1.1 §3.4"),
        new(AttackScenario.HalfOpenFlood, Result.Refused, "conversations of an owner are bounded and independent of each other", "FDO 1.1 §5.5.2"),
        new(AttackScenario.FirstContactReset, Result.Refused, "the device keeps its credential until the last message and tries again", "FDO 1.1 §3.7"),
        new(AttackScenario.FormerOwnerReturns, Result.Refused, "the device has replaced the GUID and the key hash that the former voucher names", "FDO 1.1 §5.5.7"),
    ];
}
