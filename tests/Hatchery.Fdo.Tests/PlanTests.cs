using System.Security.Cryptography;
using Hatchery.Fdo.Owner;
using Hatchery.Fdo.Owner.Modules;
using Hatchery.Fdo.Tests.Ceremonies;

namespace Hatchery.Fdo.Tests;

public sealed class PlanTests
{
    private static readonly Caller s_operator = Fleet.Operator;

    [Fact]
    public void A_plan_is_read_step_by_step()
    {
        var modules = PlanText.Parse("""
            {"steps": [{"download": {"name": "a", "text": "hello"}}, {"download": {"name": "b", "base64": "AQID"}}, {"upload": {"name": "log", "maxBytes": 10}},
             {"command": {"command": "uname", "args": ["-a"], "mayFail": true, "output": false}}, {"wget": {"url": "https://files.test/x", "name": "x"}}]}
            """, null);
        Assert.Equal(["fdo.download", "fdo.download", "fdo.upload", "fdo.command", "fdo.wget"], modules.Select(m => m.Name));
    }

    [Theory]
    [InlineData("", "JSON")]
    [InlineData("[]", "object")]
    [InlineData("""{"steps": 1}""", "array")]
    [InlineData("""{"steps": [], "more": 1}""", "more")]
    [InlineData("""{"steps": [{"download": {"name": "a"}}]}""", "one of text and base64")]
    [InlineData("""{"steps": [{"download": {"name": "a", "text": "x", "base64": "AA=="}}]}""", "one of text and base64")]
    [InlineData("""{"steps": [{"download": {"name": "a", "base64": "!"}}]}""", "base64")]
    [InlineData("""{"steps": [{"download": {"nam": "a", "text": "x"}}]}""", "nam is not known")]
    [InlineData("""{"steps": [{"download": {"name": "a", "text": "x"}}, {"explode": {}}]}""", "step 1 (explode)")]
    [InlineData("""{"steps": [{"command": {"command": "x", "args": "-a"}}]}""", "args")]
    [InlineData("""{"steps": [{"command": {"command": "x", "mayFail": "yes"}}]}""", "mayFail")]
    [InlineData("""{"steps": [{"upload": {"name": "x", "maxBytes": 0}}]}""", "maxBytes")]
    [InlineData("""{"steps": [{"wget": {"url": "file:///etc/passwd"}}]}""", "url")]
    [InlineData("""{"steps": [{"wget": {"url": "http://x/y", "sha384": "00"}}]}""", "sha384")]
    [InlineData("""{"steps": [{"csr": {}}]}""", "certifies no devices")]
    [InlineData("""{"steps": [{"csr": {}, "upload": {"name": "x"}}]}""", "one member")]
    public void What_is_wrong_with_a_plan_is_said(string text, string sentence) =>
        Assert.Contains(sentence, Assert.Throws<FormatException>(() => PlanText.Parse(text, null)).Message, StringComparison.Ordinal);

    [Fact]
    public async Task The_closest_plan_counts_and_a_changed_one_is_no_longer_the_same()
    {
        var store = new RecordStore(new MemoryBackend(new StandingClock()), new AesGcmSealer(SHA256.HashData("seal"u8), new Hatchery.Cryptography.SystemChance()));
        var planner = new StoredPlanner(store, null, new OnePlan(new ServiceInfoPlan("config", [])), () => new Moment(default, DirectWorld<DeviceCredential>.Start));
        var (guid, other) = (Guid.NewGuid(), Guid.NewGuid());
        async Task<string> Name(string serial, string profile, Guid device) => (await planner.PlanAsync(default, device, serial, profile, default)).Name.Split('@')[0];
        Assert.Equal("config", await Name("1", "p", guid));
        string Steps(string name) => "{\"steps\": [{\"upload\": {\"name\": \"" + name + "\"}}]}";
        await planner.SetAsync("default", Steps("a"), s_operator, default);
        await planner.SetAsync("profile:p", Steps("b"), s_operator, default);
        await planner.SetAsync("serial:1", Steps("c"), s_operator, default);
        await planner.SetAsync($"device:{guid}", Steps("d"), s_operator, default);
        Assert.Equal(["default", "profile:p", "serial:1", $"device:{guid:N}"], [await Name("2", "q", other), await Name("2", "p", other), await Name("1", "p", other), await Name("1", "p", guid)]);

        var begun = await planner.PlanAsync(default, other, "1", "p", default);
        Assert.Same(begun, await planner.ResumeAsync(begun.Name, default, other, "1", "p", default));
        var elsewhere = new StoredPlanner(store, null, new OnePlan(ServiceInfoPlan.Empty), () => new Moment(default, DirectWorld<DeviceCredential>.Start));
        Assert.Equal(begun.Name, (await elsewhere.ResumeAsync(begun.Name, default, other, "1", "p", default))!.Name);
        await planner.SetAsync("serial:1", Steps("e"), s_operator, default);
        Assert.Null(await new StoredPlanner(store, null, new OnePlan(ServiceInfoPlan.Empty), () => new Moment(default, DirectWorld<DeviceCredential>.Start)).ResumeAsync(begun.Name, default, other, "1", "p", default));
        Assert.NotEqual(begun.Name, (await planner.PlanAsync(default, other, "1", "p", default)).Name);
        await planner.SetAsync("serial:1", null, s_operator, default);
        Assert.Equal("profile:p", await Name("1", "p", other));
        Assert.Equal(3, (await planner.ListAsync(s_operator, default)).Length);
        foreach (string bad in new[] { "", "device:", "device:x", "group:a", "serial" })
            await Assert.ThrowsAsync<FormatException>(async () => await planner.SetAsync(bad, Steps("a"), s_operator, default));
        await Assert.ThrowsAsync<FormatException>(async () => await planner.SetAsync("default", "{}", s_operator, default));
    }

    [Fact]
    public void The_module_of_a_plan_names_no_secret_of_a_URL() =>
        Assert.Equal("fetching https://files.test/a", new Wget(new Uri("https://user:secret@files.test/a?token=secret"), null, default).Describe());
}
