namespace Hatchery.Radius.Tests.Peers;

/// <summary>A cable: two Ethernet interfaces, wire0 and wire1, in a network namespace that ends with the process that runs a scenario in it. Not root: in a user namespace too.</summary>
internal static class Wire
{
    public const string Argument = "--on-a-wire";

    /// <summary>Runs this program again in a namespace of its own, where its Main hands the scenario to <see cref="InNamespaceAsync"/>; what fails there fails here.</summary>
    public static async Task RunAsync(string scenario)
    {
        using var patience = PeerProcess.Patience();
        string[] user = Environment.UserName == "root" ? [] : ["--user", "--map-root-user"];
        using var child = new PeerProcess("unshare", [.. user, "--net", "--", "setpriv", .. PeerProcess.DiesWithParent, Environment.ProcessPath!, .. Dll(), Argument, scenario]);
        var (code, output) = await child.EndsAsync(patience.Token);
        Assert.True(code == 0, output);
    }

    /// <summary>Where the program is run by the dotnet command.</summary>
    private static string[] Dll() => Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet" ? [typeof(Wire).Assembly.Location] : [];

    public static async Task<int> InNamespaceAsync(Func<CancellationToken, Task> scenario)
    {
        using var patience = PeerProcess.Patience(45);
        try
        {
            await IpAsync("link set lo up", patience.Token);
            await IpAsync("link add name wire0 type veth peer name wire1", patience.Token);
            await IpAsync("link set wire0 up", patience.Token);
            await IpAsync("link set wire1 up", patience.Token);
            await scenario(patience.Token);
            return 0;
        }
        catch (Exception e)
        {
            await Console.Error.WriteLineAsync(e.ToString());
            return 1;
        }
    }

    private static async Task IpAsync(string command, CancellationToken cancel)
    {
        using var ip = new PeerProcess("ip", command.Split(' '));
        var (code, output) = await ip.EndsAsync(cancel);
        Assert.True(code == 0, $"ip {command}: {output}");
    }
}
