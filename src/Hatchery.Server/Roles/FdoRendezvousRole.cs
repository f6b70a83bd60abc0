using Hatchery.Fdo;
using Hatchery.Fdo.Rendezvous;
using Microsoft.Extensions.Configuration;

namespace Hatchery.Server.Roles;

public sealed class FdoRendezvousOptions
{
    public string Listener { get; set => field = value.ToLowerInvariant(); } = "public";
    /// <summary>The longest registration granted.</summary>
    public int MaxWaitSeconds { get; set; } = 30 * 24 * 3600;
}

/// <summary>FDO's Rendezvous Server: TO0 and TO1.</summary>
public sealed class FdoRendezvousRole : IServerRole
{
    public string Id => "fdo.rendezvous";
    public Protocol Protocol => FdoProfile.Protocol;

    public ValueTask StartAsync(IConfigurationSection section, RoleContext context, CancellationToken cancel)
    {
        var options = ServerOptions.Bind<FdoRendezvousOptions>(section);
        if (options.MaxWaitSeconds < 1)
            throw new ConfigurationFault(section.Path + ":maxWaitSeconds", "at least 1.");
        FdoListener.Add(context, options.Listener, section.Path + ":listener",
            new To0Service(context.Store, context.Admission, context.Chance, new RendezvousOptions { MaxWait = TimeSpan.FromSeconds(options.MaxWaitSeconds) }),
            new To1Service(context.Store, context.Admission, context.Chance));
        context.Summary.Add($"{Id} on {options.Listener}");
        return default;
    }
}
