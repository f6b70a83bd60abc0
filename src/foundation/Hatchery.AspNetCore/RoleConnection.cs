using System.Collections.Immutable;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Hatchery.Transports;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;

namespace Hatchery.AspNetCore;

/// <summary>What is known of a connection, found out once and kept with it.</summary>
internal sealed class RoleConnection(string listener, SessionId session, string? remote)
{
    private static readonly ImmutableArray<Layer> s_clear = [new("TCP", Protection.Clear), new("HTTP", Protection.Clear)];
    private static readonly ImmutableArray<Layer> s_tls = [new("TCP", Protection.Clear), new("TLS", Protection.Full), new("HTTP", Protection.Clear)];
    private static readonly ImmutableArray<Layer> s_rawClear = [new("TCP", Protection.Clear)];
    private static readonly ImmutableArray<Layer> s_rawTls = [new("TCP", Protection.Clear), new("TLS", Protection.Full)];
    private static readonly object s_key = new();
    private ReadOnlyMemory<byte> _tlsUnique;
    private SecuredChannel? _secured;
    private bool _complete, _isTls;

    public string Listener => listener;
    public string? Remote => remote;
    public SessionId Session => session;
    /// <summary>DER, leaf first.</summary>
    public ImmutableArray<byte[]> ClientChain { get; set; } = [];
    public ReadOnlyMemory<byte> ServerCertificate { get; set; }

    public Caller CallerAt(Moment now, HttpContext context)
    {
        if (!_complete)
        {
            Complete(context.Features.Get<ISslStreamFeature>()?.SslStream);
            _isTls |= context.Request.IsHttps;
            if (ClientChain.IsEmpty && context.Connection.ClientCertificate is { } leaf)
                ClientChain = [leaf.RawData];
        }
        return CallerAt(now, _isTls ? s_tls : s_clear);
    }

    /// <summary>Of a connection without HTTP.</summary>
    public Caller CallerAt(Moment now, SslStream? tls)
    {
        if (!_complete)
            Complete(tls);
        return CallerAt(now, _isTls ? s_rawTls : s_rawClear);
    }

    private Caller CallerAt(Moment now, ImmutableArray<Layer> layers) => new()
    {
        Now = now,
        Listener = listener,
        Remote = remote,
        Session = session,
        ClientChain = ClientChain,
        ServerCertificate = ServerCertificate,
        TlsUnique = _tlsUnique,
        TlsExporter = _secured?.TlsExporter ?? default,
        SecretName = _secured?.SecretName,
        Layers = layers,
    };

    private void Complete(SslStream? tls)
    {
        _complete = true;
        _isTls = tls is not null;
        if (tls is null)
            return;
        _tlsUnique = TlsUnique.Of(tls);
        if (ServerCertificate.IsEmpty)
            ServerCertificate = tls.LocalCertificate?.GetRawCertData() ?? [];
    }

    /// <summary>Of a listener of ours, or made at the first request on a listener of somebody else's.</summary>
    public static RoleConnection Of(HttpContext context, string defaultListener, IWitness witness)
    {
        if (context.Features.Get<RoleConnection>() is { } known)
            return known;
        var items = context.Features.Get<IConnectionItemsFeature>()?.Items;
        if (items is not null && items.TryGetValue(s_key, out var kept))
            return (RoleConnection)kept!;
        var remote = context.Connection.RemoteIpAddress is { } address ? new System.Net.IPEndPoint(address, context.Connection.RemotePort).ToString() : null;
        var made = new RoleConnection(defaultListener, witness.NewSession(), remote);
        if (items is not null)
            items[s_key] = made;
        return made;
    }

    /// <summary>The handshake was not the platform's.</summary>
    public void Remember(SecuredChannel secured)
    {
        (_secured, _complete, _isTls) = (secured, true, true);
        (ClientChain, ServerCertificate, _tlsUnique) = (secured.ClientChain, secured.ServerCertificate, secured.TlsUnique);
    }

    /// <summary>Takes any certificate, or none where none is required; remembers the chain as shown.</summary>
    public bool Remember(X509Certificate? certificate, X509Chain? chain, bool required)
    {
        if (certificate is null)
            return !required;
        var leaf = certificate.GetRawCertData();
        ClientChain = [leaf, .. chain?.ChainPolicy.ExtraStore.Select(c => c.RawData).Where(der => !der.AsSpan().SequenceEqual(leaf)) ?? []];
        return true;
    }
}
