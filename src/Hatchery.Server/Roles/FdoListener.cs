using Hatchery.AspNetCore;
using Hatchery.Fdo;
using Hatchery.Fdo.Services;
using Hatchery.Fdo.Transport;

namespace Hatchery.Server.Roles;

/// <summary>FDO's roles that share a listener are one role: messages are dispatched by type. HTTP by paths, TCP and TLS by frames.</summary>
internal static class FdoListener
{
    /// <summary>A peer that says nothing for so long on a stream is let go; its conversation goes on elsewhere if it comes back in time.</summary>
    private static readonly TimeSpan s_idle = TimeSpan.FromMinutes(5);

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
        ServiceDriver Driver(FdoDispatcher dispatcher) => new(dispatcher, p => context.Actor(p, p.Name), p => context.Peer(p), context.Witness, context.Refused, context.Failed);
        if (context.CarrierOf(listener, path, "http", "https", "tcp", "tls") is "tcp" or "tls")
        {
            // Made when the first peer comes: by then all roles have started.
            var server = new Lazy<FdoStreamServer>(() => new FdoStreamServer(Driver(new FdoDispatcher([.. all])), context.Chance));
            context.ServeStreams(listener, path, (connection, stop) => ServeAsync(server.Value, connection, context, stop));
            return;
        }
        context.Serve(listener, path, () =>
        {
            var dispatcher = new FdoDispatcher([.. all]);
            return new HttpServiceDriver(Driver(dispatcher), new FdoHttpServer(dispatcher.Types, context.Chance));
        });
    }

    private static async Task ServeAsync(FdoStreamServer server, StreamConnection connection, RoleContext context, CancellationToken stop)
    {
        var stream = new FdoStream();
        var buffer = new byte[16384];
        using var idle = CancellationTokenSource.CreateLinkedTokenSource(stop);
        while (true)
        {
            idle.CancelAfter(s_idle);
            int read;
            try
            {
                read = await connection.Stream.ReadAsync(buffer, idle.Token);
            }
            catch (OperationCanceledException) when (!stop.IsCancellationRequested)
            {
                return;
            }
            if (read == 0)
                return;
            stream.Receive(buffer.AsSpan(0, read), default, context.Now(), default);
            while (stream.TryEvent(out var happened))
            {
                bool goOn = await server.HandleAsync(stream, happened, connection.CallerAt(context.Now()), stop);
                while (stream.TryTransmit(buffer, out var transmit))
                    await connection.Stream.WriteAsync(buffer.AsMemory(0, transmit.Length), stop);
                if (!goOn)
                    return;
            }
        }
    }
}
