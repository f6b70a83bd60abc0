using CsCheck;

namespace Hatchery.Fdo.Tests;

public sealed class ServiceInfoTests
{
    private static readonly byte[] s_text = [0x65, .. "hello"u8];

    private static List<(string, string)> Join(params ServiceInfoPair[] pairs)
    {
        var joiner = new ServiceInfoJoiner(64);
        var whole = new List<(string, string)>();
        foreach (var pair in pairs)
            joiner.Accept(pair, v => whole.Add((v.Key, Convert.ToHexString(v.Value.Span))));
        Assert.False(joiner.IsWaiting);
        return whole;
    }

    [Fact]
    public void A_cut_value_is_joined_and_what_follows_is_the_next_message() => Assert.Equal(
        [("m:a", "6568656C6C6F"), ("m:a", "F5"), ("m:b", "01")],
        Join(new("m:a", s_text.AsMemory(0, 2)), new("m:a", s_text.AsMemory(2, 1)), new("m:a", new byte[] { 0x6C, 0x6C, 0x6F, 0xF5 }), new("m:b", new byte[] { 1 })));

    [Fact]
    public void Cutting_a_sequence_of_values_anywhere_changes_nothing()
    {
        byte[] stream = [.. s_text, 0xF5, 0x9F, 0x01, 0x5F, 0x41, 0x07, 0xFF, 0xFF, 0xA1, 0x01, 0x19, 0x01, 0x00];
        Gen.Int[0, stream.Length].Array[0, 5].Sample(cuts =>
        {
            var joiner = new ServiceInfoJoiner();
            var whole = new List<string>();
            int from = 0;
            foreach (int to in cuts.Order().Append(stream.Length))
            {
                if (to > from)
                    joiner.Accept(new ServiceInfoPair("m:x", stream.AsMemory(from, to - from)), v => whole.Add(Convert.ToHexString(v.Value.Span)));
                from = to;
            }
            return !joiner.IsWaiting && whole.SequenceEqual(["6568656C6C6F", "F5", "9F015F4107FFFF", "A101190100"]);
        });
    }

    [Fact]
    public void A_value_cut_by_another_key_a_broken_one_and_one_without_end_are_refused()
    {
        Assert.Equal("101", Assert.Throws<FdoException>(() => Join(new("m:a", s_text.AsMemory(0, 2)), new("m:b", s_text))).Error);
        Assert.Throws<FdoException>(() => Join(new ServiceInfoPair("m:a", new byte[] { 0x1C })));
        var joiner = new ServiceInfoJoiner(64);
        joiner.Accept(new("m:a", new byte[] { 0x59, 0xFF, 0xFF }), _ => { });
        Assert.Throws<FdoException>(() => { for (int i = 0; i < 100; i++) joiner.Accept(new("m:a", new byte[16]), _ => { }); });
    }

    [Fact]
    public void The_size_of_a_pair_is_that_of_its_encoding()
    {
        foreach (int length in new[] { 0, 23, 24, 255, 256, 1014, 65535 })
        {
            var pair = new ServiceInfoPair("fdo.download:data", new byte[length]);
            Assert.Equal(pair.EncodedSize, new DeviceServiceInfo(false, [pair]).Raw.Length - 3);
            Assert.Equal("fdo.download", pair.Module.ToString());
            Assert.Equal("data", pair.Message.ToString());
        }
    }

    [Fact]
    public void An_error_message_is_read_in_every_form_of_time()
    {
        var error = new ErrorMessage(101, 64, "nonce", 1700000000, 77);
        var again = Assert.IsType<ErrorMessage>(FdoCodec.Parse(255, error.Raw));
        Assert.Equal((101, 64, "nonce", 1700000000L, 77UL), (again.Code, again.PreviousType, again.Text, again.Timestamp, again.CorrelationId));
        Assert.Equal(1700000000, ErrorMessage.Parse(Convert.FromHexString("8518651840" + "60" + "C11A6553F100" + "F6")).Timestamp);
        Assert.Equal(1700000000, ErrorMessage.Parse(Convert.FromHexString("8518651840" + "60" + "C074" + Convert.ToHexString("2023-11-14T22:13:20Z"u8) + "F6")).Timestamp);
        Assert.Null(ErrorMessage.Parse(Convert.FromHexString("851865184060F6F6")).Timestamp);
    }
}
