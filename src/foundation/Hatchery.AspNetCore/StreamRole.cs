using System.Net;
using System.Net.Security;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;

namespace Hatchery.AspNetCore;

/// <summary>A role on byte streams: serves one connection to its end; the connection is closed behind it. Runs once for each connection, many at a time.</summary>
/// <param name="stop">The server wants to stop, or the connection is gone.</param>
public delegate Task StreamRole(StreamConnection connection, CancellationToken stop);

/// <summary>A connection of a listener without HTTP: TCP, or TLS that the listener has set up.</summary>
public sealed class StreamConnection
{
    private readonly RoleConnection _known;
    private readonly SslStream? _tls;

    internal StreamConnection(ConnectionContext connection)
    {
        _known = connection.Features.Get<RoleConnection>()!;
        _tls = connection.Features.Get<ISslStreamFeature>()?.SslStream;
        Local = connection.LocalEndPoint as IPEndPoint;
        Stream = new DuplexStream(connection.Transport);
    }

    /// <summary>Both directions, under TLS if the listener has it: what <c>TcpEnginePump.RunAsync</c> takes. Captured by the listener, at its place.</summary>
    public Stream Stream { get; }
    public string Listener => _known.Listener;
    public IPEndPoint? Local { get; }
    /// <summary>Address and port of the peer.</summary>
    public string? Remote => _known.Remote;
    public SessionId Session => _known.Session;

    /// <summary>A caller for one request on this connection.</summary>
    public Caller CallerAt(Moment now) => _known.CallerAt(now, _tls);
}
