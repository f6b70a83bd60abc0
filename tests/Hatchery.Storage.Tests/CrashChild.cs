namespace Hatchery.Storage.Tests;

/// <summary>The program that the crash test kills: commits in a loop with eight producers and says each key once its commit has returned.</summary>
internal static class CrashChild
{
    public const string Argument = "--commit-until-killed";

    public static async Task<int> RunAsync(string path)
    {
        using var sealer = new AesGcmSealer(new byte[32], new SystemDraws());
        await using var store = await SqliteStore.OpenAsync(path, sealer, TimeProvider.System);
        await using var said = Console.OpenStandardOutput();
        var gate = new Lock();
        await Task.WhenAll(Enumerable.Range(0, 8).Select(producer => Task.Run(async () =>
        {
            for (int i = 0; ; i++)
            {
                var unit = store.Begin(Caller.Local("child", new Moment(TimeSpan.Zero, DateTimeOffset.UtcNow)));
                string key = $"{producer}-{i}";
                unit.Insert(Gadget.Schema, new(key), new Gadget(key, "child"));
                unit.Report(Facts.Seen($"{producer}", [$"{producer}"]));
                await unit.CommitAsync(CancellationToken.None);
                lock (gate)
                    said.Write(System.Text.Encoding.ASCII.GetBytes(key + "\n"));
            }
        })));
        return 1;
    }
}
