using System.Net;
using System.Security.Cryptography;
using Hatchery.AspNetCore;
using Hatchery.Cryptography;
using Hatchery.Server.Admin;
using Hatchery.Server.Page;
using Hatchery.Server.Policy;
using Hatchery.Server.Roles;
using Hatchery.Storage;
using Hatchery.Transports;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;

namespace Hatchery.Server;

/// <summary>Every infrastructure role, over one database, one policy, one audit log and one page.</summary>
public sealed class HatcheryServer : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly ServerOptions _options;
    private readonly List<IAsyncDisposable> _owned;
    private readonly CancellationTokenSource _stop = new();
    private readonly List<Task> _jobs = [];
    private readonly IReadOnlyList<Listener> _listeners;
    private readonly IReadOnlyDictionary<string, IUdpPump> _sockets;

    private HatcheryServer(WebApplication app, ServerOptions options, List<IAsyncDisposable> owned, IReadOnlyList<Listener> listeners, IReadOnlyDictionary<string, IUdpPump> sockets,
        StartUpScreen screen) => (_app, _options, _owned, _listeners, _sockets, Screen) = (app, options, owned, listeners, sockets, screen);

    public StartUpScreen Screen { get; }
    /// <summary>The first token, where this start made it.</summary>
    public string? FirstToken { get; private init; }
    public Observatory Observatory { get; private init; } = null!;
    public IRecordStore Store { get; private init; } = null!;

    /// <summary>Records an act of a person that this process knows of but does not take part in: a demonstration plays the installer.</summary>
    public void SawHuman(StepKind kind, string correlator, ReadOnlyMemory<byte> value) => _sawHuman(kind, correlator, value, default);
    private Action<StepKind, string, ReadOnlyMemory<byte>, SessionId> _sawHuman = (_, _, _, _) => { };

    /// <summary>Where a listener is bound.</summary>
    public IPEndPoint EndPoint(string listener) => _sockets.TryGetValue(listener, out var socket) ? socket.EndPoint : _listeners.First(l => l.Options.Name == listener).EndPoint;

    /// <exception cref="ConfigurationFault"/>
    /// <exception cref="StorageException">The database cannot be opened.</exception>
    public static async Task<HatcheryServer> StartAsync(ServerOptions options, CancellationToken cancel, TextWriter? log = null)
    {
        AdmissionPolicy.Check(options.Admission);
        if (!options.Listeners.ContainsKey(options.Page.Listener))
            throw new ConfigurationFault("page:listener", $"there is no listener {options.Page.Listener}. There are: {string.Join(", ", options.Listeners.Keys)}.");
        if (options.Listeners[options.Page.Listener].Carrier is "tcp" or "tls" or "udp")
            throw new ConfigurationFault("page:listener", $"{options.Page.Listener} carries {options.Listeners[options.Page.Listener].Carrier}; the page needs http or https.");
        var time = TimeProvider.System;
        var clock = new SystemClock(time);
        var chance = new SystemChance();
        var folder = PrivateFile.CreateFolder(options.DataDirectory);
        var screen = new StartUpScreen { DataDirectory = folder.FullName };
        var owned = new List<IAsyncDisposable>();
        try
        {
            using var master = await MasterKeyAsync(options, folder.FullName, chance, screen, cancel);
            var sealer = new AesGcmSealer(master.Reveal(), chance);
            var store = await OpenAsync(options, folder.FullName, sealer, time, screen);
            owned.Add(store);

            var observatory = new Observatory(RoleList.Protocols);
            var sinks = new List<IObservationSink> { observatory };
            if (options.Observations.Length > 0)
            {
                var file = new ObservationFileWriter(new FileStream(options.Observations, FileMode.Append, FileAccess.Write, FileShare.Read), RoleList.Protocols);
                sinks.Add(file);
                owned.Add(new Disposing(file));
            }
            if (options.Capture.Length > 0)
            {
                var file = PcapngWriter.Create(options.Capture);
                sinks.Add(file);
                owned.Add(new Disposing(file));
                screen.Insecure.Add($"capture: all traffic is written to {options.Capture}");
            }
            var watch = Watch.Steps | Watch.Costs | (options.Capture.Length > 0 ? Watch.Frames : 0);
            var witness = new Witness(WitnessKeyOf(options, folder.FullName), watch, () => new SessionId(Guid.NewGuid()), [.. sinks]);

            var builder = WebApplication.CreateSlimBuilder();
            builder.Logging.ClearProviders();
            builder.Logging.SetMinimumLevel(LogLevel.Information).AddFilter("Microsoft", LogLevel.Warning)
                // Data Protection serves the page's cookies only; its keys lie in the data directory, which is private.
                .AddFilter("Microsoft.AspNetCore.DataProtection", LogLevel.Error);
            if (log is not null)
                builder.Logging.AddProvider(new LineLogger(log));
            builder.Services.Configure<HostOptions>(o => o.ShutdownTimeout = TimeSpan.FromSeconds(options.DrainSeconds));
            builder.Services.AddDataProtection().PersistKeysToFileSystem(Directory.CreateDirectory(Path.Combine(folder.FullName, "cookies"))).SetApplicationName("hatchery");
            var policy = new AdmissionPolicy(options.Admission, store, () => clock.Now);
            var tokens = new TokenStore(store, chance, () => clock.Now);
            builder.Services.AddSingleton(store).AddSingleton(observatory).AddSingleton(policy).AddSingleton(tokens).AddSingleton(screen).AddSingleton(clock).AddSingleton(options);
            AdminApi.AddServices(builder.Services);
            LivePage.AddServices(builder.Services);
            Telemetry(builder, options);
            IReadOnlyList<Listener> listeners = [];
            RoleContext? roles = null;
            var issued = new IssuedCertificates(options, store, chance, () => clock.Now);
            builder.WebHost.ConfigureKestrel(kestrel => listeners = kestrel.AddListeners([.. options.Listeners.Where(l => l.Value.Carrier != "udp")
                .Select(l => ListenerOf(l.Key, l.Value, options, issued, witness, clock, () => roles?.Streams.GetValueOrDefault(l.Key), () => roles?.Secured.GetValueOrDefault(l.Key)))]));
            var app = builder.Build();
            owned.Add(app);
            var logger = app.Services.GetRequiredService<ILoggerFactory>().CreateLogger("hatchery");
            var refusals = new RefusalLogger(logger, observatory, time);
            var context = roles = new RoleContext
            {
                Options = options,
                Store = store,
                Chance = chance,
                Admission = policy,
                Witness = witness,
                Keys = new NamedKeys(store, chance, () => clock.Now),
                Now = () => clock.Now,
                Log = logger,
                Refused = refusals.Refused,
                Failed = refusals.Failed,
            };
            context.Shared[nameof(IssuedCertificates)] = issued;
            foreach (var (id, section) in options.Roles)
                await (RoleList.All.FirstOrDefault(r => r.Id == id) ?? throw new ConfigurationFault($"roles:{id}", $"unknown. Known are: {string.Join(", ", RoleList.All.Select(r => r.Id))}."))
                    .StartAsync(section, context, cancel);

            await issued.StartAsync(cancel);
            context.Jobs.Add(("certificates", issued.RunAsync));
            foreach (var (name, settings) in options.Listeners)
                if (settings.Tls == "engine" && !context.Secured.ContainsKey(name))
                    throw new ConfigurationFault($"listeners:{name}:tls", "no role serves this listener by our own engine.");
            foreach (var (listener, served) in context.Http)
                app.MapListener(listener, [.. served.Select(make => make())], new HttpRoleOptions { Witness = witness, Clock = clock });
            // A listener that no role uses must not answer as the page and the admin API.
            foreach (string listener in options.Listeners.Keys.Where(l => l != options.Page.Listener && !context.Http.ContainsKey(l)))
                app.MapListener(listener, []);
            AdminApi.Map(app, context, tokens);
            LivePage.Map(app, options);
            await app.StartAsync(cancel);
            var sockets = Bind(context, new PumpOptions { Witness = witness, Clock = clock }, owned, logger);

            string? first = await FirstTokenAsync(tokens, folder.FullName, screen, cancel);
            screen.Complete(options, context, listeners, sockets);
            var server = new HatcheryServer(app, options, owned, listeners, sockets, screen) { FirstToken = first, Observatory = observatory, Store = store, _sawHuman = context.SawHuman };
            string holder = $"{Environment.MachineName}/{Environment.ProcessId}/{Convert.ToHexStringLower(chance.Bytes(4, "lease.holder"))}";
            foreach (var (lease, run) in context.Jobs)
                server._jobs.Add(Job(lease, holder, run, store, logger, server._stop.Token));
            return server;
        }
        catch (Exception e)
        {
            for (int i = owned.Count - 1; i >= 0; i--)
                await owned[i].DisposeAsync();
            throw e is IOException or UnauthorizedAccessException ? new ConfigurationFault("server", e.Message) : Rethrow(e);
        }
    }

    private static Exception Rethrow(Exception e)
    {
        System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(e);
        return e;
    }

    /// <summary>Runs while this process holds the lease; gives it up when it stops.</summary>
    private static async Task Job(string lease, string holder, Func<CancellationToken, Task> run, IRecordStore store, ILogger log, CancellationToken stop)
    {
        var life = TimeSpan.FromSeconds(30);
        while (!stop.IsCancellationRequested)
        {
            try
            {
                if (await store.Leases.TryHoldAsync(lease, holder, life, stop) is null)
                {
                    await Task.Delay(life / 3, stop);
                    continue;
                }
                using var lost = CancellationTokenSource.CreateLinkedTokenSource(stop);
                var work = run(lost.Token);
                while (!work.IsCompleted)
                {
                    await Task.WhenAny(work, Task.Delay(life / 3, stop));
                    if (!stop.IsCancellationRequested && await store.Leases.TryHoldAsync(lease, holder, life, stop) is null)
                        await lost.CancelAsync();
                }
                await work;
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                break;
            }
            catch (Exception e)
            {
                log.LogError(e, "{Job} failed", lease);
                await Task.WhenAny(Task.Delay(TimeSpan.FromSeconds(5), stop));
            }
        }
        await store.Leases.ReleaseAsync(lease, holder, default);
    }

    /// <summary>Takes no new connections, finishes what is in flight, gives up its leases.</summary>
    public async Task StopAsync()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(_options.DrainSeconds));
        Observatory.Dispose();
        await _app.StopAsync(limit.Token);
        foreach (var socket in _sockets.Values)
            await socket.DisposeAsync();
        await _stop.CancelAsync();
        await Task.WhenAll(_jobs);
    }

    public async ValueTask DisposeAsync()
    {
        if (!_stop.IsCancellationRequested)
            await StopAsync();
        for (int i = _owned.Count - 1; i >= 0; i--)
            await _owned[i].DisposeAsync();
        _stop.Dispose();
    }

    /// <summary>Opens and starts the sockets of roles on datagrams.</summary>
    private static Dictionary<string, IUdpPump> Bind(RoleContext context, PumpOptions pumps, List<IAsyncDisposable> owned, ILogger log)
    {
        var sockets = new Dictionary<string, IUdpPump>();
        foreach (var (name, make) in context.Datagrams)
        {
            string path = $"listeners:{name}";
            var settings = context.Options.Listeners[name];
            IUdpPump pump;
            try
            {
                pump = make(new IPEndPoint(settings.AddressOf(path), settings.PortOf(path)), pumps);
            }
            catch (System.Net.Sockets.SocketException e)
            {
                throw new ConfigurationFault(path, $"udp port {settings.Port} on {settings.Address}: {e.Message}");
            }
            sockets[name] = pump;
            owned.Add(pump);
            pump.Start();
            _ = pump.Completion.ContinueWith(t => log.LogCritical(t.Exception, "Listener {Listener} has failed", name), CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
        }
        return sockets;
    }

    private static ListenerOptions ListenerOf(string name, ListenerSettings settings, ServerOptions options, IssuedCertificates issued, IWitness witness, SystemClock clock, Func<StreamRole?> stream,
        Func<Func<Stream, CancellationToken, ValueTask<SecuredChannel>>?> secured)
    {
        string path = $"listeners:{name}";
        if (settings.Tls is not ("platform" or "engine") || settings.Tls == "engine" && settings.Carrier != "https")
            throw new ConfigurationFault(path + ":tls", $"{settings.Tls}; it is platform, or with the carrier https engine.");
        ServerCertificateSource? certificate = settings.Carrier switch
        {
            "https" when settings.Tls == "engine" => null,
            "http" or "tcp" => null,
            "https" or "tls" when issued.Source(settings.Certificate) is { } source => source,
            "https" or "tls" => CertificateFiles.Source(settings.Certificate, options, path),
            _ => throw new ConfigurationFault(path + ":carrier", $"{settings.Carrier} is none that is supported; http, https, tcp, tls and udp are."),
        };
        return new ListenerOptions
        {
            Name = name,
            Address = settings.AddressOf(path),
            Port = settings.PortOf(path),
            Certificate = certificate,
            Secure = settings.Tls == "engine" ? (inner, cancel) => secured()!(inner, cancel) : null,
            Protocols = settings.TlsVersion switch
            {
                "" => System.Security.Authentication.SslProtocols.None,
                "1.2" => System.Security.Authentication.SslProtocols.Tls12,
                "1.3" => System.Security.Authentication.SslProtocols.Tls13,
                _ => throw new ConfigurationFault(path + ":tlsVersion", $"{settings.TlsVersion}; it is 1.2 or 1.3."),
            },
            Stream = settings.Carrier is "tcp" or "tls" ? stream : null,
            MaxConnections = settings.MaxConnections,
            Witness = witness,
            Clock = clock,
            ClientCertificates = settings.ClientCertificates switch
            {
                "none" => ClientCertificates.None,
                "allow" => ClientCertificates.Allow,
                "require" => ClientCertificates.Require,
                _ => throw new ConfigurationFault(path + ":clientCertificates", $"{settings.ClientCertificates}; it is none, allow or require."),
            },
        };
    }

    private static async Task<SecretBytes> MasterKeyAsync(ServerOptions options, string folder, Chance chance, StartUpScreen screen, CancellationToken cancel)
    {
        var from = options.MasterKey;
        if (new[] { from.File, from.Environment, from.Command }.Count(s => s.Length > 0) > 1)
            throw new ConfigurationFault("masterKey", "only one of file, environment and command.");
        try
        {
            if (from.File.Length > 0)
                return SealingKey.FromFile(from.File);
            if (from.Environment.Length > 0)
                return SealingKey.FromEnvironment(from.Environment);
            if (from.Command.Split(' ', StringSplitOptions.RemoveEmptyEntries) is [var program, .. var arguments])
                return await SealingKey.FromCommandAsync(program, arguments, cancel);
        }
        catch (StorageException e)
        {
            throw new ConfigurationFault($"masterKey:{(from.File.Length > 0 ? "file" : from.Environment.Length > 0 ? "environment" : "command")}", e.Message);
        }
        string path = Path.Combine(folder, "master.key");
        screen.Insecure.Add($"masterKey: the key that seals secrets lies beside them in {path}");
        return File.Exists(path) ? SealingKey.FromFile(path) : SealingKey.CreateFile(path, chance);
    }

    private static async Task<IRecordStore> OpenAsync(ServerOptions options, string folder, ISealer sealer, TimeProvider time, StartUpScreen screen)
    {
        switch (options.Database.Kind)
        {
            case "sqlite":
                screen.Database = $"SQLite, {Path.Combine(folder, "hatchery.db")}";
                return await SqliteStore.OpenAsync(Path.Combine(folder, "hatchery.db"), sealer, time);
            case "postgres":
                if (options.Database.Connection.Length == 0)
                    throw new ConfigurationFault("database:connection", "PostgreSQL needs a connection string.");
                screen.Database = "PostgreSQL";
                return await PostgresStore.OpenAsync(options.Database.Connection, sealer, time);
            case "memory":
                screen.Database = "memory: everything is lost when the server stops";
                return new RecordStore(new MemoryBackend(time), sealer);
            default:
                throw new ConfigurationFault("database:kind", $"{options.Database.Kind}; it is sqlite, postgres or memory.");
        }
    }

    private static WitnessKey WitnessKeyOf(ServerOptions options, string folder)
    {
        string path = options.WitnessKeyFile.Length > 0 ? options.WitnessKeyFile : Path.Combine(folder, "witness.key");
        if (!File.Exists(path))
        {
            using var file = PrivateFile.Create(path);
            file.Write(RandomNumberGenerator.GetBytes(32));
        }
        byte[] key = File.ReadAllBytes(path);
        return key.Length == 32 ? new WitnessKey(key) : throw new ConfigurationFault("witnessKeyFile", $"{path} has not 32 bytes.");
    }

    /// <summary>At the first start: a token for everything, in a file that only this user reads.</summary>
    private static async Task<string?> FirstTokenAsync(TokenStore tokens, string folder, StartUpScreen screen, CancellationToken cancel)
    {
        string path = Path.Combine(folder, "admin.token");
        screen.TokenFile = path;
        if (!(await tokens.ListAsync(cancel)).IsEmpty)
            return File.Exists(path) ? (await File.ReadAllTextAsync(path, cancel)).Trim() : null;
        var (text, _) = await tokens.CreateAsync("first", ["*"], null, cancel);
        File.Delete(path);
        await using var file = PrivateFile.Create(path);
        await file.WriteAsync(System.Text.Encoding.ASCII.GetBytes(text + "\n"), cancel);
        return text;
    }

    private static void Telemetry(WebApplicationBuilder builder, ServerOptions options)
    {
        if (options.Otlp.Length == 0)
            return;
        if (!Uri.TryCreate(options.Otlp, UriKind.Absolute, out var endpoint))
            throw new ConfigurationFault("otlp", $"{options.Otlp} is no address.");
        builder.Services.AddOpenTelemetry()
            .WithMetrics(m => m.AddMeter("Hatchery").AddAspNetCoreInstrumentation().AddRuntimeInstrumentation().AddOtlpExporter(o => o.Endpoint = endpoint))
            .WithTracing(t => t.AddAspNetCoreInstrumentation().AddOtlpExporter(o => o.Endpoint = endpoint));
    }

    private sealed class Disposing(IDisposable inner) : IAsyncDisposable
    {
        public ValueTask DisposeAsync()
        {
            inner.Dispose();
            return default;
        }
    }
}
