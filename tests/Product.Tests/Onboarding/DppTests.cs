using System.Net;

namespace Product.Tests.Onboarding;

public class DppTests
{
    [Fact]
    public async Task A_device_whose_URI_was_imported_is_provisioned_and_reconfigured()
    {
        await using var server = await Running.StartAsync(settings =>
        {
            settings["listeners:dpp:address"] = "127.0.0.1";
            settings["listeners:dpp:port"] = "0";
            settings["listeners:dpp:carrier"] = "tcp";
            settings["roles:dpp.controller:listener"] = "dpp";
            settings["roles:dpp.controller:networks:0:ssid"] = "net1";
        });
        string state = Path.Combine(server.Folder, "duck"), address = server.Server.EndPoint("dpp").ToString();
        string uri = (await Command.RunAsync("dpp", "device", "make", "--state", state, "--name", "duck")).Output.Trim();
        Assert.StartsWith("DPP:", uri, StringComparison.Ordinal);

        var stranger = await Command.RunAsync("dpp", "device", "enroll", "--state", state, "--address", address, "--json");
        Assert.Equal(1, stranger.Code);

        var (status, body) = await server.PostAsync("/dpp/peers", new StringContent(uri));
        Assert.True(status == HttpStatusCode.OK, body);
        var known = await Command.RunAsync("dpp", "device", "enroll", "--state", state, "--address", address, "--json");
        Assert.True(known.Code == 0, known.Output + known.Errors);
        Assert.Equal(1, known.Json.GetProperty("credentials").GetInt32());
        var again = await Command.RunAsync("dpp", "device", "enroll", "--state", state, "--address", address, "--reconfigure", "--json");
        Assert.True(again.Code == 0, again.Output + again.Errors);

        // The device ends with its result; the server may still be writing that down.
        var journal = await server.GetAsync("/dpp/enrollments");
        while (journal.EnumerateArray().Any(e => e.GetProperty("result").GetString() == "sent"))
        {
            Running.Stop.ThrowIfCancellationRequested();
            await Task.Yield();
            journal = await server.GetAsync("/dpp/enrollments");
        }
        Assert.Equal(2, journal.GetArrayLength());
        Assert.All(journal.EnumerateArray(), e => Assert.Equal("Ok", e.GetProperty("result").GetString()));
        Assert.DoesNotContain("duck", (await Command.RunAsync("dpp", "device", "reset", "--state", state)).Errors, StringComparison.Ordinal);
    }
}
