using System.Collections.Immutable;
using Hatchery.Fdo;

namespace Hatchery.Lab.Tests;

/// <summary>The whole survey of FDO, from runs.</summary>
public sealed class FdoSurveyTests
{
    private static readonly ImmutableArray<ILabProtocol> s_fdo = LabMethods.Only(["fdo"]);
    private static readonly Lazy<ImmutableArray<MethodRuns>> s_runs = new(() => Surveyor.Run(s_fdo, "test"));
    private static readonly Lazy<SurveyReport> s_report = new(() => ReportBuilder.Build(s_runs.Value, s_fdo, "test"));

    private static ReportBlock.Table Table(string id) => s_report.Value.Tables.Single(t => t.Id == id);

    [Fact]
    public void The_same_seed_gives_the_same_report_byte_for_byte_and_another_seed_another()
    {
        var again = SurveyRun.Simulated(["fdo"], "test");
        foreach (var format in Enum.GetValues<ReportFormat>())
            Assert.Equal(ReportFiles.Render(s_report.Value, format), ReportFiles.Render(again, format));
        Assert.NotEqual(JsonRenderer.Render(s_report.Value), JsonRenderer.Render(SurveyRun.Simulated(["fdo.bypass"], "other")));
    }

    [Fact]
    public void Captured_bytes_repeat_too()
    {
        var task = new LabTask(FdoProfile.Bypass, LabConditions.Plain("bytes"), Scenario.FirstSetup);
        var (one, two) = (s_fdo[0].Run(task), s_fdo[0].Run(task));
        Assert.NotEmpty(one.Frames);
        Assert.Equal(one.Frames.Select(f => Convert.ToHexString(f.Payload.Span)), two.Frames.Select(f => Convert.ToHexString(f.Payload.Span)));
    }

    [Fact]
    public void Every_first_setup_is_completed_also_where_a_third_of_the_packets_is_lost() =>
        Assert.All(s_runs.Value.SelectMany(r => r.Setups), r => Assert.True(r.First!.Outcome.Succeeded, $"{r}: {r.First.Outcome.Reason}"));

    [Fact]
    public void No_span_is_violated_in_any_run() => Assert.All(s_runs.Value, r => Assert.All(Terms.Of(r), t =>
    {
        Assert.Empty(t.Violations);
        Assert.All(t.Coverage, c => Assert.Null(c.Violation));
    }));

    [Fact]
    public void Every_attack_ends_as_the_standard_predicts()
    {
        var rows = Table("attacks-table").Rows;
        Assert.Equal(2 * Enum.GetValues<AttackScenario>().Length, rows.Length);
        Assert.All(rows, r => Assert.True(r[6].Text == "as predicted", $"{r[0].Text} {r[1].Text}: {r[5].Text}"));
        Assert.Contains(rows, r => r[1].Text == "stolen manufacturer key" && r[5].Text.StartsWith("works", StringComparison.Ordinal));
    }

    [Fact]
    public void What_the_device_holds_and_gets_decides_the_categories()
    {
        Assert.All(Table("initial-category").Rows, r => Assert.Equal("raw asymmetric key", r[1].Text));
        Assert.All(Table("imparted-category").Rows, r => Assert.Equal("service centric", r[2].Text));
        Assert.Contains(Table("imparted-changes").Rows, r => r[1].Text == "replaced" && r[2].Text == "DCGuid" && r[6].Text == "TO2.Done2");
    }

    [Fact]
    public void The_manufacturer_notices_through_its_rendezvous_server_and_not_when_it_is_bypassed()
    {
        var rows = Table("players-manufacturer").Rows.ToDictionary(r => r[0].Text);
        Assert.Equal(("lasting online service", "yes"), (rows["fdo.rendezvous"][1].Text, rows["fdo.rendezvous"][2].Text));
        Assert.Equal(("factory only", "no"), (rows["fdo.bypass"][1].Text, rows["fdo.bypass"][2].Text));
    }

    [Fact]
    public void A_listener_hears_the_guid_before_authentication_once_and_no_secret()
    {
        var rows = Table("privacy-listener").Rows.Where(r => r[0].Text == "fdo.rendezvous").ToDictionary(r => r[1].Text);
        Assert.Equal("yes, raw", rows["DCGuid"][3].Text);
        Assert.Contains("TO1.HelloRV", rows["DCGuid"][4].Text);
        Assert.Equal(("yes", "no"), (rows["DCGuid"][5].Text, rows["DCGuid"][6].Text));
        Assert.All(rows.Values.Where(r => r[2].Text == "yes"), r => Assert.StartsWith("not found in", r[3].Text));
    }

