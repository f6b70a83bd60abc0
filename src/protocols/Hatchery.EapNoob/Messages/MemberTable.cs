using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;

namespace Hatchery.EapNoob.Messages;

/// <summary>Every member that a message may have at its top level (RFC 9140 §3.3.2).</summary>
internal enum Member
{
    Type, PeerId, ErrorCode, ErrorInfo, PeerState, Vers, NewNAI, Cryptosuites, Dirs, ServerInfo, Verp, Cryptosuitep, Dirp, PeerInfo,
    PKs, Ns, SleepTime, PKp, Np, NoobId, MACs, MACp, KeyingMode, PKs2, Ns2, PKp2, Np2, MACs2, MACp2,
}

/// <summary>A message's text with the place of each top-level value: what is hashed is a copy of these bytes, never a re-encoding.</summary>
internal sealed class MemberTable
{
    /// <summary>EAP guarantees 1020 bytes of packet (RFC 3748 §3.1), 5 are its header.</summary>
    public const int MaxText = 1015;
    private const int MaxDepth = 16;

    private static readonly (Member Member, byte[] Name)[] s_names = [.. Enum.GetValues<Member>().Select(m => (m, Encoding.ASCII.GetBytes(m.ToString())))];

    private readonly (int Start, int Length)[] _places = new (int, int)[s_names.Length];
    private readonly ReadOnlyMemory<byte> _text;

    private MemberTable(ReadOnlyMemory<byte> text) => _text = text;

    public ReadOnlyMemory<byte> Text => _text;
    /// <summary>Bit n: member n is there.</summary>
    public ulong Present { get; private set; }

    /// <exception cref="NoobException">1002.</exception>
    public static MemberTable Read(ReadOnlyMemory<byte> text, NoobVariant variant)
    {
        if (variant.TrailingNul && text.Length > 0 && text.Span[^1] == 0)
            text = text[..^1];
        if (text.Length > MaxText)
            throw NoobException.Structure("message", $"{text.Length} bytes; a packet of EAP has room for {MaxText}.");
        if (!Utf8.IsValid(text.Span))
            throw NoobException.Structure("message", "not UTF-8.");
        var table = new MemberTable(text);
        try
        {
            table.Scan(variant);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw NoobException.Structure("message", "not JSON.", e);
        }
        return table;
    }

    private void Scan(NoobVariant variant)
    {
        var reader = new Utf8JsonReader(_text.Span, new JsonReaderOptions { MaxDepth = MaxDepth });
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
            throw NoobException.Structure("message", "not a JSON object.");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var member = Find(ref reader, variant);
            if ((Present & 1UL << (int)member) != 0)
                throw NoobException.Structure(member.ToString(), "it stands there twice.");
            reader.Read();
            int start = (int)reader.TokenStartIndex;
            reader.Skip();
            _places[(int)member] = (start, (int)reader.BytesConsumed - start);
            Present |= 1UL << (int)member;
        }
        if (reader.Read())
            throw NoobException.Structure("message", "there is more behind the object.");
    }

    private static Member Find(ref Utf8JsonReader reader, NoobVariant variant)
    {
        foreach (var (member, name) in s_names)
            if (reader.ValueTextEquals(member == Member.NewNAI && variant.RealmMember ? "Realm"u8 : name))
                return member;
        throw NoobException.Structure("message", "it has a member that RFC 9140 does not know.");
    }

    public bool Has(Member member) => (Present & 1UL << (int)member) != 0;

    /// <summary>The value's bytes, verbatim; empty: it is not there.</summary>
    public ReadOnlyMemory<byte> Slice(Member member)
    {
        var (start, length) = _places[(int)member];
        return _text.Slice(start, length);
    }

    private Utf8JsonReader Reader(Member member, JsonTokenType expected)
    {
        var reader = new Utf8JsonReader(Slice(member).Span, new JsonReaderOptions { MaxDepth = MaxDepth });
        reader.Read();
        return reader.TokenType == expected ? reader : throw NoobException.Structure(member.ToString(), $"{reader.TokenType} where {expected} is due.");
    }

    /// <param name="maxBytes">In UTF-8.</param>
    /// <exception cref="NoobException">1002: no string; 1003: too long.</exception>
    public string String(Member member, int maxBytes)
    {
        var reader = Reader(member, JsonTokenType.String);
        string value;
        try
        {
            value = reader.GetString()!;
        }
        catch (InvalidOperationException e)
        {
            throw NoobException.Structure(member.ToString(), "half a surrogate pair.", e);
        }
        return Encoding.UTF8.GetByteCount(value) <= maxBytes ? value : throw NoobException.Invalid(member.ToString(), $"longer than {maxBytes} bytes.");
    }

    /// <exception cref="NoobException">1002: no number; 1003: no integer, or out of range.</exception>
    public int Integer(Member member, int min, int max)
    {
        var reader = Reader(member, JsonTokenType.Number);
        return reader.TryGetInt32(out int value) && value >= min && value <= max ? value : throw NoobException.Invalid(member.ToString(), $"not an integer from {min} to {max}.");
    }

    /// <summary>An array of integers: at least one, none twice.</summary>
    /// <exception cref="NoobException">1002: no such array; 1003: empty, repeated or out of range.</exception>
    public ImmutableArray<int> Integers(Member member)
    {
        var reader = Reader(member, JsonTokenType.StartArray);
        var all = ImmutableArray.CreateBuilder<int>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.Number)
                throw NoobException.Structure(member.ToString(), "not an array of numbers.");
            if (!reader.TryGetInt32(out int value) || value < 0 || all.Contains(value) || all.Count == 32)
                throw NoobException.Invalid(member.ToString(), "a number is no positive integer, or stands there twice.");
            all.Add(value);
        }
        return all.Count > 0 ? all.ToImmutable() : throw NoobException.Invalid(member.ToString(), "empty.");
    }

    /// <summary>A string of base64url without padding.</summary>
    /// <exception cref="NoobException">1002: no string; 1003: not of that length, or not canonical.</exception>
    public byte[] Bytes(Member member, int length)
    {
        var reader = Reader(member, JsonTokenType.String);
        var value = new byte[length];
        return !reader.ValueIsEscaped && Base64Text.TryDecode(reader.ValueSpan, value) ? value
            : throw NoobException.Invalid(member.ToString(), $"not {length} bytes in base64url without padding.");
    }

    /// <summary>An object, as it stands there.</summary>
    /// <exception cref="NoobException">1002: no object.</exception>
    public ReadOnlyMemory<byte> Object(Member member)
    {
        Reader(member, JsonTokenType.StartObject);
        return Slice(member);
    }
}
