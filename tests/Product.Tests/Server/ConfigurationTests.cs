using System.Text;
using Hatchery.Server;
using Microsoft.Extensions.Configuration;

namespace Product.Tests.Server;

public sealed class ConfigurationTests
{
    [Theory]
    [InlineData("colour", "red", "colour")]
    [InlineData("listeners:public:prt", "1", "listeners:public")]
    [InlineData("listeners:public:port", "many", "listeners:public")]
    [InlineData("listeners:public:port", "65536", "listeners:public:port")]
    [InlineData("listeners:public:port", "-1", "listeners:public:port")]
    [InlineData("listeners:public:address", "localhost", "listeners:public:address")]
    [InlineData("listeners:public:carrier", "pigeon", "listeners:public:carrier")]
    [InlineData("listeners:public:clientCertificates", "some", "listeners:public:clientCertificates")]
    [InlineData("listeners:public:carrier", "https", "listeners:public:certificate")]
    [InlineData("listeners:public:carrier", "tls", "listeners:public:certificate")]
    [InlineData("listeners:public:carrier", "udp", "roles:fdo.manufacturer:listener")]
    [InlineData("listeners:admin:carrier", "tcp", "page:listener")]
    [InlineData("roles:fdo.reseller:listener", "public", "roles:fdo.reseller")]
    [InlineData("roles:fdo.owner:listener", "factory", "roles:fdo.owner:listener")]
    [InlineData("roles:fdo.owner:listener", "admin", "roles:fdo.owner:listener")]
    [InlineData("roles:fdo.owner:lisener", "public", "roles:fdo.owner")]
    [InlineData("roles:fdo.owner:addresses:0", "owner.example", "roles:fdo.owner:addresses")]
    [InlineData("roles:fdo.owner:addresses:0", null, "roles:fdo.owner:addresses")]
    [InlineData("roles:fdo.owner:rendezvous:0", "owner.example", "roles:fdo.owner:rendezvous")]
    [InlineData("roles:fdo.owner:files:0:name", "a", "roles:fdo.owner:files:0")]
    [InlineData("roles:fdo.manufacturer:rendezvous:0", "http://a:1;often", "roles:fdo.manufacturer:rendezvous")]
    [InlineData("roles:fdo.rendezvous:maxWaitSeconds", "0", "roles:fdo.rendezvous:maxWaitSeconds")]
    [InlineData("database:kind", "papyrus", "database:kind")]
    [InlineData("database:kind", "postgres", "database:connection")]
    [InlineData("admission:rules:0:action", "ponder", "admission:rules:0:action")]
    [InlineData("admission:acceptAnyone", "perhaps", "admission")]
    [InlineData("drainSeconds", "soon", "drainSeconds")]
    [InlineData("otlp", "there", "otlp")]
    [InlineData("page:listener", "factory", "page:listener")]
    [InlineData("masterKey:file", "/nonexistent/key", "masterKey:file")]
    [InlineData("masterKey:environment", "HATCHERY_TEST_NO_SUCH_VARIABLE", "masterKey:environment")]
    [InlineData("masterKey:command", "/nonexistent/program", "masterKey:command")]
    public async Task A_fault_names_its_path_in_one_sentence(string key, string? value, string path)
    {
        var fault = await Assert.ThrowsAsync<ConfigurationFault>(() => Running.StartAsync(s => s[key] = value));
        Assert.Equal(path, fault.Path);
        Assert.StartsWith(path + ": ", fault.Message);
        Assert.DoesNotContain('\n', fault.Message);
        Assert.DoesNotContain("BinderOptions", fault.Message);
    }

    [Fact]
    public async Task Only_one_source_of_the_master_key_is_taken()
    {
        var fault = await Assert.ThrowsAsync<ConfigurationFault>(() => Running.StartAsync(s =>
        {
            s["masterKey:file"] = "key";
            s["masterKey:environment"] = "KEY";
        }));
        Assert.Equal("masterKey", fault.Path);
    }

