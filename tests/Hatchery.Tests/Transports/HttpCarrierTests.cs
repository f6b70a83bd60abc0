using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Hatchery.Transports;

namespace Hatchery.Tests.Transports;

public sealed class HttpCarrierTests
{
    private static IConnection Open(RawServer server, Events events, HttpCarrierOptions? options = null, string path = "/words") =>
        new HttpCarrier(_ => new WordBinding(path), options).Open(Sample.To(server.Port), default, events);

    [Fact]
    public async Task Messages_of_a_connection_share_one_TCP_connection_and_headers_stand_as_given()
    {
        await using var server = new RawServer(RawServer.ServeAsync);
        var events = new Events();
        var connection = Open(server, events, path: "/words/a%2Fb?q=%41");
        for (int n = 0; n < 3; n++)
        {
            var encoded = connection.Send(new Word(Sample.Hello, $"hello {n}"), new Tag(n));
            Assert.Equal(7, encoded.Bytes.Length);
            Assert.Equal(["TCP", "HTTP"], encoded.Layers.Select(l => l.Name));
            Assert.Equal("welcome", (await events.NextAsync<Word>()).Text);
        }
        Assert.Equal(1, server.Connections);
        var request = await server.Requests.Reader.ReadAsync(TestContext.Current.CancellationToken);
        Assert.Equal($"POST /words/a%2Fb?q=%41 HTTP/1.1\r\nHost: 127.0.0.1:{server.Port}\r\nAuthorization: Bearer t/1+x==\r\n"
            + "Content-Type: text/plain\r\nContent-Length: 7\r\n\r\nhello 0", request);
        connection.Close();
    }

    [Fact]
    public async Task A_refused_connection_is_lost_before_the_request()
    {
        var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        int port = ((IPEndPoint)listener.LocalEndpoint).Port;
        listener.Dispose();
        var events = new Events();
        new HttpCarrier(_ => new WordBinding()).Open(Sample.To(port), default, events).Send(new Word(Sample.Hello, "hello"), default);
        Assert.False((await events.NextAsync<CarrierFault>()).AfterRequestWasSent);
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(2, 3)]
    public async Task A_server_that_dies_after_the_request_gets_it_again_so_often_as_allowed(int retries, int requests)
    {
        await using var server = new RawServer(async (s, stream, _) => await s.ReadAsync(stream));
        var events = new Events();
        Open(server, events, new HttpCarrierOptions { Retries = retries }).Send(new Word(Sample.Hello, "hello"), default);
        Assert.True((await events.NextAsync<CarrierFault>()).AfterRequestWasSent);
        Assert.Equal(requests, server.Requests.Reader.Count);
    }

    [Fact]
    public async Task A_server_that_recovers_is_not_noticed()
    {
        await using var server = new RawServer(async (s, stream, number) =>
        {
            if (number == 1)
                await s.ReadAsync(stream);
            else
                await RawServer.ServeAsync(s, stream, number);
        });
        var events = new Events();
        var connection = Open(server, events);
        connection.Send(new Word(Sample.Hello, "hello"), default);
        Assert.Equal("welcome", (await events.NextAsync<Word>()).Text);
        connection.Close();
    }

    [Fact]
    public async Task After_the_first_byte_of_an_answer_nothing_is_sent_again()
    {
        await using var server = new RawServer(async (s, stream, _) =>
        {
            await s.ReadAsync(stream);
            await stream.WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nwel"u8.ToArray());
        });
        var events = new Events();
        Open(server, events).Send(new Word(Sample.Hello, "hello"), default);
        Assert.True((await events.NextAsync<CarrierFault>()).AfterRequestWasSent);
        Assert.Equal(1, server.Requests.Reader.Count);
    }

    [Theory]
    [InlineData("Content-Length: 2000\r\n\r\n")]
    [InlineData("Transfer-Encoding: chunked\r\n\r\n7d0\r\n")]
    public async Task An_answer_over_the_limit_is_not_read_to_its_end(string head)
    {
        await using var server = new RawServer(async (s, stream, _) =>
        {
            await s.ReadAsync(stream);
            await stream.WriteAsync(System.Text.Encoding.ASCII.GetBytes("HTTP/1.1 200 OK\r\n" + head + new string('x', 2000)));
            await s.ReadAsync(stream);
        });
        var events = new Events();
        var connection = Open(server, events, new HttpCarrierOptions { MaxResponse = 1000 });
        connection.Send(new Word(Sample.Hello, "hello"), default);
        Assert.Contains("1000 bytes", (await events.NextAsync<CarrierFault>()).Reason, StringComparison.Ordinal);
        connection.Close();
    }

