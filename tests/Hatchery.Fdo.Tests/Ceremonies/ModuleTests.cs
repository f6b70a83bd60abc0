using System.Collections.Immutable;
using System.Security.Cryptography;
using Hatchery.Cryptography;
using Hatchery.Fdo.Device;
using Hatchery.Fdo.Device.Modules;
using Hatchery.Fdo.Owner;
using Hatchery.Fdo.Owner.Modules;
using Hatchery.Pki;
using Hatchery.Transports;

namespace Hatchery.Fdo.Tests.Ceremonies;

/// <summary>The ServiceInfo modules of both sides against each other, in whole ceremonies whose sessions are written and read between any two messages.</summary>
public sealed class ModuleTests : IDisposable
{
    private static readonly SystemChance s_chance = new();
    private readonly string _folder = Directory.CreateTempSubdirectory("fdo-modules").FullName;
    private readonly MemoryFiles _files = new();

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private async Task<(Outcome Outcome, DeviceCredential? After, ImmutableArray<OwnerResult> Results, Fleet Fleet)> RunAsync(IDeviceModule[] device, OwnerModule[] owner)
    {
        var fleet = new Fleet(ECCurve.NamedCurves.nistP256, "http://owner.test:80;bypass", new ServiceInfoPlan("p", [.. owner]), s => new WrittenSessions(s));
        var credential = fleet.Manufacture(ECCurve.NamedCurves.nistP256);
        await fleet.SellAsync(credential.Guid);
        var world = fleet.World<DeviceCredential>(device);
        var outcome = world.Run(fleet.Driver(fleet.Device(credential, Fleet.DeviceOptions with { Modules = [.. device.Select(d => d.Name)] }), world,
            DeviceCredential.Schema, FdoPlayers.Device));
        var after = world.Saved.LastOrDefault();
        var results = after is null ? [] : await OwnerResults.OfAsync(fleet.OwnerStore, after.Guid, Fleet.Operator, default);
        return (outcome, after, results, fleet);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(1014)]
    [InlineData(20_000)]
    public async Task A_file_is_uploaded_whole(int length)
    {
        _files.Files["log"] = RandomNumberGenerator.GetBytes(length);
        var (outcome, _, results, _) = await RunAsync([new UploadModule(_files)], [new Upload("log")]);
        Assert.True(outcome.Succeeded, outcome.Reason);
        var result = Assert.Single(results);
        Assert.Equal(("fdo.upload:log", $"{length} bytes"), (result.Name, result.Outcome));
        Assert.Equal(_files.Files["log"], result.Content is null ? [] : result.Content.Reveal().ToArray());
    }

    [Fact]
    public async Task An_upload_of_what_is_not_there_too_large_or_refused_ends_the_onboarding()
    {
        _files.Files["log"] = new byte[2000];
        foreach (var (device, owner) in new (IDeviceModule, OwnerModule)[]
        {
            (new UploadModule(_files), new Upload("other")), (new UploadModule(_files, 1999), new Upload("log")), (new UploadModule(_files), new Upload("log", 1999)),
            (new UploadModule(new DeviceFolder(_folder)), new Upload("/etc/passwd")), (new UploadModule(new DeviceFolder(_folder)), new Upload("../x")),
        })
        {
            var (outcome, after, _, _) = await RunAsync([device], [owner]);
            Assert.False(outcome.Succeeded);
            Assert.Null(after);
        }
    }

