using System.Buffers.Binary;

namespace Hatchery.Dtls;

/// <summary>The part of a ClientHello up to the cookie: enough to answer without keeping anything (RFC 6347, section 4.2.1).</summary>
internal readonly ref struct ClientHelloHead
{
    public readonly ushort Version;
    public readonly ReadOnlySpan<byte> Random, SessionId, Cookie;
    /// <summary>Suites and what follows.</summary>
    public readonly ReadOnlySpan<byte> Rest;

    private ClientHelloHead(ushort version, ReadOnlySpan<byte> random, ReadOnlySpan<byte> sessionId, ReadOnlySpan<byte> cookie, ReadOnlySpan<byte> rest)
    {
        Version = version;
        Random = random;
        SessionId = sessionId;
        Cookie = cookie;
        Rest = rest;
    }

    /// <param name="body">May end early behind the cookie: a first fragment.</param>
    public static bool TryRead(ReadOnlySpan<byte> body, out ClientHelloHead head)
    {
        head = default;
        if (body.Length < 36)
            return false;
        int sessionLength = body[34], cookieAt = 35 + sessionLength;
        if (sessionLength > 32 || body.Length <= cookieAt || body.Length < cookieAt + 1 + body[cookieAt])
            return false;
        head = new(BinaryPrimitives.ReadUInt16BigEndian(body), body.Slice(2, 32), body.Slice(35, sessionLength), body.Slice(cookieAt + 1, body[cookieAt]),
            body[(cookieAt + 1 + body[cookieAt])..]);
        return true;
    }
}

/// <summary>ClientHello (RFC 6347, section 4.2.1).</summary>
internal sealed class ClientHello
{
    public ushort Version { get; init; } = RecordHeader.Dtls12;
    public required byte[] Random { get; init; }
    public byte[] SessionId { get; init; } = [];
    public byte[] Cookie { get; init; } = [];
    public required ushort[] Suites { get; init; }
    public required HelloExtensions Extensions { get; init; }
    /// <summary>Of a received one: suites and what follows, as they came.</summary>
    public byte[] Rest { get; init; } = [];

    public const ushort RenegotiationScsv = 0x00FF, FallbackScsv = 0x5600;

    public static ClientHello Parse(ReadOnlySpan<byte> body)
    {
        var reader = new WireReader(body, "ClientHello");
        ushort version = reader.U16("client_version");
        byte[] random = reader.Bytes(32, "random").ToArray();
        var sessionId = reader.Vector8("session_id");
        if (sessionId.Length > 32)
            throw new DtlsException(DtlsAlert.DecodeError, "ClientHello.session_id", "A session id has at most 32 bytes.");
        byte[] session = sessionId.ToArray(), cookie = reader.Vector8("cookie").ToArray();
        byte[] rest = body[^reader.Left..].ToArray();
        var suites = reader.Vector16("cipher_suites");
        if (suites.Length < 2 || suites.Length % 2 != 0)
            throw new DtlsException(DtlsAlert.DecodeError, "ClientHello.cipher_suites", "The list of suites is empty or of odd length.");
        if (!reader.Vector8("compression_methods").Contains((byte)0))
            throw new DtlsException(DtlsAlert.IllegalParameter, "ClientHello.compression_methods", "The null compression is missing.");
        var extensions = HelloExtensions.Parse(ref reader, "ClientHello");
        ushort[] ids = new ushort[suites.Length / 2];
        for (int i = 0; i < ids.Length; i++)
            ids[i] = BinaryPrimitives.ReadUInt16BigEndian(suites[(2 * i)..]);
        return new() { Version = version, Random = random, SessionId = session, Cookie = cookie, Suites = ids, Extensions = extensions, Rest = rest };
    }

    public byte[] Encode(ReadOnlySpan<byte> cookie)
    {
        var writer = new WireWriter().U16(Version).Bytes(Random).Vector8(SessionId).Vector8(cookie).U16(2 * Suites.Length);
        foreach (ushort suite in Suites)
            writer.U16(suite);
        writer.U8(1).U8(0);
        Extensions.Write(writer);
        return writer.ToArray();
    }
}

/// <summary>ServerHello (RFC 5246, section 7.4.1.3).</summary>
internal sealed class ServerHello
{
    public required byte[] Random { get; init; }
    public required byte[] SessionId { get; init; }
    public required ushort Suite { get; init; }
    public required HelloExtensions Extensions { get; init; }

    public static ServerHello Parse(ReadOnlySpan<byte> body)
    {
        var reader = new WireReader(body, "ServerHello");
        ushort version = reader.U16("server_version");
        if (version != RecordHeader.Dtls12)
            throw new DtlsException(DtlsAlert.ProtocolVersion, "ServerHello.server_version", $"The server chose version {version:x4}; DTLS 1.2 is fefd.");
        byte[] random = reader.Bytes(32, "random").ToArray();
        var session = reader.Vector8("session_id");
        if (session.Length > 32)
            throw new DtlsException(DtlsAlert.DecodeError, "ServerHello.session_id", "A session id has at most 32 bytes.");
        byte[] sessionId = session.ToArray();
        ushort suite = reader.U16("cipher_suite");
        if (reader.U8("compression_method") != 0)
            throw new DtlsException(DtlsAlert.IllegalParameter, "ServerHello.compression_method", "The server chose a compression that was not offered.");
        return new() { Random = random, SessionId = sessionId, Suite = suite, Extensions = HelloExtensions.Parse(ref reader, "ServerHello") };
    }

    public byte[] Encode()
    {
        var writer = new WireWriter().U16(RecordHeader.Dtls12).Bytes(Random).Vector8(SessionId).U16(Suite).U8(0);
        if (!Extensions.IsEmpty)
            Extensions.Write(writer);
        return writer.ToArray();
    }
}

