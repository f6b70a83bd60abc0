using System.Text;
using System.Text.Json;

namespace Product.Tests.Onboarding;

/// <summary>Plans, modules, RSA keys and pallets of vouchers, as an operator uses them.</summary>
public sealed class FdoPlansTests
{
    private static Task<Command> AdminAsync(Running server, params string[] arguments) => Command.RunAsync(["fdo", "server", .. arguments, "--server", server.AdminAddress, "--token", server.Token]);

    [Fact]
    public async Task A_device_with_RSA_keys_does_what_its_plan_says()
    {
        await using var server = await Running.StartAsync(s =>
        {
            s["roles:fdo.manufacturer:rsa"] = "true";
            s["roles:fdo.owner:rsa"] = "true";
            s["roles:fdo.owner:certify"] = "true";
        });
        string state = Path.Combine(server.Folder, "device"), plan = Path.Combine(server.Folder, "plan.json");
        await File.WriteAllTextAsync(plan, """
            {"steps": [{"download": {"name": "greeting", "text": "hello"}}, {"command": {"command": "cat", "args": ["greeting"]}}, {"upload": {"name": "greeting"}}, {"csr": {}}]}
            """, Running.Stop);
        Assert.Equal(0, (await AdminAsync(server, "plan", "serial:SN-9", "--file", plan)).Code);
        var wrong = await AdminAsync(server, "plan", "nobody", "--file", plan);
        Assert.NotEqual(0, wrong.Code);
        Assert.Contains("no target of a plan", wrong.Errors);

        var init = await Command.RunAsync("fdo", "device", "init", "--manufacturer", server.PublicAddress, "--state", state, "--serial", "SN-9", "--curve", "rsa2048", "--json");
        Assert.True(init.Code == 0, init.Errors);
        string guid = init.Json.GetProperty("guid").GetString()!;
        Assert.Equal(0, (await AdminAsync(server, "sell", guid)).Code);
        var onboarded = await Command.RunAsync("fdo", "device", "onboard", "--state", state, "--rounds", "1", "--cipher", "AES-CCM-64-128-256", "--kex", "ASYMKEX2048",
            "--module", "upload", "command", "csr", "--allow-command", "cat", "--json");
        Assert.True(onboarded.Code == 0, onboarded.Output + onboarded.Errors);
        var results = (await AdminAsync(server, "results", onboarded.Json.GetProperty("guid").GetString()!)).Json;
        Assert.Equal(["fdo.command:cat", "fdo.upload:greeting"], results.EnumerateArray().Select(r => r.GetProperty("name").GetString()));
        Assert.All(results.EnumerateArray(), r => Assert.Equal("hello", Encoding.UTF8.GetString(r.GetProperty("content").GetBytesFromBase64())));
        string shown = (await Command.RunAsync("fdo", "device", "show", "--state", state)).Output;
        // Agent file, greeting, CA certificates, key, certificate.
        Assert.True(shown.Contains("ServiceInfo[4].content"), shown);
        var used = await Command.UseAsync(state);
        Assert.True(used.Code == 0, "the plan replaces the files, and the agent file still comes first: " + used.Errors);
    }

    [Fact]
    public async Task A_pallet_of_vouchers_goes_from_one_server_to_another_in_one_file()
    {
        await using var factory = await Running.StartAsync();
        await using var owner = await Running.StartAsync();
        for (int i = 0; i < 3; i++)
            Assert.Equal(0, (await Command.InitAsync(factory, Path.Combine(factory.Folder, $"device{i}"), $"SN-{i}")).Code);
        using var keys = JsonDocument.Parse((await AdminAsync(owner, "keys")).Output);
        string key = Path.Combine(owner.Folder, "owner.pem"), pallet = Path.Combine(owner.Folder, "pallet.pem");
        await File.WriteAllTextAsync(key, keys.RootElement.EnumerateArray().First(k => k.GetProperty("type").GetString() == "Secp256R1").GetProperty("pem").GetString(), Running.Stop);

        var two = await AdminAsync(factory, "extend-all", "--to", key, "--serial", "SN-0", "SN-2");
        Assert.True(two.Code == 0, two.Errors);
        Assert.Equal(2, two.Output.Split("BEGIN OWNERSHIP VOUCHER").Length - 1);
        var all = await AdminAsync(factory, "extend-all", "--to", key);
        Assert.Equal(1, all.Output.Split("BEGIN OWNERSHIP VOUCHER").Length - 1);
        var sold = await AdminAsync(factory, "sold", "--to", key);
        Assert.Equal(3, sold.Output.Split("BEGIN OWNERSHIP VOUCHER").Length - 1);
        Assert.NotEqual(0, (await AdminAsync(factory, "extend-all", "--to", key, "--serial", "SN-7")).Code);

        await File.WriteAllTextAsync(pallet, sold.Output, Running.Stop);
        var imported = await AdminAsync(owner, "import", pallet);
        Assert.True(imported.Code == 0, imported.Output + imported.Errors);
        Assert.Equal(3, (await owner.GetAsync("/fdo/vouchers")).GetArrayLength());
        // Again it changes nothing, and a stranger takes none of them.
        Assert.Equal(0, (await AdminAsync(owner, "import", pallet)).Code);
        var stranger = await AdminAsync(factory, "import", pallet);
        Assert.Equal(1, stranger.Code);
        Assert.Contains("none of ours", stranger.Output);
    }
}
