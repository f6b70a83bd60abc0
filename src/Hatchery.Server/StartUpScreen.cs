using System.Text;
using Hatchery.AspNetCore;
using Hatchery.Server.Roles;
using Hatchery.Transports;

namespace Hatchery.Server;

/// <summary>What listens where, and what is insecure on purpose.</summary>
public sealed class StartUpScreen
{
    public string DataDirectory { get; set; } = "";
    public string Database { get; set; } = "";
    public string TokenFile { get; set; } = "";
    /// <summary>Of page and admin API.</summary>
    public string PageAddress { get; private set; } = "";
    public List<(string Name, string Address)> Listeners { get; } = [];
    public List<string> Roles { get; } = [];
    public List<string> Insecure { get; } = [];

    internal void Complete(ServerOptions options, RoleContext context, IReadOnlyList<Listener> listeners, IReadOnlyDictionary<string, IUdpPump> sockets)
    {
        foreach (var listener in listeners)
            Listeners.Add((listener.Options.Name, $"{listener.Options.Scheme}://{listener.EndPoint}"));
        foreach (var (name, socket) in sockets)
            Listeners.Add((name, $"udp://{socket.EndPoint}"));
        PageAddress = Listeners.FirstOrDefault(l => l.Name == options.Page.Listener).Address ?? "";
        Roles.AddRange(context.Summary);
        Insecure.AddRange(context.Insecure);
        if (options.Admission.AcceptAnyone)
            Insecure.Add("admission:acceptAnyone: every device that no rule refuses is admitted");
        if (options.Page.OpenForReading)
            Insecure.Add("page:openForReading: whoever reaches the page may read it");
        foreach (var (name, listener) in options.Listeners)
            if (listener.Carrier == "http" && listener.Address is not ("127.0.0.1" or "::1"))
                Insecure.Add($"listeners:{name}: plain HTTP on {listener.Address}");
    }

    public override string ToString()
    {
        var text = new StringBuilder("Hatchery is ready.\n");
        foreach (var (name, address) in Listeners)
            text.Append($"  {name,-10} {address}{(address == PageAddress ? "   page and admin API" : "")}\n");
        foreach (string role in Roles)
            text.Append($"  role       {role}\n");
        text.Append($"  database   {Database}\n  data       {DataDirectory}\n  token      {TokenFile}\n");
        if (Insecure.Count > 0)
            text.Append("  Insecure on purpose:\n");
        foreach (string line in Insecure)
            text.Append($"    - {line}\n");
        return text.ToString();
    }
}
