using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text.Json;
using Hatchery;
using Hatchery.Fdo;

namespace Product.Tests.Onboarding;

public sealed class OnboardingTests
{
    [Fact]
    public async Task A_device_is_one_in_the_registry_from_factory_to_operation()
    {
        await using var running = await Running.StartAsync();
        string state = Path.Combine(running.Folder, "device");
        var first = await SoldAsync(running, state, "SN-1");
        var onboarded = await Command.OnboardAsync(state);
        Assert.True(onboarded.Code == 0, onboarded.Output + onboarded.Errors + running.Log);
        var second = onboarded.Json.GetProperty("guid").GetGuid();
        Assert.NotEqual(first, second);
        var used = await Command.UseAsync(state);
        Assert.True(used.Code == 0, used.Output + used.Errors + running.Log);

        var device = Assert.Single((await running.GetAsync("/devices")).EnumerateArray());
        var identifiers = device.GetProperty("identifiers").EnumerateArray().Select(i => $"{i.GetProperty("kind").GetString()}:{i.GetProperty("value").GetString()}").ToArray();
        Assert.Contains($"fdo.guid:{first:N}", identifiers);
        Assert.Contains($"fdo.guid:{second:N}", identifiers);
        Assert.Contains("serial:SN-1", identifiers);
        var found = await running.GetAsync($"/devices/find?kind=fdo.guid&value={second:N}");
        Assert.Equal(device.GetProperty("id").GetGuid(), found.GetProperty("id").GetGuid());

        var audit = (await running.GetAsync("/audit?limit=1000")).EnumerateArray().ToArray();
        Assert.Contains(audit, e => e.GetProperty("kind").GetString() == "decided");
        Assert.Contains(audit, e => e.GetProperty("kind").GetString() == "administered");
        Assert.True((await running.GetAsync("/audit/verify")).GetProperty("intact").GetBoolean());
        var ceremonies = (await running.GetAsync("/ceremonies")).EnumerateArray().ToArray();
        var steps = Assert.Single(ceremonies).GetProperty("steps").EnumerateArray().Select(s => s.GetProperty("kind").GetString()).ToArray();
        Assert.Equal("DI.AppStart", steps[0]);
        Assert.Contains("TO2.Done2", steps);
        Assert.Equal("fdo.ServiceAccept", steps[^1]);

        // Onboarded is onboarded: the device keeps still.
        var again = await Command.OnboardAsync(state);
        Assert.Equal(second, again.Json.GetProperty("guid").GetGuid());
        Assert.Equal(steps.Length, Assert.Single((await running.GetAsync("/ceremonies")).EnumerateArray()).GetProperty("steps").GetArrayLength());
    }

    [Fact]
    public async Task What_no_rule_admits_is_refused_and_the_audit_log_says_so()
    {
        await using var running = await Running.StartAsync(s =>
        {
            s["admission:acceptAnyone"] = "false";
            s["admission:rules:0:method"] = "fdo.di";
            s["admission:rules:0:action"] = "admit";
        });
        string state = Path.Combine(running.Folder, "device");
        var init = await Command.InitAsync(running, state, "SN-2");
        Assert.True(init.Code == 0, init.Output + init.Errors + running.Log);
        var guid = init.Json.GetProperty("guid").GetGuid();
        await SellAsync(running, guid);
        var refused = await Command.OnboardAsync(state);
        Assert.NotEqual(0, refused.Code);
        Assert.False(refused.Json.GetProperty("succeeded").GetBoolean());
        Assert.Equal(guid, refused.Json.GetProperty("guid").GetGuid());
        var audit = (await running.GetAsync("/audit?limit=1000")).EnumerateArray().ToArray();
        Assert.Contains(audit, e => e.GetProperty("kind").GetString() is "decided" or "refused" && e.GetProperty("detail").GetString()!.Contains("no rule admits this device"));
        Assert.Equal("Waiting", (await running.GetAsync($"/fdo/vouchers/{guid}")).GetProperty("state").GetString());
    }