/// <summary>Extensions of a hello, in their order (RFC 5246, section 7.4.1.4).</summary>
internal sealed class HelloExtensions
{
    private const int Most = 64;
    private readonly List<(ExtensionType Type, byte[] Body)> _all = [];

    public bool IsEmpty => _all.Count == 0;
    public IEnumerable<ExtensionType> Types => _all.Select(e => e.Type);

    public void Add(ExtensionType type, byte[] body) => _all.Add((type, body));

    /// <summary>Null: not there.</summary>
    public byte[]? Find(ExtensionType type)
    {
        foreach (var (t, body) in _all)
        {
            if (t == type)
                return body;
        }
        return null;
    }

    public bool Has(ExtensionType type) => Find(type) is not null;

    /// <summary>An extension that says all by being there; false if it is not.</summary>
    public bool HasEmpty(ExtensionType type) => Find(type) is { } body && (body.Length == 0 ? true
        : throw new DtlsException(DtlsAlert.DecodeError, type.ToString(), $"The extension {type} is not empty."));

    public static HelloExtensions Parse(ref WireReader reader, string message)
    {
        var extensions = new HelloExtensions();
        if (reader.IsEmpty)
            return extensions;
        var list = new WireReader(reader.Vector16("extensions"), message + ".extensions");
        reader.End();
        while (!list.IsEmpty)
        {
            var type = (ExtensionType)list.U16("extension_type");
            byte[] body = list.Vector16(type.ToString()).ToArray();
            if (extensions.Has(type) || extensions._all.Count == Most)
                throw new DtlsException(DtlsAlert.IllegalParameter, $"{message}.extensions.{type}", $"The extension {type} is there twice, or there are more than {Most}.");
            extensions.Add(type, body);
        }
        return extensions;
    }

    public void Write(WireWriter writer)
    {
        int mark = writer.Open16();
        foreach (var (type, body) in _all)
            writer.U16((int)type).Vector16(body);
        writer.Close16(mark);
    }

    /// <summary>A list of 16-bit values under a 16-bit length; null: the extension is not there.</summary>
    public ushort[]? List16(ExtensionType type)
    {
        if (Find(type) is not { } body)
            return null;
        var reader = new WireReader(body, type.ToString());
        var list = reader.Vector16("list");
        reader.End();
        if (list.Length < 2 || list.Length % 2 != 0)
            throw new DtlsException(DtlsAlert.DecodeError, type.ToString(), $"The list in {type} is empty or of odd length.");
        ushort[] values = new ushort[list.Length / 2];
        for (int i = 0; i < values.Length; i++)
            values[i] = BinaryPrimitives.ReadUInt16BigEndian(list[(2 * i)..]);
        return values;
    }

    public static byte[] Encode16(IEnumerable<ushort> values)
    {
        var writer = new WireWriter();
        int mark = writer.Open16();
        foreach (ushort value in values)
            writer.U16(value);
        writer.Close16(mark);
        return writer.ToArray();
    }

    /// <summary>A list of bytes under a length of one; null: the extension is not there.</summary>
    public byte[]? List8(ExtensionType type)
    {
        if (Find(type) is not { } body)
            return null;
        var reader = new WireReader(body, type.ToString());
        byte[] list = reader.Vector8("list").ToArray();
        reader.End();
        return list;
    }

    /// <summary>The one byte of an answer; null: the extension is not there.</summary>
    public byte? Byte(ExtensionType type)
    {
        if (Find(type) is not { } body)
            return null;
        return body.Length == 1 ? body[0] : throw new DtlsException(DtlsAlert.DecodeError, type.ToString(), $"The extension {type} has not one byte.");
    }

    /// <summary>RFC 7301: names under lengths of one, the list under one of two.</summary>
    public List<string>? Protocols()
    {
        if (Find(ExtensionType.ApplicationProtocols) is not { } body)
            return null;
        var reader = new WireReader(body, "ALPN");
        var list = new WireReader(reader.Vector16("protocol_name_list"), "ALPN");
        reader.End();
        var names = new List<string>();
        while (!list.IsEmpty)
        {
            var name = list.Vector8("protocol_name");
            if (name.IsEmpty || names.Count == Most)
                throw new DtlsException(DtlsAlert.DecodeError, "ALPN.protocol_name", "A protocol's name is empty, or there are too many.");
            names.Add(System.Text.Encoding.Latin1.GetString(name));
        }
        return names;
    }

    public static byte[] EncodeProtocols(IEnumerable<string> names)
    {
        var writer = new WireWriter();
        int mark = writer.Open16();
        foreach (string name in names)
            writer.Vector8(System.Text.Encoding.Latin1.GetBytes(name));
        writer.Close16(mark);
        return writer.ToArray();
    }

    /// <summary>RFC 6066, section 3: the host_name; null: none.</summary>
    public string? ServerName()
    {
        if (Find(ExtensionType.ServerName) is not { Length: > 0 } body)
            return null;
        var reader = new WireReader(body, "server_name");
        var list = new WireReader(reader.Vector16("server_name_list"), "server_name");
        reader.End();
        while (!list.IsEmpty)
        {
            bool isHost = list.U8("name_type") == 0;
            var name = list.Vector16("host_name");
            if (isHost && name.Length is > 0 and <= 255)
                return System.Text.Encoding.Latin1.GetString(name);
        }
        return null;
    }

    public static byte[] EncodeServerName(string name) =>
        new WireWriter().U16(name.Length + 3).U8(0).Vector16(System.Text.Encoding.ASCII.GetBytes(name)).ToArray();
}
