using System.Text.Json;
using Hatchery.Dpp.Configurator;
using Hatchery.Dpp.Tests.Vectors;
using Hatchery.Dpp.Transport;

namespace Hatchery.Dpp.Tests.Sessions;

public class HostileTests
{
    [Fact]
    public void One_bit_anywhere_in_any_message_and_nobody_is_provisioned()
    {
        int messages = 0;
        using (var honest = new Pair())
        {
            honest.Enrollee.Initiate(honest.ConfiguratorKey.Public, honest.Now);
            messages = honest.Run().Passed.Count;
        }
        var random = new Random(7);
        for (int at = 0; at < messages - 1; at++)
        {
            for (int trial = 0; trial < 12; trial++)
            {
                using var pair = new Pair();
                int bit = -1;
                bool changed = false;
                pair.Wire = (n, m) =>
                {
                    if (n != at)
                        return m;
                    byte[] body = m.Body.ToArray();
                    // Dialog token, delay and limit octets of GAS are protected by nothing.
                    int from = m is GasMessage ? body.Length - 40 : 7;
                    bit = random.Next(8 * from, 8 * body.Length);
                    body[bit / 8] ^= (byte)(1 << bit % 8);
                    changed = true;
                    try
                    {
                        return DppMessage.Parse(body, true);
                    }
                    catch (DppException)
                    {
                        return null;
                    }
                };
                pair.Enrollee.Initiate(pair.ConfiguratorKey.Public, pair.Now);
                pair.Run();
                Assert.True(changed);
                Assert.True(pair.Received is null, $"message {at}, bit {bit}");
                Assert.False(pair.Configurator.Outcome is { Succeeded: true });
            }
        }
    }

    [Fact]
    public void Messages_out_of_turn_end_the_exchange()
    {
        List<DppMessage> recorded;
        using (var honest = new Pair())
        {
            honest.Enrollee.Initiate(honest.ConfiguratorKey.Public, honest.Now);
            recorded = honest.Run().Passed;
        }
        foreach (var stray in recorded)
        {
            using var pair = new Pair();
            pair.Enrollee.Initiate(pair.ConfiguratorKey.Public, pair.Now);
            pair.Wire = (n, m) => n == 2 ? stray : m;
            pair.Run();
            Assert.Null(pair.Received);
        }
    }

    [Fact]
    public void Recorded_misbehavior_leads_to_no_provisioning()
    {
        int cases = 0;
        foreach (var c in Vector.Load("negative_tcp").GetProperty("cases").EnumerateArray())
        {
            string name = c.Text("case");
            int bad = c.GetProperty("malformed_frame").GetInt32();
            var frame = c.GetProperty("frames")[bad];
            // Only the parser can be asked without the ephemeral keys; what it lets through, the machines refuse by keys that do not fit.
            try
            {
                var message = DppMessage.Parse(frame.Hex("hex").AsMemory(4), frame.Text("dir") == "I>R");
                using var pair = new Pair();
                pair.Configurator.Receive(message, pair.Now);
                pair.Run();
                Assert.Null(pair.Received);
                Assert.False(pair.Configurator.Outcome is { Succeeded: true }, name);
            }
            catch (DppException)
            {
            }
            cases++;
        }
        Assert.Equal(54, cases);
    }

    [Fact]
    public void Random_bytes_are_only_refused()
    {
        var random = new Random(11);
        byte[][] seeds = [.. Vector.Load("capture_tcp_v3_p256_mutual").GetProperty("frames").EnumerateArray().Select(f => f.Hex("raw"))];
        for (int i = 0; i < 20000; i++)
        {
            byte[] bytes = [.. seeds[random.Next(seeds.Length)]];
            for (int n = random.Next(1, 6); n > 0; n--)
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            var stream = new DppTcp();
            try
            {
                stream.Append(bytes.AsSpan(0, random.Next(bytes.Length)));
                while (stream.TryTake(out byte[] body))
                    DppMessage.Parse(body, true);
            }
            catch (DppException)
            {
            }
        }
    }

    [Fact]
    public void Who_connects_and_says_nothing_is_dropped_and_strange_first_messages_too()
    {
        var options = new ConfiguratorOptions { Exchange = new ExchangeOptions { Own = [], Capabilities = DppCapabilities.Configurator } };
        var connection = new ControllerConnection(options, Pair.Chance, default);
        Assert.Equal(TimeSpan.FromSeconds(10), connection.Deadline);
        connection.Tick(new Moment(TimeSpan.FromSeconds(10), null));
        Assert.True(connection.TryEvent(out var ended));
        Assert.Equal("TIMEOUT", ended.Ended!.ProtocolError);
        foreach (byte[] first in (byte[][])[[0, 0, 0, 0], [0xff, 0xff, 0xff, 0xff], [0, 0, 0, 2, 12, 0], [0, 0, 0, 7, 9, 0x50, 0x6f, 0x9a, 0x1a, 1, 2], [0, 0, 0, 7, 9, 0x50, 0x6f, 0x9a, 0x1a, 1, 7]])
        {
            var other = new ControllerConnection(options, Pair.Chance, default);
            other.Receive(first, default, default, default);
            Assert.True(other.TryEvent(out var end) && end.Ended is { Succeeded: false });
            Assert.False(other.TryTransmit(new byte[100], out _));
        }
    }
}
