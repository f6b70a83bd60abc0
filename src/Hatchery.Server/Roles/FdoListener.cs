using Hatchery.Fdo;
using Hatchery.Fdo.Services;
using Hatchery.Fdo.Transport;

namespace Hatchery.Server.Roles;

/// <summary>FDO's roles that share a listener are one HTTP role: one set of paths, messages dispatched by type.</summary>
internal static class FdoListener
{
    public static void Add(RoleContext context, string listener, string path, params FdoService[] services)
    {
        string key = "fdo@" + listener;
        if (context.Shared.TryGetValue(key, out var known))
        {
            ((List<FdoService>)known).AddRange(services);
            return;
        }
        var all = new List<FdoService>(services);
        context.Shared[key] = all;
        context.Serve(listener, path, () =>
        {
            var dispatcher = new FdoDispatcher([.. all]);
            var driver = new ServiceDriver(dispatcher, p => context.Actor(p, p.Name), p => context.Peer(p), context.Witness, context.Refused, context.Failed);
            return new HttpServiceDriver(driver, new FdoHttpServer(dispatcher.Types, context.Chance));
        });
    }
}
