using System.Text;
using System.Text.Json;

namespace Hatchery.Coap.Tests;

/// <summary>Published and captured messages.</summary>
public sealed class VectorTests
{
    public static TheoryData<string> Udp() => [.. Vector.File("coap-core.json").GetProperty("udp").EnumerateArray().Select(v => v.Text("id"))];

    [Theory]
    [MemberData(nameof(Udp))]
    public void Datagrams_are_read_and_written_as_recorded(string id)
    {
        var vector = Vector.File("coap-core.json").GetProperty("udp").EnumerateArray().First(v => v.Text("id") == id);
        var bytes = vector.Hex("hex");
        var message = CoapMessage.ParseDatagram(bytes);
        var parsed = vector.GetProperty("parsed");
        Assert.Equal(parsed.Text("type"), message.Type switch { CoapType.Confirmable => "CON", CoapType.NonConfirmable => "NON", CoapType.Acknowledgement => "ACK", _ => "RST" });
        Assert.Equal(parsed.Text("code"), message.Code.ToString());
        Assert.Equal(parsed.GetProperty("message_id").GetInt32(), message.Id);
        Assert.Equal(parsed.Text("token"), message.Token.ToString());
        Assert.Equal(parsed.GetProperty("options").EnumerateArray().Select(o => (o[0].GetInt32(), o[2].GetString())),
            message.Options.Select(o => ((int)o.Number, (string?)Convert.ToHexStringLower(o.Value.Span))));
        Assert.Equal(parsed.Text("payload"), Convert.ToHexStringLower(message.Payload.Span));
        // Written anew, option by option.
        var options = message.Options.Aggregate(CoapOptions.Empty, (all, o) => all.Add(o.Number, o.Value.Span));
        var again = new CoapMessage { Type = message.Type, Code = message.Code, Id = message.Id, Token = message.Token, Options = options, Payload = message.Payload };
        Assert.Equal(bytes, again.ToDatagram());
    }

    public static TheoryData<string> Tcp() => [.. Vector.File("coap-core.json").GetProperty("tcp").EnumerateArray().Select(v => v.Text("hex"))];

    [Theory]
    [MemberData(nameof(Tcp))]
    public void Frames_are_read_and_written_as_recorded(string hex)
    {
        var bytes = Convert.FromHexString(hex);
        var message = CoapMessage.ParseFrame(bytes);
        var options = message.Options.Aggregate(CoapOptions.Empty, (all, o) => all.Add(o.Number, o.Value.Span));
        Assert.Equal(bytes, new CoapMessage { Code = message.Code, Token = message.Token, Options = options, Payload = message.Payload }.ToFrame());
    }

    [Fact]
    public void The_frames_of_an_onboarding_over_TCP_are_read()
    {
        var codes = new List<string>();
        foreach (var frame in Vector.File("coap-tcp-onboarding.json").GetProperty("frames").EnumerateArray())
        {
            var bytes = Convert.FromHexString(frame.Text("bytes").Replace("|", "", StringComparison.Ordinal));
            var message = CoapMessage.ParseFrame(bytes);
            Assert.Equal(bytes, message.ToFrame());
            codes.Add(message.Code.ToString());
        }
        Assert.Equal(["7.01", "0.02", "7.01", "2.04"], codes[..4]);
    }

    public static TheoryData<string> Links() =>
        [.. Vector.File("link-format.json").GetProperty("vectors").EnumerateArray().Where(v => v.Text("id") != "old-1.0-form").Select(v => v.Text("text"))];

    [Theory]
    [MemberData(nameof(Links))]
    public void Links_are_read_and_read_again(string text)
    {
        var links = CoreLink.Parse(text);
        Assert.Equal(text.Count(c => c == '<'), links.Length);
        var again = CoreLink.Parse(Encoding.UTF8.GetBytes(CoreLink.Format(links)));
        Assert.Equal(links.Select(l => (l.Target, string.Join('|', l.Attributes))), again.Select(l => (l.Target, string.Join('|', l.Attributes))));
    }

