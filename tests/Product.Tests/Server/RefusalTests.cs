using System.Net;
using Hatchery.Fdo;

namespace Product.Tests.Server;

public sealed class RefusalTests
{
    [Fact]
    public async Task A_wrong_method_is_405_and_an_unknown_path_404()
    {
        await using var running = await Running.StartAsync(s => s["database:kind"] = "memory");
        using var get = await running.Public.GetAsync("/fdo/101/msg/10", Running.Stop);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, get.StatusCode);
        Assert.Contains("POST", get.Content.Headers.Allow);
        using var elsewhere = await running.Public.PostAsync("/fdo/100/msg/10", new ByteArrayContent([]), Running.Stop);
        Assert.Equal(HttpStatusCode.NotFound, elsewhere.StatusCode);
    }

    [Theory]
    [InlineData(99, "80", 100)]
    [InlineData(20, "", 100)]
    [InlineData(20, "FF", 100)]
    [InlineData(30, "8150000102030405060708090A0B0C0D0E0F", 100)]
    [InlineData(62, "8100", 1)]
    public async Task What_cannot_be_answered_gets_the_standard_s_error(int type, string body, int code)
    {
        await using var running = await Running.StartAsync(s => s["database:kind"] = "memory");
        using var response = await running.MessageAsync(type, Convert.FromHexString(body));
        var error = await ErrorAsync(response);
        Assert.Equal(code, error.Code);
        Assert.Equal(type, error.PreviousType);
        Assert.NotNull(error.CorrelationId);
        Assert.Contains($"error {error.Code}, ", running.Log);
    }

    [Fact]
    public async Task A_token_that_this_server_never_gave_is_error_1()
    {
        await using var running = await Running.StartAsync(s => s["database:kind"] = "memory");
        using var response = await running.MessageAsync(62, [0x81, 0x00], "Bearer AAAAAAAAAAAAAAAAAAAAAA");
        Assert.Equal((int)FdoErrorCode.InvalidJwtToken, (await ErrorAsync(response)).Code);
        Assert.Contains("Authorization", running.Log);
    }

    [Fact]
    public async Task A_body_beyond_the_limit_is_refused_and_the_server_goes_on()
    {
        await using var running = await Running.StartAsync(s => s["database:kind"] = "memory");
        using var large = await running.MessageAsync(10, new byte[70_000]);
        Assert.True((int)large.StatusCode is 413 or 500, $"{large.StatusCode}");
        using var next = await running.MessageAsync(99, [0x80]);
        Assert.Equal(100, (await ErrorAsync(next)).Code);
    }

    [Fact]
    public async Task The_log_names_the_field_and_a_flood_does_not_fill_it()
    {
        await using var running = await Running.StartAsync(s => s["database:kind"] = "memory");
        using (await running.MessageAsync(30, [0x82, 0x01, 0x02]))
        {
        }
        string line = Assert.Single(running.Log.Split('\n'), l => l.Contains("refused"));
        Assert.Contains("127.0.0.1", line);
        Assert.Contains("error 100, ", line);
        Assert.Matches("error 100, [A-Za-z]+.*: .+", line);

        const int Flood = 400;
        var start = DateTimeOffset.UtcNow;
        await Parallel.ForEachAsync(Enumerable.Range(0, Flood), Running.Stop, async (_, _) =>
        {
            using var response = await running.MessageAsync(99, [0x80]);
            Assert.Equal(HttpStatusCode.InternalServerError, response.StatusCode);
        });
        int seconds = (int)(DateTimeOffset.UtcNow.ToUnixTimeSeconds() - start.ToUnixTimeSeconds()) + 1;
        int lines = running.Log.Split('\n').Count(l => l.Contains("refused"));
        Assert.InRange(lines, 2, Math.Min(10 * seconds + 1, Flood / 2));
        Assert.Contains("the rest is not logged", running.Log);
    }

    private static async Task<ErrorMessage> ErrorAsync(HttpResponseMessage response)
    {
        Assert.Equal(HttpStatusCode.InternalServerError, response.StatusCode);
        Assert.Equal("255", response.Headers.GetValues("Message-Type").Single());
        Assert.Equal("application/cbor", response.Content.Headers.ContentType!.MediaType);
        return ErrorMessage.Parse(await response.Content.ReadAsByteArrayAsync(Running.Stop));
    }
}
