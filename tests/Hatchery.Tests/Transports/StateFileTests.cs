using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using Hatchery.Transports;

namespace Hatchery.Tests.Transports;

public sealed class StateFileTests : IDisposable
{
    private const string Victim = "HATCHERY_TEST_SAVES_INTO";
    private readonly string _folder = Directory.CreateTempSubdirectory("state").FullName;
    private readonly Dictionary<string, Origin> _origins = new() { ["owner"] = Origin.Protocol, ["pin"] = Origin.User };
    private string Path => System.IO.Path.Combine(_folder, "sub", "device.json");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private StateFile<Held> Open(byte key = 1) => StateFile.Open(Sample.Schema, Path, Sample.Sealer(key));

    [Fact]
    public void What_was_saved_is_loaded_with_its_origins_and_the_secret_is_sealed()
    {
        using (var file = Open())
        {
            Assert.Null(file.Load());
            file.Save(new Held("alice", new SecretText("4711-4711"), 7), _origins);
        }
        using var again = Open();
        Assert.Equal(new Held("alice", new SecretText("4711-4711"), 7), again.Load());
        Assert.Equal(_origins, again.Origins.ToDictionary());
        Assert.DoesNotContain("4711-4711", File.ReadAllText(Path), StringComparison.Ordinal);
        if (!OperatingSystem.IsWindows())
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path));
        again.Delete();
        Assert.Null(again.Load());
    }

    [Fact]
    public void A_file_cut_or_changed_anywhere_is_refused_with_its_name()
    {
        using var file = Open();
        file.Save(new Held("alice", new SecretText("4711"), 7), _origins);
        var whole = File.ReadAllBytes(Path);
        for (int n = 0; n < whole.Length; n++)
        {
            File.WriteAllBytes(Path, whole[..n]);
            Assert.Equal(Path, Assert.Throws<StateFileException>(() => file.Load()).File);
            var changed = whole.ToArray();
            changed[n] ^= 1;
            File.WriteAllBytes(Path, changed);
            // A bit of the digest's own letters may change their case only.
            try
            {
                Assert.Equal(7, file.Load()!.Count);
                Assert.Fail($"The change at {n} went unnoticed.");
            }
            catch (StateFileException)
            {
            }
        }
        File.WriteAllBytes(Path, whole);
        Assert.Equal(7, file.Load()!.Count);
    }

    [Fact]
    public void Another_key_is_named_as_the_cause()
    {
        using (var file = Open())
            file.Save(new Held("alice", new SecretText("4711"), 7), _origins);
        using var other = Open(key: 2);
        Assert.Contains("another key", Assert.Throws<StateFileException>(() => other.Load()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_left_over_of_a_killed_save_is_removed_and_the_old_state_stands()
    {
        using (var file = Open())
            file.Save(new Held("alice", null, 1), _origins);
        File.WriteAllText(Path + ".new", "{\"hatch");
        using var again = Open();
        Assert.False(File.Exists(Path + ".new"));
        Assert.Equal(1, again.Load()!.Count);
    }

    [Fact]
    public void Two_processes_cannot_run_one_device()
    {
        using (Open())
            Assert.Contains("another process", Assert.Throws<StateFileException>(() => Open()).Message, StringComparison.Ordinal);
        Open().Dispose();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    [InlineData(17)]
    [InlineData(60)]
    [InlineData(151)]
    public async Task Killed_while_it_saves_a_device_has_the_old_state_or_the_new(int after)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardOutput = true, UseShellExecute = false };
        if (System.IO.Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet")
            start.ArgumentList.Add(typeof(StateFileTests).Assembly.Location);
        start.Environment[Victim] = Path;
        using var victim = Process.Start(start)!;
        for (int n = 0; n < after; n++)
            Assert.NotNull(await victim.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken));
        victim.Kill();
        var rest = (await victim.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken)).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        await victim.WaitForExitAsync(TestContext.Current.CancellationToken);
        int reported = after + rest.Length;
        using var file = Open();
        var state = file.Load();
        Assert.NotNull(state);
        // The last line may have been cut off in the pipe, the last save may not have been reported.
        Assert.InRange(state.Count, reported - 1, reported + 1);
        Assert.Equal(new string('x', 300_000) + state.Count.ToString(CultureInfo.InvariantCulture), state.Owner);
    }

    /// <summary>The victim: this very program, told by its environment to save until it is killed.</summary>
    [ModuleInitializer]
    internal static void SaveUntilKilled()
    {
        if (Environment.GetEnvironmentVariable(Victim) is not { } path)
            return;
        using var file = StateFile.Open(Sample.Schema, path, Sample.Sealer(1));
        using var output = new StreamWriter(Console.OpenStandardOutput()) { AutoFlush = true };
        for (int n = 1; ; n++)
        {
            file.Save(new Held(new string('x', 300_000) + n.ToString(CultureInfo.InvariantCulture), null, n), new Dictionary<string, Origin>());
            output.Write($"{n}\n");
        }
    }
}
