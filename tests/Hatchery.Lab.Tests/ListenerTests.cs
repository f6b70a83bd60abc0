using System.Text;

namespace Hatchery.Lab.Tests;

public sealed class ListenerTests
{
    private static readonly byte[] s_guid = Convert.FromHexString("3f9a10b2c4d5e6f70819 2a3b4c5d6e7f".Replace(" ", ""));
    private static readonly HeldItem s_item = new("GUID", BeliefKind.Identifier, false, s_guid);

    private static List<Hit> Find(params CapturedFrame[] frames) => [.. ListenerSearch.Find([.. frames], [s_item])];

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void A_value_planted_as_base64_across_two_frames_is_found(int before)
    {
        string text = "{\"id\":\"" + Convert.ToBase64String([.. Enumerable.Repeat((byte)0xA7, before), .. s_guid, 0xC3, 2, 3]) + "\"}";
        var bytes = Encoding.ASCII.GetBytes(text);
        var hits = Find(Hand.Frame(0, "a > b", "other bytes"u8.ToArray()), Hand.Frame(1, "a > b", bytes.AsMemory(0, 15)), Hand.Frame(2, "b > a", new byte[40]), Hand.Frame(3, "a > b", bytes.AsMemory(15)));
        var hit = Assert.Single(hits);
        Assert.Equal((Form.Base64, 1), (hit.Form, hit.Frame));
    }

    [Fact]
    public void Frames_of_different_flows_are_not_read_together() =>
        Assert.Empty(Find(Hand.Frame(0, "a > b", s_guid.AsMemory(0, 8)), Hand.Frame(1, "b > a", s_guid.AsMemory(8))));

    [Fact]
    public void A_retransmission_in_between_does_not_hide_it() => Assert.Single(Find(Hand.Frame(0, "a > b", s_guid.AsMemory(0, 8)),
        Hand.Frame(1, "a > b", s_guid.AsMemory(0, 8)) with { Repeats = true }, Hand.Frame(2, "a > b", s_guid.AsMemory(8))));

    [Fact]
    public void Every_form_in_which_people_write_it_is_found()
    {
        Form One(byte[] payload) => Assert.Single(Find(Hand.Frame(0, "a > b", payload))).Form;
        Assert.Equal(Form.Raw, One([9, .. s_guid, 9]));
        Assert.Equal(Form.Reversed, One([9, .. s_guid.Reverse(), 9]));
        Assert.Equal(Form.HexLower, One(Encoding.ASCII.GetBytes(Convert.ToHexStringLower(s_guid))));
        Assert.Equal(Form.HexUpper, One(Encoding.ASCII.GetBytes(Convert.ToHexString(s_guid))));
        Assert.Equal(Form.GuidText, One(Encoding.ASCII.GetBytes(new Guid(s_guid, true).ToString())));
        Assert.Equal(Form.Base64, One(Encoding.ASCII.GetBytes(Convert.ToBase64String(s_guid))));
    }

    [Fact]
    public void What_is_not_there_is_not_found()
    {
        Assert.Empty(Find(Hand.Frame(0, "a > b", s_guid.Select(b => (byte)(b ^ 1)).ToArray())));
        var run = Hand.Run(Hand.Ceremony(Hand.Protocol(), Hand.Steps(Hand.Press, Hand.Hello, Hand.Welcome, Hand.Use)), [Hand.Frame(10, "a > b", new byte[64])], [s_item]);
        var row = InitialBeliefs.Section([Hand.Runs(run)]).Blocks.OfType<ReportBlock.Table>().Single(t => t.Id == "privacy-listener").Rows.Single();
        Assert.Equal("not found in 1 frames", row[3].Text);
    }

    [Fact]
    public void A_find_leads_to_the_message_that_was_under_way()
    {
        var run = Hand.Run(Hand.Ceremony(Hand.Protocol(), Hand.Steps(Hand.Press, Hand.Hello, Hand.Welcome, Hand.Use)), [Hand.Frame(10, "a > b", s_guid)], [s_item]);
        var found = Assert.Single(Listener.Of(run, run.Before));
        Assert.Equal(Hand.Hello, found.Step!.Kind);
        Assert.True(found.BeforeAuthentication);
        Assert.Equal(0, found.Setup);
    }
}
