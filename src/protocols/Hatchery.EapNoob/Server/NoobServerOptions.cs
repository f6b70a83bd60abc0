using System.Collections.Immutable;
using System.Text;
using Hatchery.EapNoob.Messages;

namespace Hatchery.EapNoob.Server;

/// <summary>What one server, or one realm of it, does.</summary>
public sealed record NoobServerOptions
{
    private readonly byte[] _serverInfo = "{}"u8.ToArray();

    public NoobVariant Variant { get; init; } = NoobVariant.Rfc9140;
    /// <summary>Best first.</summary>
    public ImmutableArray<int> Cryptosuites { get; init; } = [EapNoob.Cryptosuites.X25519, EapNoob.Cryptosuites.P256];
    public OobDirections Directions { get; init; } = OobDirections.Both;
    /// <summary>The NAI that peers are to use from the Initial Exchange on; null: they keep theirs. The realm routes them to us (RFC 9140 §3.3.1).</summary>
    public string? NewNai { get; init; }
    /// <summary>Seconds between two Waiting Exchanges, 0 to 3600; null: as the peer likes.</summary>
    public int? SleepTime { get; init; } = 60;
    /// <summary>KeyingMode 2 in a Reconnect Exchange that has no new cryptosuite; false: 1.</summary>
    public bool ForwardSecrecy { get; init; } = true;
    public TimeSpan NoobTimeout { get; init; } = TimeSpan.FromHours(1);
    /// <summary>OobRetries: invalid OOB messages before the association is dropped.</summary>
    public int OobRetries { get; init; } = 5;
    /// <summary>Of an ephemeral association.</summary>
    public TimeSpan WaitingLife { get; init; } = TimeSpan.FromHours(24);
    /// <summary>Ephemeral associations of one device as its NAS names it; the oldest that no user has seen makes room.</summary>
    public int MaxPerStation { get; init; } = 8;
    /// <summary>Null: this device is welcome to wait; else why not (5004).</summary>
    public Func<ReadOnlyMemory<byte>, string?>? JudgePeerInfo { get; init; }
    /// <summary>Takes PeerId and AMSK, 64 bytes, of every conversation that made one.</summary>
    public Action<string, ReadOnlyMemory<byte>>? ApplicationKey { get; init; }

    /// <summary>A JSON object of at most 500 bytes: Type, ServerName, ServerURL, SSIDList, Base64SSIDList (RFC 9140 §5.4).</summary>
    /// <exception cref="ArgumentException">No such object, or a ServerURL that no peer takes.</exception>
    public string ServerInfo
    {
        get => Encoding.UTF8.GetString(_serverInfo);
        init
        {
            _serverInfo = Encoding.UTF8.GetBytes(value);
            if (_serverInfo.Length > NoobLimits.Info || _serverInfo.Length == 0 || _serverInfo[0] != '{')
                throw new ArgumentException($"ServerInfo is no JSON object of at most {NoobLimits.Info} bytes.", nameof(value));
            try
            {
                Infos.Check(_serverInfo, "ServerInfo");
            }
            catch (NoobException e)
            {
                throw new ArgumentException(e.Message, nameof(value), e);
            }
            if (Infos.Text(_serverInfo, "ServerURL") is { } url && (url.Length > NoobLimits.ServerUrl || url.Contains('?', StringComparison.Ordinal)
                || !Uri.TryCreate(url, UriKind.Absolute, out var uri) || uri.Scheme is not ("https" or "http")))
                throw new ArgumentException($"ServerURL is no https URL of at most {NoobLimits.ServerUrl} characters without a query.", nameof(value));
        }
    }

    internal ReadOnlyMemory<byte> ServerInfoText => _serverInfo;
}
