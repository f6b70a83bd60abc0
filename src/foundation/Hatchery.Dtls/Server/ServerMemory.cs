using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;

namespace Hatchery.Dtls;

/// <param name="At">As <see cref="Moment.Elapsed"/>.</param>
internal sealed record RememberedSession(SuiteInfo Suite, SecretBytes Master, bool ExtendedMasterSecret, ReadOnlyMemory<byte>? PskIdentity, DtlsPeerCredential? Peer, string? ServerName, TimeSpan At);

/// <summary>What a server keeps beyond its sessions: those that can be resumed, the keys of its tickets, and which connection ids are in use. In memory only: a loss costs
/// clients a full handshake.</summary>
internal sealed class ServerMemory(DtlsServerOptions options) : IDisposable
{
    private readonly Dictionary<SessionKey, LinkedListNode<(SessionKey Key, RememberedSession Session)>> _sessions = [];
    private readonly LinkedList<(SessionKey Key, RememberedSession Session)> _byUse = [];
    private readonly TicketKeys _tickets = new();

    public Dictionary<ulong, DtlsSession> ByConnectionId { get; } = [];

    private readonly record struct SessionKey(UInt128 High, UInt128 Low)
    {
        public static SessionKey? From(ReadOnlySpan<byte> id) => id.Length == 32
            ? new(BinaryPrimitives.ReadUInt128BigEndian(id), BinaryPrimitives.ReadUInt128BigEndian(id[16..])) : null;
    }

    /// <summary>By ticket, or by session id; null: a full handshake.</summary>
    public RememberedSession? Find(ClientHello hello, SuiteInfo[] suites, Moment now)
    {
        var found = options.Tickets && hello.Extensions.Find(ExtensionType.SessionTicket) is { Length: > 0 } ticket ? _tickets.Open(ticket, now)
            : SessionKey.From(hello.SessionId) is { } key && _sessions.TryGetValue(key, out var node) ? node.Value.Session : null;
        return found is not null && now.Elapsed - found.At < options.ResumptionLifetime && suites.Contains(found.Suite) ? found : null;
    }

    public void Remember(ReadOnlySpan<byte> sessionId, RememberedSession session, Moment now)
    {
        if (SessionKey.From(sessionId) is not { } key || options.SessionCache == 0)
            return;
        while (_byUse.Last is { } oldest && (_sessions.Count >= options.SessionCache || now.Elapsed - oldest.Value.Session.At >= options.ResumptionLifetime))
        {
            _byUse.RemoveLast();
            _sessions.Remove(oldest.Value.Key);
            oldest.Value.Session.Master.Dispose();
        }
        _sessions[key] = _byUse.AddFirst((key, session));
    }

    public byte[] Seal(RememberedSession session, Chance chance, Moment now) => _tickets.Seal(session, chance, now);

    /// <summary>Unlike those in use.</summary>
    public byte[] NewConnectionId(int length, Chance chance)
    {
        byte[] id = new byte[length];
        if (length == 0)
            return id;
        do
        {
            chance.Fill(id, "DTLS.server_connection_id");
            if (options.Shard is { } shard)
                id[0] = shard;
        }
        while (ByConnectionId.ContainsKey(Number(id)));
        return id;
    }

    public static ulong Number(ReadOnlySpan<byte> connectionId)
    {
        ulong number = 0;
        foreach (byte b in connectionId)
            number = number << 8 | b;
        return number;
    }

    public void Dispose()
    {
        foreach (var (_, session) in _byUse)
            session.Master.Dispose();
        _tickets.Dispose();
    }
}

/// <summary>Tickets of our server (RFC 5077): key name (16), nonce (12), AES-256-GCM of the session, tag (16). Keys last a day, and open for one more.</summary>
internal sealed class TicketKeys : IDisposable
{
    private const int NameLength = 16, NonceLength = 12, TagLength = 16, Head = NameLength + NonceLength;
    private static readonly TimeSpan s_rotation = TimeSpan.FromDays(1);
    private (byte[] Name, AesGcm Key)? _current, _previous;
    private TimeSpan _rotateAt;

