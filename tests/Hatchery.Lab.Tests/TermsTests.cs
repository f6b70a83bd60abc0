namespace Hatchery.Lab.Tests;

public sealed class TermsTests
{
    private static Coverage Measure(Ceremony ceremony, StepKind start, StepKind end) => Terms.Measure(new Span(start, end, []), ceremony);

    private static readonly Ceremony s_whole = Hand.Ceremony(Hand.Protocol(), Hand.Steps(Hand.Press, Hand.Hello, Hand.Welcome, Hand.Use));

    [Fact]
    public void A_span_covers_steps_bytes_and_time()
    {
        var c = Measure(s_whole, Hand.Hello, Hand.Welcome);
        Assert.Equal((1, 2, 2, 20L, TimeSpan.FromSeconds(11)), (c.Start, c.End, c.Steps, c.Bytes, c.Time));
        Assert.Null(c.Violation);
    }

    [Fact]
    public void The_last_occurrence_of_the_end_counts()
    {
        var c = Measure(Hand.Ceremony(Hand.Protocol(), Hand.Steps(Hand.Hello, Hand.Welcome, Hand.Hello, Hand.Welcome)), Hand.Hello, Hand.Welcome);
        Assert.Equal((0, 3), (c.Start, c.End));
    }

    [Fact]
    public void An_end_that_does_not_occur_or_comes_first_is_a_violation()
    {
        Assert.Contains("Welcome does not occur", Measure(Hand.Ceremony(Hand.Protocol(), Hand.Steps(Hand.Hello)), Hand.Hello, Hand.Welcome).Violation!);
        Assert.Contains("comes before", Measure(s_whole, Hand.Welcome, Hand.Hello).Violation!);
        Assert.Contains("neither", Measure(Hand.Ceremony(Hand.Protocol(), Hand.Steps(Hand.Press)), Hand.Hello, Hand.Welcome).Violation!);
    }

    [Fact]
    public void A_violated_span_is_reported_with_its_run_and_has_no_lane()
    {
        var protocol = Hand.Protocol(Hand.Term("joining", Hand.Welcome, Hand.Hello), Hand.Term("greeting", Hand.Hello, Hand.Welcome));
        var run = Hand.Run(Hand.Ceremony(protocol, s_whole.Steps));
        var section = Terms.Section([Hand.Runs(run)]);
        var lanes = Assert.Single(section.Blocks.OfType<ReportBlock.Lanes>());
        Assert.Equal(["greeting"], lanes.Groups[0].Lanes.Select(l => l.Word));
        var row = section.Blocks.OfType<ReportBlock.Table>().Single().Rows.Single(r => r[1].Text == "joining");
        Assert.Equal(Tone.Bad, row[3].Tone);
        Assert.StartsWith("violated: hand.one-run", row[3].Text);
    }

    [Fact]
    public void A_method_without_a_run_says_so_in_its_cells()
    {
        var protocol = Hand.Protocol(Hand.Term("greeting", Hand.Hello, Hand.Welcome));
        var report = ReportBuilder.Build([new MethodRuns(protocol, Hand.Method, [])], [], "seed");
        Assert.All(report.Tables.Where(t => t.Id is "terms-table" or "players-table" or "initial-category" or "process-cost" or "imparted-category"),
            t => Assert.Contains(t.Rows, r => r.Any(c => c.Tone == Tone.Missing && c.Text.StartsWith("not computed: ", StringComparison.Ordinal))));
    }
}
