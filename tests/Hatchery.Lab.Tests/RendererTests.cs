using System.Collections.Immutable;
using System.Text.Json;
using System.Xml.Linq;

namespace Hatchery.Lab.Tests;

public sealed class RendererTests
{
    private static readonly SurveyReport s_report = Report();

    private static SurveyReport Report()
    {
        var protocol = Hand.Protocol(Hand.Term("greeting, \"hello\" & <b>", Hand.Hello, Hand.Welcome, WordUse.Umbrella));
        var change = new BeliefChange(Change.Added, Hand.Belief("token </svg><script>alert(1)</script>", BeliefKind.SymmetricSecret, About.Service, 128, by: Origin.Protocol));
        var steps = ImmutableArray.Create(Hand.Step(1, Hand.Press, 0), Hand.Step(2, Hand.Hello, 1, operatedBy: "manufacturer"),
            Hand.Step(3, Hand.Welcome, 2, 20, "owner", change), Hand.Step(4, Hand.Use, 3));
        return ReportBuilder.Build([Hand.Runs(Hand.Run(Hand.Ceremony(protocol, steps, [], [change.Belief])))], [], "seed\u0000<x>", LiveNote.Standard);
    }

    [Fact]
    public void Html_is_well_formed_and_keeps_hostile_names_as_text()
    {
        string html = HtmlRenderer.Render(s_report);
        var page = XDocument.Parse(html.Replace("<!DOCTYPE html>\n", ""));
        XNamespace x = "http://www.w3.org/1999/xhtml", svg = "http://www.w3.org/2000/svg";
        Assert.DoesNotContain(page.Descendants(), e => e.Name.LocalName == "script");
        Assert.DoesNotContain("<script", html);
        Assert.Contains(page.Descendants(svg + "title"), t => t.Value.Contains("device <1>"));
        Assert.Contains(page.Descendants(x + "td"), t => t.Value.Contains("</svg><script>"));
        Assert.True(page.Descendants(svg + "svg").Count() >= 2, "lanes and a ladder");
        Assert.DoesNotContain(page.Descendants().Attributes(), a => a.Name.LocalName is "src" or "onclick" || (a.Name.LocalName == "href" && !a.Value.StartsWith('#')));
    }

    [Fact]
    public void Every_link_of_the_page_leads_somewhere_and_every_id_is_there_once()
    {
        var page = XDocument.Parse(HtmlRenderer.Render(s_report).Replace("<!DOCTYPE html>\n", ""));
        var ids = page.Descendants().Attributes("id").Select(a => a.Value).ToList();
        Assert.Equal(ids.Count, ids.Distinct().Count());
        Assert.All(page.Descendants().Attributes("href").Select(a => a.Value[1..]), link => Assert.Contains(link, ids));
    }

    [Fact]
    public void Json_names_its_schema_and_keeps_sources()
    {
        using var json = JsonDocument.Parse(JsonRenderer.Render(s_report));
        Assert.Equal("hatchery.survey", json.RootElement.GetProperty("schema").GetString());
        Assert.Equal(SurveyReport.SchemaVersion, json.RootElement.GetProperty("schemaVersion").GetInt32());
        Assert.True(json.RootElement.GetProperty("live").GetBoolean());
        Assert.Contains("hand.one-run.c1.s2", JsonRenderer.Render(s_report));
    }

    [Fact]
    public void Csv_quotes_what_needs_it_and_disarms_formulas()
    {
        Assert.Equal("\"a,\"\"b\"\"\"", CsvRenderer.Quote("a,\"b\""));
        Assert.Equal("\"two\nlines\"", CsvRenderer.Quote("two\nlines"));
        Assert.Equal("'=1+1", CsvRenderer.Quote("=1+1"));
        Assert.Equal("plain", CsvRenderer.Quote("plain"));
        var terms = CsvRenderer.Render(s_report).Single(f => f.Name == "terms-table.csv").Content;
        Assert.Contains("\"greeting, \"\"hello\"\" & <b>\"", terms);
        Assert.EndsWith("\r\n", terms);
    }

    [Fact]
    public void Markdown_escapes_what_would_break_a_table()
    {
        string text = MarkdownRenderer.Render(s_report);
        var outsideOfFences = text.Split("```").Where((_, i) => i % 2 == 0);
        Assert.All(outsideOfFences, t => Assert.DoesNotContain("<script", t));
        Assert.Contains("a word \\| with", text);
        Assert.Contains("[[step 2]](#hand.one-run.c1)", text);
        Assert.Contains("<a id=\"hand.one-run.c1\"></a>", text);
    }

    [Fact]
    public void A_ladder_for_a_terminal_fits_in_100_columns_and_moves_no_cursor()
    {
        var step = Hand.Step(1, new StepKind(new string('n', 150) + "\u001b[2J", 1, Phase.Delivery, Hand.Device, Hand.Server, ""), 0);
        string text = LadderText.Render(Hand.Ceremony(Hand.Protocol(), [step, Hand.Step(2, Hand.Welcome, 1, 20, "owner",
            new BeliefChange(Change.Added, Hand.Belief("token\u001b[2J", BeliefKind.SymmetricSecret, About.Service, 128)))]));
        Assert.All(text.Split('\n'), l => Assert.True(l.Length <= 100, l));
        Assert.DoesNotContain('\u001b', text);
        Assert.Contains("believes token?[2J", text);
        Assert.Contains("Welcome", text);
    }
}
