using System.Net;
using System.Text.RegularExpressions;

namespace Product.Tests.Cli;

/// <summary>EAP-NOOB as its users and operators do it: the command line for both sides, the page, the admin API.</summary>
public sealed partial class EapNoobTests
{
    private static Task<Running> ServerAsync() => Running.StartAsync(s =>
    {
        string port = s["listeners:public:port"]!;
        s["listeners:radius:port"] = "0";
        s["listeners:radius:carrier"] = "udp";
        s["listeners:radius:address"] = "127.0.0.1";
        s["roles:eapnoob.server:url"] = $"http://127.0.0.1:{port}/noob";
        s["roles:eapnoob.server:sleepSeconds"] = "1";
        s["roles:eapnoob.server:radius:listeners:0"] = "radius";
        s["roles:eapnoob.server:radius:clients:0:name"] = "local";
        s["roles:eapnoob.server:radius:clients:0:address"] = "127.0.0.1";
        s["roles:eapnoob.server:radius:clients:0:secret"] = "testing123";
    });

    private static string[] Join(Running server, params string[] more) =>
        ["eapnoob", "device", "join", "--state", Path.Combine(server.Folder, "duckling"), "--radius", $"{server.Server.EndPoint("radius")}", "--secret", "testing123", "--serial", "SN-<1>", "--allow-http",
            "--failures", "2", "--backoff", "1", "--json", .. more];

    private static async Task<string> CodeAsync(string file)
    {
        while (!File.Exists(file))
            await Task.Delay(20, Running.Stop);
        return await File.ReadAllTextAsync(file, Running.Stop);
    }

    [Fact]
    public async Task A_device_is_registered_by_its_user_on_the_page_and_comes_back()
    {
        await using var server = await ServerAsync();
        string file = Path.Combine(server.Folder, "code"), png = Path.Combine(server.Folder, "code.png");
        var joining = Command.RunAsync(Join(server, "--show-file", file, "--png", png));
        string url = await CodeAsync(file);
        string token = await server.TokenAsync(["eapnoob:oob"]);

        // Who is it?
        using var ask = await server.Public.GetAsync(url, Running.Stop);
        Assert.Equal(HttpStatusCode.OK, ask.StatusCode);
        string code = Hidden(await ask.Content.ReadAsStringAsync(Running.Stop), "code");
        using var wrong = await server.Public.PostAsync("/noob", Form(("code", code), ("token", "hatch_nobody")), Running.Stop);
        Assert.Equal(HttpStatusCode.Forbidden, wrong.StatusCode);
        // What the device claims to be, as text and never as markup.
        using var show = await server.Public.PostAsync("/noob", Form(("code", code), ("token", token)), Running.Stop);
        string page = await show.Content.ReadAsStringAsync(Running.Stop);
        Assert.Contains("Hatchery Duckling serial number SN-&lt;1&gt;", page);
        // A confirmation is for this account and this device.
        string confirm = Hidden(page, "confirm");
        using var other = await server.Public.PostAsync("/noob", Form(("code", code), ("account", "mallory"), ("confirm", confirm)), Running.Stop);
        Assert.Equal(HttpStatusCode.Forbidden, other.StatusCode);
        using var taken = await server.Public.PostAsync("/noob", Form(("code", code), ("account", Hidden(page, "account")), ("confirm", confirm)), Running.Stop);
        Assert.Equal(HttpStatusCode.OK, taken.StatusCode);

        var joined = await joining;
        Assert.True(joined.Code == 0, joined.Output + joined.Errors + server.Log);
        Assert.True(joined.Json.GetProperty("keysAgree").GetBoolean());
        Assert.Equal([0x89, 0x50, 0x4E, 0x47], (await File.ReadAllBytesAsync(png, Running.Stop))[..4]);
        var owned = Assert.Single((await server.GetAsync("/eapnoob/devices")).EnumerateArray());
        Assert.Equal(("test", joined.Json.GetProperty("peerId").GetString()), (owned.GetProperty("account").GetString(), owned.GetProperty("peerId").GetString()));
        Assert.Contains((await server.GetAsync("/devices")).EnumerateArray(), d => d.GetProperty("lastProtocol").GetString() == "eapnoob");
        // Used up.
        using var again = await server.Public.PostAsync("/noob", Form(("code", code), ("account", "test"), ("confirm", confirm)), Running.Stop);
        Assert.Equal(HttpStatusCode.BadRequest, again.StatusCode);

        var back = await Command.RunAsync(Join(server));
        Assert.True(back.Code == 0 && back.Json.GetProperty("keysAgree").GetBoolean(), back.Output + back.Errors);
        Assert.NotEqual(joined.Json.GetProperty("sessionId").GetString(), back.Json.GetProperty("sessionId").GetString());
        // Removed here, it is told so, and its user resets it.
        var removed = await Command.RunAsync("eapnoob", "server", "remove", owned.GetProperty("peerId").GetString()!, "--server", server.AdminAddress, "--token", server.Token);
        Assert.True(removed.Code == 0, removed.Errors);
        var refused = await Command.RunAsync(Join(server));
        Assert.Equal((1, "2002"), (refused.Code, refused.Json.GetProperty("error").GetString()));
        var reset = await Command.RunAsync("eapnoob", "device", "reset", "--state", Path.Combine(server.Folder, "duckling"));
        Assert.True(reset.Code == 0, reset.Errors);
    }