    [Fact]
    public async Task What_cannot_be_parsed_is_reported_and_the_party_may_still_tell_the_peer()
    {
        await using var server = new RawServer(async (s, stream, _) =>
        {
            await s.ReadAsync(stream);
            await RawServer.AnswerAsync(stream, "", "500 Oh");
            await RawServer.ServeAsync(s, stream, 1);
        });
        var events = new Events();
        var connection = Open(server, events);
        connection.Send(new Word(Sample.Hello, "hello"), default);
        Assert.Equal("status", (await events.NextAsync<CarrierFault>()).Broken!.FieldName);
        connection.Send(new Word(Sample.Hello, "error"), default);
        Assert.Equal("welcome", (await events.NextAsync<Word>()).Text);
        Assert.Equal(1, server.Connections);
        connection.Close();
    }

    [Fact]
    public async Task What_was_sent_before_a_close_arrives_and_the_answer_is_dropped()
    {
        await using var server = new RawServer(RawServer.ServeAsync);
        var events = new Events();
        var carrier = new HttpCarrier(_ => new WordBinding());
        var connection = carrier.Open(Sample.To(server.Port), default, events);
        connection.Send(new Word(Sample.Hello, "last words"), default);
        connection.Close();
        await carrier.FlushAsync(TestContext.Current.CancellationToken);
        Assert.EndsWith("last words", await server.Requests.Reader.ReadAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
        Assert.True(events.IsEmpty);
    }

    [Fact]
    public async Task A_silent_server_is_given_up_by_the_clock_and_not_asked_again()
    {
        var time = new HandTime();
        await using var server = new RawServer(async (s, stream, _) =>
        {
            await s.ReadAsync(stream);
            time.Advance(TimeSpan.FromSeconds(31));
            await s.ReadAsync(stream);
        });
        var events = new Events();
        var connection = Open(server, events, new HttpCarrierOptions { Clock = new SystemClock(time) });
        connection.Send(new Word(Sample.Hello, "hello"), default);
        var fault = await events.NextAsync<CarrierFault>();
        Assert.True(fault.AfterRequestWasSent);
        Assert.Contains("30 s", fault.Reason, StringComparison.Ordinal);
        Assert.Equal(1, server.Requests.Reader.Count);
        connection.Close();
    }

    [Fact]
    public void A_path_or_header_that_would_break_the_request_is_refused()
    {
        var carrier = new HttpCarrier(_ => new WordBinding("/words HTTP/1.1\r\nX: y"));
        var connection = carrier.Open(Sample.To(9), default, new Events());
        Assert.Throws<ArgumentException>(() => connection.Send(new Word(Sample.Hello, "hello"), default));
        connection.Close();
    }
}

/// <summary>Time that passes when told.</summary>
internal sealed class HandTime : TimeProvider
{
    private readonly Lock _lock = new();
    private readonly List<Alarm> _alarms = [];
    private long _now = 1_000_000_000;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;
    public override long GetTimestamp() => Volatile.Read(ref _now);
    public override DateTimeOffset GetUtcNow() => new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var alarm = new Alarm(this, () => callback(state));
        alarm.Change(dueTime, period);
        return alarm;
    }

    public void Advance(TimeSpan by)
    {
        List<Alarm> due;
        lock (_lock)
        {
            _now += by.Ticks;
            due = [.. _alarms.Where(a => a.At <= _now)];
            _alarms.RemoveAll(due.Contains);
        }
        foreach (var alarm in due)
            alarm.Ring();
    }

    /// <summary>Waits until an alarm is set, or something has ended, and rings the earliest at its time.</summary>
    public async Task NextAlarmAsync(Task? end = null)
    {
        while (end is not { IsCompleted: true })
        {
            TimeSpan? wait = null;
            lock (_lock)
                if (_alarms.Count > 0)
                    wait = new TimeSpan(Math.Max(0, _alarms.Min(a => a.At) - _now));
            if (wait is { } by)
            {
                Advance(by);
                return;
            }
            await Task.Yield();
        }
    }

    private sealed class Alarm(HandTime time, Action ring) : ITimer
    {
        public long At { get; private set; }
        public Action Ring => ring;

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            lock (time._lock)
            {
                time._alarms.Remove(this);
                if (dueTime != Timeout.InfiniteTimeSpan)
                {
                    At = time._now + dueTime.Ticks;
                    time._alarms.Add(this);
                }
            }
            return true;
        }

        public void Dispose()
        {
            lock (time._lock)
                time._alarms.Remove(this);
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return default;
        }
    }
}