    [Fact]
    public async Task An_upload_whose_hash_or_length_is_wrong_is_not_taken()
    {
        foreach (var lie in new (string, byte[])[][]
        {
            [("length", ServiceInfoValue.Number(3)), ("data", ServiceInfoValue.Bytes([1, 2, 3])), ("sha-384", ServiceInfoValue.Bytes(new byte[48]))],
            [("length", ServiceInfoValue.Number(2)), ("data", ServiceInfoValue.Bytes([1, 2, 3]))],
            [("length", ServiceInfoValue.Number(-1))],
            [("length", ServiceInfoValue.Number(1L << 40))],
            [("length", ServiceInfoValue.Text("3"))],
            [("length", ServiceInfoValue.Number(3)), ("data", ServiceInfoValue.Bytes([1, 2, 3])), ("sha-384", ServiceInfoValue.Bytes(new byte[47]))],
        })
        {
            var (outcome, _, _, fleet) = await RunAsync([new Liar("fdo.upload", "name", lie)], [new Upload("log")]);
            Assert.False(outcome.Succeeded);
            Assert.Contains("101 fdo.upload:", Assert.Single(fleet.Refusals), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_command_runs_in_the_devices_folder_and_its_output_comes_back()
    {
        var programs = new DevicePrograms(_folder, new DeviceProgramOptions { Environment = ImmutableDictionary<string, string>.Empty.Add("GREETING", "hello") });
        using var module = new CommandModule(programs);
        var (outcome, _, results, _) = await RunAsync([module],
            [new Command("sh", ["-c", "echo $GREETING; pwd; printf wrong >&2; exit 3"], mayFail: true), new Command("sh", ["-c", "head -c 100000 /dev/zero"]), new Command("no-such-program", [], mayFail: true)]);
        Assert.True(outcome.Succeeded, outcome.Reason);
        Assert.Equal(["exit code 3", "exit code 3", "exit code 0", "exit code 127"], results.Select(r => r.Outcome));
        Assert.Equal($"hello\n{_folder}\n", System.Text.Encoding.UTF8.GetString(results[0].Content!.Reveal()));
        Assert.Equal("wrong", System.Text.Encoding.UTF8.GetString(results[1].Content!.Reveal()));
        Assert.Equal(100_000, results[2].Content!.Length);
    }

    [Fact]
    public async Task A_command_that_may_not_fail_and_one_that_is_not_allowed_end_the_onboarding()
    {
        foreach (var (options, command) in new[] { (new DeviceProgramOptions(), new Command("false", [])), (new DeviceProgramOptions { Allowed = ["true"] }, new Command("uname", [])),
            (new DeviceProgramOptions(), new Command("sh", ["-c", "head -c 5000 /dev/zero"], maxOutput: 4000)) })
        {
            using var module = new CommandModule(new DevicePrograms(_folder, options));
            var (outcome, after, _, _) = await RunAsync([module], [command]);
            Assert.False(outcome.Succeeded);
            Assert.Null(after);
        }
    }

    [Fact]
    public async Task A_command_is_ended_at_its_limit_and_by_a_signal()
    {
        var programs = new DevicePrograms(_folder, new DeviceProgramOptions { Limit = TimeSpan.FromMilliseconds(50) });
        using (var module = new CommandModule(programs))
        {
            var (outcome, _, results, _) = await RunAsync([module], [new Command("sleep", ["1000"], mayFail: true)]);
            Assert.True(outcome.Succeeded, outcome.Reason);
            Assert.Equal("exit code 137", Assert.Single(results).Outcome);
        }
        using var running = new DevicePrograms(_folder, new DeviceProgramOptions()).Start("sleep", ["1000"]);
        running.Signal(15);
        int? code = null;
        while (code is null)
            code = (await running.ReadAsync(TimeSpan.FromSeconds(10), default)).ExitCode;
        Assert.Equal(143, code);
    }

    [Fact]
    public async Task A_device_fetches_a_file_whose_hash_is_right()
    {
        byte[] content = RandomNumberGenerator.GetBytes(10_000);
        var fetcher = new MemoryFetcher(content);
        var (outcome, after, _, _) = await RunAsync([new WgetModule(_files, fetcher)], [new Wget(new Uri("http://files.test/a/agent.bin?key=secret"), null, SHA384.HashData(content)), new Wget(new Uri("http://files.test/x"), "y", default)]);
        Assert.True(outcome.Succeeded, outcome.Reason);
        Assert.Equal(content, _files.Files["agent.bin"]);
        Assert.Equal(content, _files.Files["y"]);
        Assert.Contains(after!.Delivered, d => d.Name == "fdo.wget:agent.bin");
    }

    [Fact]
    public async Task A_fetched_file_with_another_hash_without_one_or_not_there_leaves_nothing()
    {
        byte[] content = [1, 2, 3];
        foreach (var (module, owner) in new[]
        {
            (new WgetModule(_files, new MemoryFetcher(content)), new Wget(new Uri("http://files.test/a"), null, new byte[48])),
            (new WgetModule(_files, new MemoryFetcher(content), requireHash: true), new Wget(new Uri("http://files.test/a"), null, default)),
            (new WgetModule(_files, new MemoryFetcher(null)), new Wget(new Uri("http://files.test/a"), null, default)),
            (new WgetModule(new DeviceFolder(_folder), new MemoryFetcher(content)), new Wget(new Uri("http://files.test/a"), "/etc/motd", default)),
        })
        {
            var (outcome, _, _, fleet) = await RunAsync([module], [owner]);
            Assert.False(outcome.Succeeded);
            Assert.Empty(_files.Files);
            Assert.Contains("fdo.wget:error", Assert.Single(fleet.Refusals), StringComparison.Ordinal);
        }
        var (may, _, results, _) = await RunAsync([new WgetModule(_files, new MemoryFetcher(null))], [new Wget(new Uri("http://files.test/a"), null, default, mayFail: true)]);
        Assert.True(may.Succeeded);
        Assert.Equal("not fetched", Assert.Single(results).Outcome);
    }

    [Theory]
    [InlineData(CsrRequest.SimpleEnroll)]
    [InlineData(CsrRequest.SimpleReenroll)]
    [InlineData(CsrRequest.ServerKeyGen)]
    public async Task A_device_gets_its_operational_certificate(CsrRequest request)
    {
        var ca = CertificateAuthority.CreateRoot("CN=Operations", ECDsa.Create(ECCurve.NamedCurves.nistP256), DirectWorld<DeviceCredential>.Start.AddYears(-1), TimeSpan.FromDays(3650), s_chance);
        using var module = new CsrModule("CN=whoever I like to be", ECCurve.NamedCurves.nistP256, s_chance, request);
        var (outcome, after, _, _) = await RunAsync([module], [new CertificateSigning(new CaEnrollment(ca, TimeSpan.FromDays(365)), serverKeyGen: true)]);
        Assert.True(outcome.Succeeded, outcome.Reason);
        SecretBytes Item(string name) => after!.Delivered.Single(d => d.Name == name).Content!;
        byte[] certificate = Item("fdo.csr:certificate").Reveal().ToArray();
        CertificateChains.Verify([certificate], ca.Chain, DirectWorld<DeviceCredential>.Start);
        Assert.Equal(ca.Chain[0].ToArray(), Item("fdo.csr:cacerts").Reveal().ToArray());
        using var key = SigningKeys.ImportPrivate(Item("fdo.csr:key").Reveal());
        Assert.Equal(key.ExportSubjectPublicKeyInfo(), LeafKey.SubjectPublicKeyInfo(certificate).ToArray());
        using var read = System.Security.Cryptography.X509Certificates.X509CertificateLoader.LoadCertificate(certificate);
        Assert.DoesNotContain("whoever", read.Subject, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_refused_certificate_is_not_the_end_and_a_foreign_one_is()
    {
        var ca = CertificateAuthority.CreateRoot("CN=Operations", ECDsa.Create(ECCurve.NamedCurves.nistP256), DirectWorld<DeviceCredential>.Start.AddYears(-1), TimeSpan.FromDays(3650), s_chance);
        using var module = new CsrModule("CN=a", ECCurve.NamedCurves.nistP256, s_chance, CsrRequest.ServerKeyGen);
        var (refused, after, _, _) = await RunAsync([module], [new CertificateSigning(new CaEnrollment(ca, TimeSpan.FromDays(365)))]);
        Assert.True(refused.Succeeded, refused.Reason);
        Assert.DoesNotContain(after!.Delivered, d => d.Name == "fdo.csr:certificate");
        using var second = new CsrModule("CN=a", ECCurve.NamedCurves.nistP256, s_chance);
        var (foreign, _, _, _) = await RunAsync([second], [new CertificateSigning(new ForeignEnrollment(ca))]);
        Assert.False(foreign.Succeeded);
        var (bad, _, _, _) = await RunAsync([new Liar("fdo.csr", "active", ("simpleenroll-req", ServiceInfoValue.Text("AAAA")))], [new CertificateSigning(new CaEnrollment(ca, TimeSpan.FromDays(1)))]);
        Assert.True(bad.Succeeded, bad.Reason);
    }

    /// <summary>Values that fit no message of the smallest size are cut by the one side and joined by the other.</summary>
    [Fact]
    public void Certificates_go_through_their_text_forms()
    {
        var ca = CertificateAuthority.CreateRoot("CN=A", ECDsa.Create(ECCurve.NamedCurves.nistP384), DirectWorld<DeviceCredential>.Start, TimeSpan.FromDays(1), s_chance);
        var decoded = CertsOnly.Decode(CertsOnly.Encode([ca.Chain[0], ca.Chain[0]]), "test");
        Assert.Equal(2, decoded.Length);
        Assert.Equal(ca.Chain[0].ToArray(), decoded[0].ToArray());
        Assert.Equal(ca.Chain[0].ToArray(), Assert.Single(CertsOnly.Decode(PemEncoding.WriteString("CERTIFICATE", ca.Chain[0].Span), "test")).ToArray());
        foreach (string bad in new[] { "", "!", "AAAA", "MAA=", Convert.ToBase64String([0x30, 0x03, 0x06, 0x01, 0x2A]) })
            Assert.Equal("101", Assert.Throws<FdoException>(() => CertsOnly.Decode(bad, "test")).Error);
        var parts = CertsOnly.Parts(CertsOnly.Multipart([1, 2, 3], [ca.Chain[0]]), "test");
        Assert.Equal([1, 2, 3], CertsOnly.FromBase64(parts["application/pkcs8"], "test"));
        Assert.Single(CertsOnly.Decode(parts["application/pkcs7-mime"], "test"));
        var cms = new System.Security.Cryptography.X509Certificates.X509Certificate2Collection(System.Security.Cryptography.X509Certificates.X509CertificateLoader.LoadCertificate(ca.Chain[0].Span));
        Assert.Single(CertsOnly.Decode(Convert.ToBase64String(cms.Export(System.Security.Cryptography.X509Certificates.X509ContentType.Pkcs7)!), "test"));
    }

    [Fact]
    public async Task Modules_that_the_device_does_not_have_are_skipped_and_said_so()
    {
        var (outcome, after, results, fleet) = await RunAsync([new DownloadModule(_files)], [new Command("uname", []), new Download("a", new byte[] { 1 }), new Upload("a")]);
        Assert.True(outcome.Succeeded, outcome.Reason);
        Assert.Empty(results);
        Assert.Equal([1], _files.Files["a"]);
        var device = (await fleet.OwnerStore.Registry.FindAsync(new Identifier("fdo.guid", after!.Guid.ToString("N")), default))!;
        var audit = await fleet.OwnerStore.Registry.AuditAsync(0, 1000, device.Id, default);
        Assert.Contains(audit, a => a.Detail.Contains("skipped, the device has no fdo.command", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_plan_that_changes_in_the_middle_of_a_session_ends_it()
    {
        int asked = 0;
        var fleet = new Fleet(ECCurve.NamedCurves.nistP256, "http://owner.test:80;bypass", planner: new Changing(() => ++asked < 4 ? "first" : "second"));
        var credential = fleet.Manufacture(ECCurve.NamedCurves.nistP256);
        await fleet.SellAsync(credential.Guid);
        var world = fleet.World<DeviceCredential>(_files);
        Assert.False(world.Run(fleet.Driver(fleet.Device(credential), world, DeviceCredential.Schema, FdoPlayers.Device)).Succeeded);
        Assert.Contains(fleet.Refusals, r => r.Contains("500", StringComparison.Ordinal));
    }

    private sealed class Changing(Func<string> name) : IServiceInfoPlanner
    {
        public ValueTask<ServiceInfoPlan> PlanAsync(Guid newGuid, Guid oldGuid, string serial, string profile, CancellationToken cancel) =>
            new(new ServiceInfoPlan(name(), [new Download("x", new byte[20_000])]));
    }

    /// <summary>A module that answers one message with what the test says.</summary>
    private sealed class Liar(string name, string trigger, params (string Message, byte[] Value)[] answers) : IDeviceModule
    {
        public string Name => name;
        public void Begin() { }

        public ValueTask ActivateAsync(ModuleReplies replies, CancellationToken cancel) => Answer("active", replies);
        public ValueTask ReceiveAsync(string message, ReadOnlyMemory<byte> value, ModuleReplies replies, CancellationToken cancel) => Answer(message, replies);

        private ValueTask Answer(string message, ModuleReplies replies)
        {
            if (message == trigger)
                foreach (var (what, value) in answers)
                    replies.Add(what, value);
            return default;
        }
    }

    private sealed class ForeignEnrollment(CertificateAuthority ca) : IDeviceEnrollment
    {
        public ImmutableArray<ReadOnlyMemory<byte>> CaCertificates => ca.Chain;
        public ValueTask<(ReadOnlyMemory<byte> Certificate, CsrError? Error)> EnrollAsync(Pkcs10 request, bool again, ModuleContext context, CancellationToken cancel) => new((ca.Chain[0], null));
    }

    private sealed class MemoryFetcher(byte[]? content) : IDeviceFetcher
    {
        public ValueTask<long> FetchAsync(Uri from, Action<ReadOnlyMemory<byte>> into, CancellationToken cancel)
        {
            if (content is null)
                throw new DeviceFetchException("not there.");
            for (int at = 0; at < content.Length; at += 777)
                into(content.AsMemory(at, Math.Min(777, content.Length - at)));
            return new(content.Length);
        }
    }
}
