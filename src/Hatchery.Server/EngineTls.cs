using Hatchery.AspNetCore;
using Hatchery.Est;
using Hatchery.Tls;
using Hatchery.Transports;

namespace Hatchery.Server;

/// <summary>TLS by our own engine under HTTP: for listeners, and for clients.</summary>
public static class EngineTls
{
    /// <param name="options">Asked for each connection: certificates roll.</param>
    /// <param name="ended">Told the SRP user of a handshake, and whether it succeeded.</param>
    public static Func<Stream, CancellationToken, ValueTask<SecuredChannel>> Server(Func<TlsServerOptions> options, Chance chance, Func<Moment> now, Action<string, bool>? ended = null) => async (stream, cancel) =>
    {
        var wanted = options();
        string? user = null;
        if (wanted.SrpVerifierOf is { } lookUp)
            wanted = wanted with { SrpVerifierOf = name => lookUp(user = name) };
        var tls = new TlsEngineStream(new TlsServerEngine(wanted, chance, now()), stream, now);
        try
        {
            var channel = await tls.HandshakeAsync(cancel);
            if (channel.SrpUser is { } proven)
                ended?.Invoke(proven, true);
            return new SecuredChannel(tls)
            {
                ClientChain = channel.PeerChain,
                ServerCertificate = wanted.Identity?.Chain[0] ?? [],
                TlsUnique = channel.TlsUnique,
                TlsExporter = Exporter(channel),
                SecretName = channel.SrpUser ?? (channel.PskIdentity.IsEmpty ? null : System.Text.Encoding.UTF8.GetString(channel.PskIdentity.Span)),
            };
        }
        catch
        {
            if (user is not null)
                ended?.Invoke(user, false);
            throw;
        }
    };

    /// <param name="identity">The identity of a carrier's item; null: none.</param>
    public static Func<Destination, Stream, CancellationToken, ValueTask<SecuredStream?>> Client(TlsVersions versions, Func<string, TlsIdentity?> identity, Chance chance, SystemClock clock) => async (to, stream, cancel) =>
    {
        var options = new TlsClientOptions
        {
            Security = to.Security,
            Versions = versions,
            ServerName = to.Host,
            Identity = to.Security is ChannelSecurity.Certificates { IdentityItem: { } item } ? identity(item) : null,
        };
        var tls = new TlsEngineStream(new TlsClientEngine(options, chance, clock.Now), stream, () => clock.Now);
        var channel = await tls.HandshakeAsync(cancel);
        return new SecuredStream(tls, new Supply.ServerChain(channel.PeerChain) { TlsUnique = channel.TlsUnique, TlsExporter = Exporter(channel) });
    };

    private static ReadOnlyMemory<byte> Exporter(TlsConnection channel) =>
        channel is { Version: TlsVersions.Tls13, CanExport: true } ? channel.Export(ChannelBinding.ExporterLabel, [], ChannelBinding.ExporterLength) : default;
}