    [Fact]
    public async Task A_held_device_is_onboarded_once_an_operator_admits_it()
    {
        await using var running = await Running.StartAsync(s =>
        {
            s["admission:acceptAnyone"] = "false";
            s["admission:holdUnknown"] = "true";
            s["admission:rules:0:method"] = "fdo.di";
            s["admission:rules:0:action"] = "admit";
        });
        string state = Path.Combine(running.Folder, "device");
        await SoldAsync(running, state, "SN-3");
        Assert.NotEqual(0, (await Command.OnboardAsync(state)).Code);
        var held = Assert.Single((await running.GetAsync("/policy/held")).EnumerateArray());
        Assert.Equal("waiting", held.GetProperty("verdict").GetString());

        string subject = held.GetProperty("subject").GetString()!;
        Assert.NotEqual(0, (await Command.OnboardAsync(state)).Code);
        var approve = await Command.RunAsync("device", "approve", subject, "--server", running.AdminAddress, "--token", running.Token);
        Assert.True(approve.Code == 0, approve.Errors);
        Assert.Empty((await running.GetAsync("/policy/held")).EnumerateArray());
        var onboarded = await Command.OnboardAsync(state);
        Assert.True(onboarded.Code == 0, onboarded.Output + onboarded.Errors + running.Log);
        Assert.Contains((await running.GetAsync("/audit?limit=1000")).EnumerateArray(), e => e.GetProperty("kind").GetString() == "administered" && e.GetProperty("detail").GetString()!.Contains("admit by an operator"));
        var (status, _) = await running.PostAsync("/policy/held/decide", JsonContent.Create(new { subject = "fdo.guid:nobody", decision = "admit" }));
        Assert.Equal(HttpStatusCode.NotFound, status);
    }

    [Fact]
    public async Task A_device_is_sold_once()
    {
        await using var running = await Running.StartAsync(s => s["database:kind"] = "memory");
        var made = await Command.InitAsync(running, Path.Combine(running.Folder, "device"), "SN-4");
        var guid = made.Json.GetProperty("guid").GetGuid();
        using var buyer = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var large = ECDsa.Create(ECCurve.NamedCurves.nistP384);
        Assert.Equal(HttpStatusCode.UnprocessableEntity, (await ExtendAsync(large)).Status);
        var (status, pem) = await ExtendAsync(buyer);
        Assert.Equal(HttpStatusCode.OK, status);
        Assert.Equal((HttpStatusCode.OK, pem), await ExtendAsync(buyer));
        var (refused, body) = await ExtendAsync(other);
        Assert.Equal(HttpStatusCode.UnprocessableEntity, refused);
        Assert.Contains("sold to", JsonDocument.Parse(body).RootElement.GetProperty("detail").GetString());
        var voucher = VoucherFile.Read(System.Text.Encoding.ASCII.GetBytes(pem), out _);
        Assert.True(VoucherVerifier.Verify(voucher, new VoucherPolicy { Owner = FdoPublicKey.From(buyer) }).IsValid);
        Assert.Equal(HttpStatusCode.UnprocessableEntity, (await running.PostAsync("/fdo/vouchers", Running.Pem(pem))).Status);

        Task<(HttpStatusCode Status, string Body)> ExtendAsync(ECDsa key) => running.PostAsync($"/fdo/manufactured/{guid}/extend", Running.Pem(key.ExportSubjectPublicKeyInfoPem()));
    }

    [Fact]
    public async Task A_server_that_was_stopped_goes_on_where_it_was()
    {
        var before = await Running.StartAsync();
        string state = Path.Combine(before.Folder, "device");
        var guid = await SoldAsync(before, state, "SN-6");
        string keys = (await before.GetAsync("/fdo/owner-keys")).GetRawText();
        await before.StopAsync();

        await using var after = await Running.StartAsync(s =>
        {
            s["listeners:public:port"] = $"{before.Port}";
            s["roles:fdo.owner:addresses:0"] = before.PublicAddress;
        }, before.Folder);
        Assert.Equal(before.Token, after.Token);
        Assert.Equal(keys, (await after.GetAsync("/fdo/owner-keys")).GetRawText());
        Assert.Equal("Waiting", (await after.GetAsync($"/fdo/vouchers/{guid}")).GetProperty("state").GetString());
        var onboarded = await Command.OnboardAsync(state);
        Assert.True(onboarded.Code == 0, onboarded.Output + onboarded.Errors + after.Log);
        Assert.True((await after.GetAsync("/audit/verify")).GetProperty("intact").GetBoolean());
    }

