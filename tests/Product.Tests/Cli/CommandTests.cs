using System.Security.Cryptography;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Product.Tests.Cli;

public sealed partial class CommandTests
{
    [Fact]
    public async Task Every_verb_explains_itself()
    {
        var seen = new List<string>();
        await HelpAsync([]);
        foreach (string verb in new[] { "demo", "serve", "survey", "device list", "device approve", "device audit", "fdo device init", "fdo device onboard", "fdo voucher verify", "fdo key new", "fdo server import" })
            Assert.Contains(verb, seen);

        async Task HelpAsync(string[] verb)
        {
            var help = await Command.RunAsync([.. verb, "--help"]);
            Assert.True(help.Code == 0 && help.Errors.Length == 0, string.Join(' ', verb) + help.Errors);
            Assert.Contains("Description:", help.Output);
            Assert.Contains("Options:", help.Output);
            Assert.Contains("--help", help.Output);
            seen.Add(string.Join(' ', verb));
            if (help.Output.Contains("\nCommands:", StringComparison.Ordinal))
                await Task.WhenAll(Child().Matches(help.Output[help.Output.IndexOf("\nCommands:", StringComparison.Ordinal)..]).Select(child => HelpAsync([.. verb, child.Groups[1].Value])));
        }
    }

    [Fact]
    public async Task Demo_onboards_a_device_and_says_so_in_JSON()
    {
        var demo = await Command.RunAsync("demo", "--only", "fdo.bypass", "--exit", "--json");
        Assert.True(demo.Code == 0, demo.Output + demo.Errors);
        Assert.True(demo.Json.GetProperty("succeeded").GetBoolean());
        var method = Assert.Single(demo.Json.GetProperty("methods").EnumerateArray());
        Assert.Equal("fdo.bypass", method.GetProperty("method").GetString());
        Assert.True(method.GetProperty("succeeded").GetBoolean());
        Assert.True(method.GetProperty("messages").GetInt32() > 15);
        Assert.True(method.GetProperty("bytes").GetInt32() > 2000);
        Assert.Equal(method.GetProperty("before").GetArrayLength() + 1, method.GetProperty("after").GetArrayLength());
    }

    [Fact]
    public async Task Demo_prints_beliefs_for_people_and_a_capture_that_Wireshark_reads()
    {
        string file = Path.Combine(Running.NewFolder(), "demo.pcapng");
        var demo = await Command.RunAsync("demo", "--only", "fdo.bypass", "--exit", "--pcap", file);
        Assert.True(demo.Code == 0, demo.Output + demo.Errors);
        foreach (string words in new[] { "The device believed before:", "and after:", "TO2.Done2", "works" })
            Assert.Contains(words, demo.Output);

        string all = await TsharkAsync("-r", file, "-T", "fields", "-e", "frame.number", "-e", "http.request.uri");
        Assert.Contains("/fdo/101/msg/60", all);
        Assert.Contains("/fdo/101/msg/70", all);
        Assert.Equal("", await TsharkAsync("-r", file, "-Y", "_ws.malformed"));
        Directory.Delete(Path.GetDirectoryName(file)!, recursive: true);
    }

    [Fact]
    public async Task Survey_gives_the_same_bytes_each_time()
    {
        var runs = await Task.WhenAll(Command.RunAsync("survey", "--only", "fdo", "--format", "json"), Command.RunAsync("survey", "--only", "fdo", "--format", "json"));
        Assert.All(runs, r => Assert.Equal(0, r.Code));
        Assert.Equal(runs[0].Output, runs[1].Output);
        Assert.Equal(JsonValueKind.Object, runs[0].Json.ValueKind);
        Assert.True(runs[0].Output.Length > 10_000);
    }