    [Fact]
    public void The_form_before_LwM2M_1_1_is_no_link_format() =>
        Assert.Throws<CoapException>(() => CoreLink.Parse(Vector.File("link-format.json").GetProperty("vectors").EnumerateArray().First(v => v.Text("id") == "old-1.0-form").Text("text")));

    /// <summary>RFC 6690, section 5.</summary>
    [Theory]
    [InlineData("</sensors>;ct=40", "href=/sensors", true)]
    [InlineData("</sensors/temp>;rt=\"temperature-c\";if=\"sensor\"", "rt=temperature-c", true)]
    [InlineData("</sensors/temp>;rt=\"temperature-c\";if=\"sensor\"", "rt=light*", false)]
    [InlineData("</firmware/v2.1>;rt=\"firmware core.alive\";sz=262144", "rt=core.*", true)]
    [InlineData("</firmware/v2.1>;rt=\"firmware core.alive\";sz=262144", "sz=262144", true)]
    [InlineData("<http://www.example.com/sensors/t123>;anchor=\"/sensors/temp\";rel=\"describedby\"", "href=/sensors*", false)]
    public void Links_are_filtered(string link, string query, bool matches) => Assert.Equal(matches, CoreLink.Parse(link)[0].Matches(query));

    /// <summary>RFC 8974, section 2.1: lengths 13 and 14, and the bytes behind them.</summary>
    [Theory]
    [InlineData(8, "48")]
    [InlineData(13, "4d")]
    [InlineData(268, "4d")]
    [InlineData(269, "4e")]
    [InlineData(CoapToken.MaxExtended, "4e")]
    public void Tokens_may_be_long(int length, string firstByte)
    {
        var token = new CoapToken(Virtual.Pattern(length));
        var bytes = new CoapMessage { Code = CoapCode.Get, Token = token, Options = CoapOptions.ForPath("/a") }.ToDatagram();
        Assert.Equal(firstByte, Convert.ToHexStringLower(bytes[..1]));
        var message = CoapMessage.ParseDatagram(bytes);
        Assert.Equal(token, message.Token);
        Assert.Equal(Virtual.Pattern(length), message.Token.ToArray());
        Assert.Equal("/a", message.Options.UriPath);
        Assert.Equal(token, CoapMessage.ParseFrame(message.ToFrame()).Token);
    }

    /// <summary>RFC 7252, section 6.4.</summary>
    [Theory]
    [InlineData("/", new string[0], new string[0])]
    [InlineData("/~sensors/temp.xml", new[] { "~sensors", "temp.xml" }, new string[0])]
    [InlineData("/%7Esensors/a%2Fb", new[] { "~sensors", "a/b" }, new string[0])]
    [InlineData("/a/?x=1&%26y", new[] { "a", "" }, new[] { "x=1", "&y" })]
    public void Paths_become_options(string path, string[] segments, string[] queries)
    {
        var options = CoapOptions.ForPath(path);
        Assert.Equal(segments, options.Texts(CoapOptionNumber.UriPath));
        Assert.Equal(queries, options.UriQuery);
    }

    [Theory]
    [InlineData("40")]                       // cut short
    [InlineData("80010001")]                 // version 2
    [InlineData("49010001")]                 // token length 9
    [InlineData("4f010001")]                 // token length 15
    [InlineData("4801000101020304")]         // token cut short
    [InlineData("40010001ff")]               // marker without payload
    [InlineData("40010001d0")]               // option delta cut short
    [InlineData("40010001f1")]               // option delta 15
    [InlineData("400100011f")]               // option length 15
    [InlineData("40010001b3aa")]             // option value cut short
    [InlineData("40010001e0ffffe0ffff")]     // numbers beyond 65535
    [InlineData("4000000100")]               // Empty with more
    public void Broken_datagrams_are_refused(string hex) =>
        Assert.Equal("format", Assert.Throws<CoapException>(() => CoapMessage.ParseDatagram(Convert.FromHexString(hex))).Error);
}