    [Fact]
    public void A_device_changes_hands_with_its_owner_s_help_and_not_without()
    {
        var outcomes = Table("transfer").Rows.Where(r => r[0].Text == "fdo.rendezvous").ToDictionary(r => r[1].Text, r => r[2].Text);
        Assert.Equal("works", outcomes["sale with seller"]);
        Assert.Equal("works", outcomes["manufacturer gone"]);
        Assert.Equal("works", outcomes["reset by owner"]);
        Assert.Equal("refused", outcomes["sale without seller"]);
        Assert.Equal("refused", outcomes["reset without owner"]);
        Assert.Equal("refused", outcomes["theft with label"]);
    }

    [Fact]
    public void Delay_is_paid_per_round_trip()
    {
        foreach (var runs in s_runs.Value)
        {
            var half = Processes.Measure(runs.Delayed(TimeSpan.FromMilliseconds(500))!, runs.Delayed(TimeSpan.FromMilliseconds(500))!.First!);
            int connections = runs.Method.Id == FdoProfile.RendezvousMethod ? 2 : 1;
            // The proof of operation is a round trip of its own, behind the setup.
            Assert.Equal(TimeSpan.FromSeconds(half.RoundTrips - 1 + connections), half.Elapsed);
        }
    }

    [Fact]
    public void The_draft_s_claims_are_judged()
    {
        var verdicts = s_fdo[0].Claims.Select(c => ClaimJudge.Judge(c, s_runs.Value)).ToDictionary(v => v.Claim.Id, v => v.Verdict);
        Assert.DoesNotContain(Verdict.NotComputed, verdicts.Values);
        Assert.Equal(Verdict.Confirmed, verdicts["fdo.initialization"]);
        Assert.Equal(Verdict.Sharpened, verdicts["fdo.manufacturer-notices"]);
        Assert.Equal(Verdict.Contradicted, verdicts["fdo.all-but-attestation"]);
        Assert.Equal(Verdict.Contradicted, verdicts["fdo.initial-category"]);
        Assert.Equal(Verdict.Confirmed, verdicts["fdo.outlives-manufacturer"]);
    }

    [Fact]
    public void Every_source_of_a_cell_is_in_the_report()
    {
        var anchors = ReportBuilder.Anchors(s_report.Value.Sections);
        Assert.All(s_report.Value.Tables.SelectMany(t => t.Rows).SelectMany(r => r).SelectMany(c => c.Sources), s => Assert.Contains(s, anchors));
    }

    [Fact]
    public void No_secret_of_the_device_is_in_any_form_of_the_report()
    {
        var secrets = s_runs.Value.SelectMany(r => r.Runs).Take(3).SelectMany(r => r.Before.Concat(r.After)).Where(i => i.Secret).ToList();
        Assert.NotEmpty(secrets);
        var text = string.Concat(Enum.GetValues<ReportFormat>().SelectMany(f => ReportFiles.Render(s_report.Value, f)).Select(f => f.Content));
        Assert.Empty(ListenerSearch.Find([Hand.Frame(0, "report", System.Text.Encoding.UTF8.GetBytes(text))], secrets));
    }

    [Fact]
    public void The_same_observations_as_of_a_live_run_give_the_same_ceremony_and_say_what_is_missing()
    {
        var simulated = s_runs.Value[0].Reference!;
        var live = Assert.Single(LiveRun.From([FdoProfile.Protocol], [simulated.Observations[0]]));
        Assert.Equal(simulated.First!.Steps.Select(s => s.Kind), live.First!.Steps.Select(s => s.Kind));
        var report = SurveyRun.Live([live]);
        Assert.NotNull(report.Live);
        Assert.Contains("Live run over real sockets", MarkdownRenderer.Render(report));
        Assert.Contains(report.Tables.Single(t => t.Id == "privacy-listener").Rows, r => r[1].Text == "not computed: the processes did not capture");
        Assert.Contains(report.Tables.Single(t => t.Id == "process-loss").Rows, r => r[2].Text == "not computed: no run with this loss");
        Assert.All(LadderText.Render(live.First!).Split('\n'), l => Assert.True(l.Length <= 100, l));
    }

    [Fact]
    public void Only_asks_for_what_there_is()
    {
        Assert.Equal([FdoProfile.BypassMethod], LabMethods.Only(["fdo.bypass"]).Single().Methods.Select(m => m.Id));
        Assert.Throws<ArgumentException>(() => LabMethods.Only(["nothing"]));
    }
}
