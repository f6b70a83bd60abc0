using System.Net;
using System.Text;
using Hatchery.Simulation;

namespace Hatchery.Tests.Simulation;

public sealed class ListenerTests
{
    private static readonly byte[] s_value = Convert.FromHexString("00fbefbe4711c0ffee0123456789abcd");

    public static TheoryData<string, string, bool> Forms()
    {
        var data = new TheoryData<string, string, bool>();
        string Text(byte[] b) => Encoding.Latin1.GetString(b);
        data.Add("raw", Text(s_value), true);
        data.Add("reversed", Text([.. s_value.Reverse()]), true);
        data.Add("hex", Convert.ToHexString(s_value), true);
        data.Add("hex", Convert.ToHexStringLower(s_value), true);
        data.Add("hex", BitConverter.ToString(s_value), true);
        data.Add("hex", BitConverter.ToString(s_value).Replace('-', ':'), true);
        data.Add("hex", new Guid(s_value, bigEndian: true).ToString(), true);
        for (int i = 0; i < 3; i++)
        {
            var base64 = Convert.ToBase64String([.. new byte[i], .. s_value, 1, 2, 3]);
            data.Add("base64", base64, true);
            data.Add("base64url", base64.Replace('+', '-').Replace('/', '_'), true);
        }
        data.Add("", Text([.. s_value[..^1], 0xcc]), false);
        return data;
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Every_form_of_a_value_is_found(string form, string sent, bool found)
    {
        var ear = new Eavesdropper();
        ear.Hear(Medium.Udp, "a", "b", "unrelated"u8.ToArray(), Toy.At(1));
        ear.Hear(Medium.Udp, "a", "b", Encoding.Latin1.GetBytes("xx" + sent + "yy"), Toy.At(2));
        var hits = ear.Search(s_value);
        Assert.Equal(found, hits.Any(h => h.Form == form && h.Frame.Number == 2));
        Assert.Equal(found, !hits.IsEmpty);
        if (form is "raw" or "hex")
            Assert.Equal(2, hits[0].Offset);
    }

    [Fact]
    public void A_value_across_two_segments_is_found_once_also_with_losses()
    {
        var loop = new SimulationLoop();
        var ear = new Eavesdropper();
        var network = new SimulatedNetwork(loop, "across") { Eavesdropper = ear };
        var (a, b) = (network.AddHost("a"), network.AddHost("b"));
        network.Intercept(Faults.DropNth(1, p => p.Payload.Length > 0));
        b.Listen(80, _ => new StreamTests.Sink());
        a.Connect(new IPEndPoint(b.Address, 80), new StreamTests.Sink(), default).Send([.. new byte[1450], .. s_value, .. new byte[100]], new Tag(3));
        loop.Run(TimeSpan.FromMinutes(1));
        var hit = Assert.Single(ear.Search(s_value));
        Assert.Equal(("raw", 1450), (hit.Form, hit.Offset));
        Assert.Equal(new Tag(3), hit.Frame.Tag);
        Assert.DoesNotContain(ear.Frames, f => f.Bytes.Span.IndexOf(s_value) >= 0);
    }

    [Fact]
    public void Text_is_found_in_utf8_and_utf16()
    {
        var ear = new Eavesdropper();
        ear.Hear(Medium.Udp, "a", "b", Encoding.UTF8.GetBytes("name=Entlein-4711;"), Toy.At(1));
        ear.Hear(Medium.Udp, "a", "b", Encoding.Unicode.GetBytes("Entlein-4711"), Toy.At(2));
        Assert.Equal(["raw", "UTF-16"], ear.Search("Entlein-4711").Select(h => h.Form));
    }

    [Fact]
    public void Nothing_is_found_for_an_empty_value() => Assert.Empty(new Eavesdropper().Search([]));

    private readonly SimulationLoop _loop = new();

    [Fact]
    public void A_radio_is_heard_on_its_channel_in_range_and_by_the_listener()
    {
        var ear = new Eavesdropper();
        var radio = new SimulatedRadio(_loop, new Medium("802.15.4", IsRadio: true), "air") { Eavesdropper = ear, InRange = (_, to) => to != "far" };
        var heard = new List<string>();
        var a = radio.Attach("a", 11, f => heard.Add("a"));
        radio.Attach("b", 11, f => heard.Add($"b:{f.From}"));
        radio.Attach("c", 12, f => heard.Add("c"));
        radio.Attach("far", 11, f => heard.Add("far"));
        a.Transmit("beacon"u8);
        _loop.Run(TimeSpan.FromSeconds(1));
        Assert.Equal(["b:a"], heard);
        Assert.Single(ear.Search("beacon"));
    }

    [Fact]
    public void A_bad_radio_loses_repeats_and_changes_frames_and_a_jammer_silences_it()
    {
        var radio = new SimulatedRadio(_loop, new Medium("LoRa", IsRadio: true), "bad air")
        {
            Conditions = new() { Loss = 0.3, Duplication = 0.2, Corruption = 0.1, Jitter = TimeSpan.FromMilliseconds(50) },
        };
        var heard = new List<(int Number, string Text)>();
        radio.Attach("b", 1, f => heard.Add((BitConverter.ToInt32(f.Bytes.Span), Encoding.Latin1.GetString(f.Bytes.Span[4..]))));
        var a = radio.Attach("a", 1, _ => { });
        for (int i = 0; i < 500; i++)
        {
            int number = i;
            _loop.After(TimeSpan.FromMilliseconds(10 * i), () => a.Transmit([.. BitConverter.GetBytes(number), .. "join request"u8]));
        }
        _loop.Run(TimeSpan.FromMinutes(1));
        Assert.InRange(heard.Count, 360, 480);
        Assert.Contains(heard, h => h.Text != "join request");
        Assert.NotEqual(heard.Where(h => h.Text == "join request").Select(h => h.Number), heard.Where(h => h.Text == "join request").Select(h => h.Number).Order());
        Assert.Contains(heard.GroupBy(h => h), g => g.Count() == 2);

        heard.Clear();
        radio.Intercept(_ => null);
        a.Transmit("anybody"u8);
        _loop.Run(TimeSpan.FromMinutes(1));
        Assert.Empty(heard);
    }
}