    [Theory]
    [InlineData("nobody", "listeners:public:certificate")]
    [InlineData("bad", "certificates:bad")]
    [InlineData("missing", "certificates:missing")]
    public async Task A_certificate_that_cannot_be_used_is_named(string name, string path)
    {
        string folder = Running.NewFolder();
        await File.WriteAllTextAsync(Path.Combine(folder, "bad.pem"), "not a certificate", Running.Stop);
        var fault = await Assert.ThrowsAsync<ConfigurationFault>(() => Running.StartAsync(s =>
        {
            s["listeners:public:carrier"] = "https";
            s["listeners:public:certificate"] = name;
            s["certificates:bad:file"] = s["certificates:bad:key"] = Path.Combine(folder, "bad.pem");
            s["certificates:missing:file"] = s["certificates:missing:key"] = Path.Combine(folder, "missing.pem");
        }));
        Assert.Equal(path, fault.Path);
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task A_port_that_is_taken_is_a_fault_of_the_configuration()
    {
        await using var first = await Running.StartAsync(s => s["database:kind"] = "memory");
        var fault = await Assert.ThrowsAsync<ConfigurationFault>(() => Running.StartAsync(s => s["listeners:public:port"] = $"{first.Port}"));
        Assert.Contains($"{first.Port}", fault.Message);
    }

    [Fact]
    public void Environment_and_command_line_go_over_the_file_in_this_order()
    {
        Environment.SetEnvironmentVariable("HATCHERYTEST__LISTENERS__PUBLIC__PORT", "2");
        Environment.SetEnvironmentVariable("HATCHERYTEST__OPERATEDBY", "environment");
        var options = ServerOptions.Read(new ConfigurationBuilder()
            .AddJsonStream(new MemoryStream(Encoding.UTF8.GetBytes("""{ "dataDirectory": "file", "operatedBy": "file", "listeners": { "public": { "address": "::1", "port": 1 } } }""")))
            .AddEnvironmentVariables("HATCHERYTEST__").AddCommandLine(["--listeners:public:port=3"]).Build());
        Assert.Equal("file", options.DataDirectory);
        Assert.Equal("environment", options.OperatedBy);
        Assert.Equal(3, options.Listeners["public"].Port);
        Assert.Equal("::1", options.Listeners["public"].Address);
    }

    [Fact]
    public async Task Names_do_not_depend_on_case()
    {
        await using var running = await Running.StartAsync(s =>
        {
            s["database:kind"] = "memory";
            foreach (string key in s.Keys.Where(k => k.StartsWith("listeners:", StringComparison.Ordinal) || k.StartsWith("roles:", StringComparison.Ordinal)).ToList())
                if (s.Remove(key, out string? value))
                    s[key.ToUpperInvariant()] = value;
            s["page:listener"] = "Admin";
            s["ROLES:FDO.OWNER:LISTENER"] = "Public";
        });
        Assert.Equal(3, running.Server.Screen.Roles.Count);
        using var response = await running.MessageAsync(60, [0x80]);
        Assert.Equal(System.Net.HttpStatusCode.InternalServerError, response.StatusCode);
        Assert.Empty((await running.GetAsync("/devices")).EnumerateArray());
    }

    [Fact]
    public async Task What_is_insecure_is_said_at_start_up()
    {
        await using var demo = await Running.StartAsync(s => (s["page:openForReading"], s["capture"]) = ("true", Path.Combine(Path.GetDirectoryName(s["dataDirectory"])!, "all.pcapng")));
        string screen = demo.Server.Screen.ToString();
        foreach (string word in new[] { "admission:acceptAnyone", "page:openForReading", "masterKey:", "fdo.manufacturer:", "capture:", "Insecure on purpose" })
            Assert.Contains(word, screen);
        Assert.DoesNotContain(demo.Token, screen);

        await using var strict = await Running.StartAsync(s =>
        {
            s["admission:acceptAnyone"] = "false";
            foreach (string key in s.Keys.Where(k => k.StartsWith("roles:fdo.manufacturer", StringComparison.Ordinal)).ToList())
                s.Remove(key);
            string file = Path.Combine(Path.GetDirectoryName(s["dataDirectory"])!, "master");
            Hatchery.Storage.SealingKey.CreateFile(file, new Hatchery.Cryptography.SystemChance()).Dispose();
            s["masterKey:file"] = file;
        });
        Assert.Empty(strict.Server.Screen.Insecure);
    }
}