    [Fact]
    public async Task An_operator_does_everything_with_the_command()
    {
        await using var running = await Running.StartAsync(s => s["database:kind"] = "memory");
        var guid = (await Command.InitAsync(running, Path.Combine(running.Folder, "device"), "SN-7")).Json.GetProperty("guid").GetGuid();
        Assert.Equal(guid, Assert.Single((await AsOperator("fdo", "server", "made")).Json.EnumerateArray()).GetProperty("guid").GetGuid());
        string file = Path.Combine(running.Folder, "key.pem");
        string[] keys = [.. (await AsOperator("fdo", "server", "keys")).Json.EnumerateArray().Select(k => k.GetProperty("pem").GetString()!)];
        var voucher = VoucherFile.Read(System.Text.Encoding.ASCII.GetBytes((await AsOperator("fdo", "server", "export", "--made", $"{guid}")).Output), out _);
        Assert.Empty(voucher.Entries);
        string key = keys.Single(k => VoucherFits(voucher, k));
        await File.WriteAllTextAsync(file, key, Running.Stop);
        string sold = (await AsOperator("fdo", "server", "extend", $"{guid}", "--to", file)).Output;
        await File.WriteAllTextAsync(file, sold, Running.Stop);
        Assert.Equal(guid, (await AsOperator("fdo", "server", "import", file)).Json.GetProperty("guid").GetGuid());
        Assert.Equal(sold.Trim(), (await AsOperator("fdo", "server", "export", $"{guid}")).Output.Trim());
        using var buyer = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        await File.WriteAllTextAsync(file, buyer.ExportSubjectPublicKeyInfoPem(), Running.Stop);
        var resold = VoucherFile.Read(System.Text.Encoding.ASCII.GetBytes((await AsOperator("fdo", "server", "resell", $"{guid}", "--to", file)).Output), out _);
        Assert.Equal(2, resold.Entries.Length);
        Assert.True(resold.Owner.IsSameKey(buyer));
        Assert.Equal("Sold", Assert.Single((await AsOperator("fdo", "server", "list")).Json.EnumerateArray()).GetProperty("state").GetString());

        var device = Assert.Single((await AsOperator("device", "list", "--json")).Json.EnumerateArray());
        Assert.Contains($"fdo.guid:{guid:N}", (await AsOperator("device", "list")).Output);
        string id = device.GetProperty("id").GetString()!;
        Assert.Equal(id, (await AsOperator("device", "show", id)).Json.GetProperty("id").GetString());
        Assert.Contains((await AsOperator("device", "audit", "--device", id)).Json.EnumerateArray(), e => e.GetProperty("detail").GetString()!.Contains("voucher extended to"));
        Assert.True((await AsOperator("device", "audit", "--verify")).Json.GetProperty("intact").GetBoolean());
        var unknown = await Command.RunAsync("device", "show", $"{Guid.NewGuid()}", "--server", running.AdminAddress, "--token", running.Token);
        Assert.Equal(1, unknown.Code);
        Assert.Contains("404: Not Found", unknown.Errors);

        async Task<Command> AsOperator(params string[] arguments)
        {
            var result = await Command.RunAsync([.. arguments, "--server", running.AdminAddress, "--token", running.Token]);
            Assert.True(result.Code == 0, string.Join(' ', arguments) + ": " + result.Output + result.Errors);
            return result;
        }
    }

    private static bool VoucherFits(OwnershipVoucher voucher, string pem)
    {
        using var key = ECDsa.Create();
        key.ImportFromPem(pem);
        return FdoPublicKey.From(key).Type == voucher.Header.PublicKey.Type;
    }

