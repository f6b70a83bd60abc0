using System.Collections.Immutable;

namespace Hatchery.Lab;

/// <summary>How the lab runs one protocol: the one file that a protocol adds. It builds a world from the task's seed alone.</summary>
public interface ILabProtocol
{
    Protocol Protocol { get; }

    /// <summary>The methods that are run. The others of the protocol appear in the report with the reason.</summary>
    ImmutableArray<Method> Methods { get; }
    string WhyNotRun(Method method);

    /// <summary>Runs the scenario to its end in virtual time. What the protocol has no way to try returns <see cref="Result.NotApplicable"/> and says why.</summary>
    LabRun Run(LabTask task);

    /// <summary>What the standard promises of each attack; an attack without an entry is not tried, and the report says so.</summary>
    ImmutableArray<AttackPrediction> Predictions { get; }

    /// <summary>What the draft says of this protocol.</summary>
    ImmutableArray<DraftClaim> Claims { get; }
}

/// <param name="Expected"><see cref="Result.Works"/>: the attacker reaches its aim.</param>
/// <param name="Why">By which mechanism, or which assumption.</param>
/// <param name="Reference">Section of the standard.</param>
public sealed record AttackPrediction(AttackScenario Attack, Result Expected, string Why, string Reference);