    [Fact]
    public async Task A_code_is_taken_from_the_server_to_the_device()
    {
        await using var server = await ServerAsync();
        string file = Path.Combine(server.Folder, "code");
        var joining = Command.RunAsync(Join(server, "--direction", "take", "--take-file", file));
        string? peerId = null;
        while (peerId is null && !joining.IsCompleted)
            peerId = (await server.GetAsync("/eapnoob/waiting")).EnumerateArray().Select(w => w.GetProperty("peerId").GetString()).FirstOrDefault();
        var made = await Command.RunAsync("eapnoob", "server", "code", peerId ?? "none", "--account", "bob", "--json", "--server", server.AdminAddress, "--token", server.Token);
        Assert.True(made.Code == 0, made.Errors);
        await File.WriteAllTextAsync(file + ".part", made.Json.GetProperty("code").GetString(), Running.Stop);
        File.Move(file + ".part", file);
        var joined = await joining;
        Assert.True(joined.Code == 0, joined.Output + joined.Errors + server.Log);
        Assert.Equal("bob", Assert.Single((await server.GetAsync("/eapnoob/devices?account=bob")).EnumerateArray()).GetProperty("account").GetString());
    }

    [Fact]
    public async Task Demo_shows_the_code_plays_the_user_and_has_the_keys_accepted()
    {
        var demo = await Command.RunAsync("demo", "--only", "eapnoob.peer-to-server", "--exit", "--json");
        Assert.True(demo.Code == 0, demo.Output + demo.Errors);
        Assert.Contains("/noob?P=", demo.Errors);
        Assert.Contains("The user is told: Hatchery Duckling serial number DUCK-9140", demo.Errors);
        var method = Assert.Single(demo.Json.GetProperty("methods").EnumerateArray());
        Assert.True(method.GetProperty("succeeded").GetBoolean());
        Assert.True(method.GetProperty("humanActs").GetInt32() >= 3);
    }

    private static FormUrlEncodedContent Form(params (string Name, string Value)[] fields) => new(fields.Select(f => KeyValuePair.Create(f.Name, f.Value)));

    private static string Hidden(string html, string name) => WebUtility.HtmlDecode(Field().Matches(html).First(m => m.Groups[1].Value == name).Groups[2].Value);

    [GeneratedRegex("<input type=\"hidden\" name=\"([a-z]+)\" value=\"([^\"]*)\">")]
    private static partial Regex Field();
}