    [Fact]
    public async Task Manufacturer_rendezvous_and_owner_work_as_three_servers()
    {
        await using var rendezvous = await Running.StartAsync(s => Only(s, "fdo.rendezvous"));
        await using var manufacturer = await Running.StartAsync(s =>
        {
            Only(s, "fdo.manufacturer");
            s["roles:fdo.manufacturer:rendezvous:0"] = rendezvous.PublicAddress;
        });
        await using var owner = await Running.StartAsync(s => Only(s, "fdo.owner"));
        string state = Path.Combine(owner.Folder, "device");
        var init = await Command.InitAsync(manufacturer, state, "SN-5");
        Assert.True(init.Code == 0, init.Output + init.Errors);
        var guid = init.Json.GetProperty("guid").GetGuid();

        string made = await manufacturer.Admin.GetStringAsync($"/api/v1/fdo/manufactured/{guid}/voucher", Running.Stop);
        var (refused, _) = await owner.PostAsync("/fdo/vouchers", Running.Pem(made));
        Assert.Equal(HttpStatusCode.UnprocessableEntity, refused);
        string key = (await owner.GetAsync("/fdo/owner-keys")).EnumerateArray().First(k => k.GetProperty("type").GetString()!.Contains("256")).GetProperty("pem").GetString()!;
        var (extended, pem) = await manufacturer.PostAsync($"/fdo/manufactured/{guid}/extend", Running.Pem(key));
        Assert.True(extended == HttpStatusCode.OK, pem);

        var registered = SeenAsync(owner, "TO0.AcceptOwner");
        var (imported, body) = await owner.PostAsync("/fdo/vouchers", Running.Pem(pem));
        Assert.True(imported == HttpStatusCode.OK, body);
        Assert.Equal(pem, await owner.Admin.GetStringAsync($"/api/v1/fdo/vouchers/{guid}/pem", Running.Stop));
        await registered;

        var onboarded = await Command.OnboardAsync(state);
        Assert.True(onboarded.Code == 0, onboarded.Output + onboarded.Errors + owner.Log + rendezvous.Log);
        Assert.Equal(0, (await Command.UseAsync(state)).Code);
        var retired = await owner.GetAsync($"/fdo/vouchers/{guid}");
        Assert.Equal("Retired", retired.GetProperty("state").GetString());
        var successor = onboarded.Json.GetProperty("guid").GetGuid();
        Assert.Equal(successor, retired.GetProperty("successor").GetGuid());
        Assert.Equal("SN-5", (await owner.GetAsync($"/fdo/vouchers/{successor}")).GetProperty("serial").GetString());
        Assert.Equal(HttpStatusCode.NotFound, (await rendezvous.Admin.GetAsync("/api/v1/fdo/vouchers", Running.Stop)).StatusCode);
        Assert.Equal(HttpStatusCode.Conflict, (await owner.PostAsync($"/fdo/sell/{guid}")).Status);
    }

    private static void Only(Dictionary<string, string?> settings, string role)
    {
        foreach (string key in settings.Keys.Where(k => k.StartsWith("roles:", StringComparison.Ordinal) && !k.StartsWith($"roles:{role}:", StringComparison.Ordinal)).ToList())
            settings.Remove(key);
    }

    /// <summary>Ends when the server has seen a message of a kind. Listens already when it returns.</summary>
    private static Task SeenAsync(Running running, string kind)
    {
        var changes = running.Server.Observatory.ChangesAsync(Running.Stop).GetAsyncEnumerator(Running.Stop);
        var next = changes.MoveNextAsync();
        return Wait();

        async Task Wait()
        {
            while (await next && !running.Server.Observatory.Observations.OfType<Observation.Seen>().Any(o => o.Kind.Name == kind))
                next = changes.MoveNextAsync();
            await changes.DisposeAsync();
        }
    }

    private static async Task<Guid> SoldAsync(Running running, string state, string serial)
    {
        var init = await Command.InitAsync(running, state, serial);
        Assert.True(init.Code == 0, init.Output + init.Errors + running.Log);
        var guid = init.Json.GetProperty("guid").GetGuid();
        await SellAsync(running, guid);
        return guid;
    }

    private static async Task SellAsync(Running running, Guid guid)
    {
        var (status, body) = await running.PostAsync($"/fdo/sell/{guid}");
        Assert.True(status == HttpStatusCode.OK, body);
    }
}