    [Theory]
    [InlineData("demo", "--only", "wifi", "--exit")]
    [InlineData("survey", "--only", "wifi")]
    [InlineData("serve", "--config", "/nonexistent/hatchery.json")]
    [InlineData("serve", "--listeners:public:prt=0")]
    [InlineData("serve", "--database:kind=papyrus", "--listeners:public:port=0", "--listeners:admin:port=0")]
    [InlineData("serve", "--masterKey:file=/nonexistent/key")]
    [InlineData("fdo", "voucher", "show", "/nonexistent/voucher.pem")]
    [InlineData("fdo", "key", "show", "/nonexistent/key.pem")]
    [InlineData("fdo", "device", "show", "--state", "empty")]
    [InlineData("fdo", "device", "init", "--manufacturer", "somewhere", "--state", "empty")]
    [InlineData("device", "list", "--server", "http://127.0.0.1:9", "--token", "hatch_x")]
    [InlineData("device", "list")]
    public async Task What_cannot_be_done_is_one_sentence_and_exit_code_1(params string[] arguments)
    {
        string folder = Running.NewFolder();
        var result = await Command.RunInAsync(folder, new Dictionary<string, string> { ["HATCHERY_TOKEN"] = null! }, arguments);
        Assert.Equal(1, result.Code);
        Assert.Equal("", result.Output);
        Assert.StartsWith("hatchery: ", result.Errors);
        Assert.Single(result.Errors.TrimEnd().Split('\n'));
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task A_configuration_that_is_no_JSON_is_one_sentence()
    {
        string folder = Running.NewFolder();
        await File.WriteAllTextAsync(Path.Combine(folder, "hatchery.json"), "{ \"listeners\": ", Running.Stop);
        var result = await Command.RunInAsync(folder, new Dictionary<string, string>(), "serve");
        Assert.Equal(1, result.Code);
        Assert.StartsWith("hatchery: ", result.Errors);
        Assert.Contains("hatchery.json", result.Errors);
        Assert.DoesNotContain("   at ", result.Errors);
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task Keys_are_made_once_readable_by_their_owner_only()
    {
        using var files = new Vouchers();
        string file = files.File("owner.key");
        var made = await Command.RunAsync("fdo", "key", "new", file, "--curve", "p384");
        Assert.Equal(0, made.Code);
        Assert.StartsWith("-----BEGIN PUBLIC KEY-----", made.Output);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, Running.ModeOf(file));
        using var key = ECDsa.Create();
        key.ImportFromPem(await File.ReadAllTextAsync(file, Running.Stop));
        Assert.Equal(384, key.KeySize);
        var shown = await Command.RunAsync("fdo", "key", "show", file);
        Assert.Equal(0, shown.Code);
        Assert.Contains(Convert.ToHexStringLower(SHA256.HashData(key.ExportSubjectPublicKeyInfo())), shown.Output, StringComparison.OrdinalIgnoreCase);
        Assert.Contains(made.Output.Trim(), shown.Output);
        Assert.DoesNotContain("PRIVATE", shown.Output);
        string before = await File.ReadAllTextAsync(file, Running.Stop);
        Assert.Equal(1, (await Command.RunAsync("fdo", "key", "new", file)).Code);
        Assert.Equal(before, await File.ReadAllTextAsync(file, Running.Stop));

        string large = files.File("rsa.key");
        Assert.Equal(0, (await Command.RunAsync("fdo", "key", "new", large, "--curve", "rsa2048")).Code);
        Assert.StartsWith("Rsa2048Restr", (await Command.RunAsync("fdo", "key", "show", large)).Output);
        using var rsa = RSA.Create(1024);
        foreach (string pem in new[] { rsa.ExportSubjectPublicKeyInfoPem(), rsa.ExportPkcs8PrivateKeyPem(), "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "nothing" })
        {
            await File.WriteAllTextAsync(files.File("other.pem"), pem, Running.Stop);
            var refused = await Command.RunAsync("fdo", "key", "show", files.File("other.pem"));
            Assert.True(refused.Code == 1, refused.Errors);
            Assert.StartsWith("hatchery: ", refused.Errors);
            Assert.DoesNotContain("   at ", refused.Errors);
        }
    }

    [Fact]
    public async Task Vouchers_are_shown_verified_and_extended()
    {
        using var files = new Vouchers();
        var guid = files.Make();
        string made = files.File("made.pem"), sold = files.File("sold.pem"), owner = files.File("owner.key"), other = files.File("other.key");
        Assert.Equal(0, (await Command.RunAsync("fdo", "key", "new", owner)).Code);
        Assert.Equal(0, (await Command.RunAsync("fdo", "key", "new", other)).Code);

        var shown = await Command.RunAsync("fdo", "voucher", "show", made, "--json");
        Assert.Equal(0, shown.Code);
        Assert.Equal(guid, shown.Json.GetProperty("guid").GetGuid());
        Assert.Equal("duck", shown.Json.GetProperty("deviceInfo").GetString());
        Assert.Equal("http://rendezvous.example:8080", shown.Json.GetProperty("rendezvous")[0].GetString());
        Assert.Contains($"{guid}", (await Command.RunAsync("fdo", "voucher", "show", made)).Output);

        Assert.Equal(1, (await Command.RunAsync("fdo", "voucher", "verify", made)).Code);
        Assert.Equal(0, (await Command.RunAsync("fdo", "voucher", "verify", made, "--allow-no-entries")).Code);

        var stranger = await Command.RunAsync("fdo", "voucher", "extend", made, "--key", other, "--to", owner, "--out", sold);
        Assert.Equal(1, stranger.Code);
        Assert.False(File.Exists(sold));
        Assert.Equal(0, (await Command.RunAsync("fdo", "voucher", "extend", made, "--key", files.File("manufacturer.key"), "--to", owner, "--out", sold)).Code);
        var verified = await Command.RunAsync("fdo", "voucher", "verify", sold, "--owner", owner, "--json");
        Assert.Equal(0, verified.Code);
        Assert.True(verified.Json.GetProperty("valid").GetBoolean());
        var wrong = await Command.RunAsync("fdo", "voucher", "verify", sold, "--owner", other, "--json");
        Assert.Equal(1, wrong.Code);
        Assert.False(wrong.Json.GetProperty("valid").GetBoolean());

        byte[] broken = Convert.FromBase64String(string.Concat((await File.ReadAllLinesAsync(sold, Running.Stop)).Where(l => !l.StartsWith('-'))));
        broken[^3] ^= 1;
        await File.WriteAllBytesAsync(files.File("broken.cbor"), broken, Running.Stop);
        var invalid = await Command.RunAsync("fdo", "voucher", "verify", files.File("broken.cbor"));
        Assert.Equal(1, invalid.Code);
        Assert.Contains("WRONG", invalid.Output);
    }

    private static async Task<string> TsharkAsync(params string[] arguments)
    {
        using var process = Command.StartProgram("tshark", Path.GetTempPath(), new Dictionary<string, string>(), arguments);
        var errors = process.StandardError.ReadToEndAsync(Running.Stop);
        string output = await process.StandardOutput.ReadToEndAsync(Running.Stop);
        await Command.EndAsync(process);
        Assert.True(process.ExitCode == 0, await errors);
        return output;
    }

    [GeneratedRegex(@"\n  ([a-z]+) ")]
    private static partial Regex Child();
}