    public byte[] Seal(RememberedSession session, Chance chance, Moment now)
    {
        Rotate(chance, now);
        var (name, key) = _current!.Value;
        byte[] plain = Encode(session), ticket = new byte[Head + plain.Length + TagLength];
        name.CopyTo(ticket, 0);
        chance.Fill(ticket.AsSpan(NameLength, NonceLength), "DTLS.ticket_nonce");
        key.Encrypt(ticket.AsSpan(NameLength, NonceLength), plain, ticket.AsSpan(Head, plain.Length), ticket.AsSpan(Head + plain.Length), name);
        CryptographicOperations.ZeroMemory(plain);
        return ticket;
    }

    /// <summary>Null: not ours, or too old.</summary>
    public RememberedSession? Open(ReadOnlySpan<byte> ticket, Moment now)
    {
        if (ticket.Length < Head + TagLength || _current is null || now.Elapsed >= _rotateAt + s_rotation)
            return null;
        var name = ticket[..NameLength];
        if ((name.SequenceEqual(_current.Value.Name) ? _current : _previous is { } before && name.SequenceEqual(before.Name) ? _previous : null) is not { } found)
            return null;
        byte[] plain = new byte[ticket.Length - Head - TagLength];
        try
        {
            found.Key.Decrypt(ticket[NameLength..Head], ticket[Head..^TagLength], ticket[^TagLength..], plain, name);
            return Decode(plain);
        }
        catch (CryptographicException)
        {
            return null;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(plain);
        }
    }

    private void Rotate(Chance chance, Moment now)
    {
        if (_current is not null && now.Elapsed < _rotateAt)
            return;
        _previous?.Key.Dispose();
        _previous = _current;
        byte[] key = chance.Bytes(32, "DTLS.ticket_key");
        _current = (chance.Bytes(NameLength, "DTLS.ticket_key_name"), new AesGcm(key, TagLength));
        CryptographicOperations.ZeroMemory(key);
        _rotateAt = now.Elapsed + s_rotation;
    }

    private static byte[] Encode(RememberedSession session)
    {
        var writer = new WireWriter().U8(1).U16((int)session.Suite.Id).U8(session.ExtendedMasterSecret ? 1 : 0).Bytes(session.Master.Reveal());
        Span<byte> at = stackalloc byte[8];
        BinaryPrimitives.WriteInt64BigEndian(at, session.At.Ticks);
        writer.Bytes(at).U8(session.PskIdentity is null ? 0 : 1).Vector16((session.PskIdentity ?? default).Span);
        writer.U8(session.ServerName is null ? 0 : 1).Vector16(Encoding.UTF8.GetBytes(session.ServerName ?? ""));
        writer.U8(session.Peer is null ? 0 : session.Peer.IsRawKey ? 1 : 2).Vector16((session.Peer?.PublicKey ?? default).Span);
        foreach (byte[] certificate in session.Peer?.Chain ?? [])
            writer.Vector24(certificate);
        return writer.ToArray();
    }

    private static RememberedSession? Decode(ReadOnlySpan<byte> plain)
    {
        try
        {
            var reader = new WireReader(plain, "ticket");
            if (reader.U8("version") != 1 || SuiteInfo.Find(reader.U16("suite")) is not { } suite)
                return null;
            bool extended = reader.U8("ems") == 1;
            var master = new SecretBytes(reader.Bytes(KeySchedule.MasterLength, "master"));
            var at = new TimeSpan(BinaryPrimitives.ReadInt64BigEndian(reader.Bytes(8, "time")));
            bool hasIdentity = reader.U8("psk") == 1;
            byte[] identity = reader.Vector16("psk").ToArray();
            bool hasName = reader.U8("name") == 1;
            string name = Encoding.UTF8.GetString(reader.Vector16("name"));
            int form = reader.U8("peer");
            byte[] key = reader.Vector16("key").ToArray();
            var chain = ImmutableArray.CreateBuilder<byte[]>();
            while (!reader.IsEmpty)
                chain.Add(reader.Vector24("certificate").ToArray());
            var peer = form == 0 ? null : new DtlsPeerCredential { Chain = chain.ToImmutable(), PublicKey = key };
            return new(suite, master, extended, hasIdentity ? identity : default(ReadOnlyMemory<byte>?), peer, hasName ? name : null, at);
        }
        catch (DtlsException)
        {
            return null;
        }
    }

    public void Dispose()
    {
        _current?.Key.Dispose();
        _previous?.Key.Dispose();
    }
}
