using System.Globalization;

namespace Hatchery.Lab;

/// <summary>Under which circumstances a ceremony is run.</summary>
/// <param name="Seed">Same seed, same run, byte for byte.</param>
/// <param name="OneWayDelay">Of every link.</param>
/// <param name="Loss">Per packet or frame, from 0 to 1.</param>
public sealed record LabConditions(string Seed, TimeSpan OneWayDelay, double Loss)
{
    public static LabConditions Plain(string seed) => new(seed, TimeSpan.Zero, 0);

    /// <summary>"0ms", "50ms", "loss10": the part of a run's id.</summary>
    public string Name => Loss > 0
        ? string.Create(CultureInfo.InvariantCulture, $"loss{Loss * 100:0}")
        : string.Create(CultureInfo.InvariantCulture, $"{OneWayDelay.TotalMilliseconds:0}ms");
}

/// <summary>What a run tries out.</summary>
public enum Scenario
{
    FirstSetup,
    /// <summary>The same device is set up twice by the same owner: what stays the same for a listener?</summary>
    Again,
    ResetByOwner,
    ResetWithoutOwner,
    SaleWithSeller,
    SaleWithoutSeller,
    ManufacturerGone,
    TheftWithLabel,
    Attack,
}

/// <summary>The malicious players of the survey (section 6).</summary>
public enum AttackScenario
{
    Eavesdropper, OnPathAtFirstContact, LabelSwapped, LabelPhotographed, Misbinding, RogueInfrastructure, StolenManufacturerKey,
    ReplayOfACeremony, Downgrade, GuessOnline, GuessOffline, HalfOpenFlood, FirstContactReset, FormerOwnerReturns,
}

/// <summary>How an attempt came out, in the survey's words.</summary>
public enum Result
{
    /// <summary>What was tried works: the device is set up; an attack reaches its aim.</summary>
    Works,
    /// <summary>What was tried is refused, and the device can still be set up by its owner.</summary>
    Refused,
    /// <summary>Nobody can set the device up any more.</summary>
    DeviceLost,
    /// <summary>The protocol has nothing that could be tried so.</summary>
    NotApplicable,
}

public sealed record LabTask(Method Method, LabConditions Conditions, Scenario Scenario, AttackScenario? Attack = null)
{
    /// <summary>Unique among the runs of a report; letters, digits, '-' and '.'.</summary>
    public string RunId => string.Join('-', new[] { Method.Id, Words.Slug(Attack?.ToString() ?? Scenario.ToString()), Conditions.Name, Conditions.Seed }.Where(p => p.Length > 0));
}
