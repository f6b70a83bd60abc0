using Hatchery.EapNoob;
using Hatchery.Lab.Protocols;

namespace Hatchery.Lab.Tests;

public sealed class EapNoobRunTests
{
    public static TheoryData<string> Attacks() => [.. Enum.GetNames<AttackScenario>()];
    public static TheoryData<string> Scenarios() => [.. Enum.GetNames<Scenario>().Where(s => s != "Attack")];

    private static readonly EapNoobLab s_lab = new();

    /// <summary>Every ceremony of the life of a device works, in every method: possession is all that EAP-NOOB asks for.</summary>
    [Theory]
    [MemberData(nameof(Scenarios))]
    public void Lifecycle(string scenario)
    {
        foreach (var method in s_lab.Methods)
        {
            var run = s_lab.Run(new LabTask(method, LabConditions.Plain("test"), Enum.Parse<Scenario>(scenario)));
            Assert.True(run.Outcome.Result == Result.Works, $"{run.Id}: {run.Outcome.Explanation}");
            if (scenario == "FirstSetup")
                Assert.True(run.First is { Outcome.Succeeded: true } first && first.Method == method, $"{run.Id}: {run.First?.Outcome.Reason}");
        }
    }

    [Theory]
    [MemberData(nameof(Attacks))]
    public void Attacks_come_out_as_the_standard_says(string attack)
    {
        foreach (var method in s_lab.Methods)
        {
            var scenario = Enum.Parse<AttackScenario>(attack);
            var run = s_lab.Run(new LabTask(method, LabConditions.Plain("test"), Scenario.Attack, scenario));
            Assert.True(run.Outcome.Result == s_lab.Predictions.First(p => p.Attack == scenario).Expected, $"{run.Id}: {run.Outcome.Result}, {run.Outcome.Explanation}");
        }
    }
}
