using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Hatchery;

/// <summary>How an item's value stands in a document, and which bytes its fingerprint covers. Closed: no reflection.</summary>
internal sealed class ValueCodec<T>(Action<Utf8JsonWriter, T> write, Func<JsonElement, T> read, Func<T, byte[]> bytes, Func<byte[], T> fromBytes, Func<T, bool> isEmpty)
{
    public static readonly ValueCodec<T> Instance = (ValueCodec<T>)ValueCodecs.Find(typeof(T));
    public void Write(Utf8JsonWriter json, T value) => write(json, value);
    public T Read(JsonElement json) => read(json);
    public byte[] Bytes(T value) => bytes(value);
    public T FromBytes(byte[] value) => fromBytes(value);
    public bool IsEmpty(T value) => isEmpty(value);
}

internal static class ValueCodecs
{
    private static readonly Dictionary<Type, object> s_all = new()
    {
        [typeof(string)] = new ValueCodec<string?>((j, v) => j.WriteStringValue(v), j => j.GetString(), v => Encoding.UTF8.GetBytes(v!), Encoding.UTF8.GetString, string.IsNullOrEmpty),
        [typeof(bool)] = new ValueCodec<bool>((j, v) => j.WriteBooleanValue(v), j => j.GetBoolean(), v => [v ? (byte)1 : (byte)0], b => b[0] != 0, v => !v),
        [typeof(int)] = new ValueCodec<int>((j, v) => j.WriteNumberValue(v), j => j.GetInt32(), v => Number(v), b => (int)BinaryPrimitives.ReadInt64BigEndian(b), v => v == 0),
        [typeof(uint)] = new ValueCodec<uint>((j, v) => j.WriteNumberValue(v), j => j.GetUInt32(), v => Number(v), b => (uint)BinaryPrimitives.ReadInt64BigEndian(b), v => v == 0),
        [typeof(long)] = new ValueCodec<long>((j, v) => j.WriteNumberValue(v), j => j.GetInt64(), v => Number(v), b => BinaryPrimitives.ReadInt64BigEndian(b), v => v == 0),
        [typeof(Guid)] = new ValueCodec<Guid>((j, v) => j.WriteStringValue(v), j => j.GetGuid(), v => v.ToByteArray(bigEndian: true), b => new Guid(b, bigEndian: true), v => v == Guid.Empty),
        [typeof(DateTimeOffset)] = new ValueCodec<DateTimeOffset>(WriteTime, ReadTime, v => Number(v.UtcTicks), b => new(BinaryPrimitives.ReadInt64BigEndian(b), TimeSpan.Zero), v => v == default),
        [typeof(DateTimeOffset?)] = new ValueCodec<DateTimeOffset?>((j, v) => WriteTime(j, v!.Value), j => ReadTime(j), v => Number(v!.Value.UtcTicks), b => new(BinaryPrimitives.ReadInt64BigEndian(b), TimeSpan.Zero), v => v is null),
        [typeof(Guid?)] = new ValueCodec<Guid?>((j, v) => j.WriteStringValue(v!.Value), j => j.GetGuid(), v => v!.Value.ToByteArray(bigEndian: true), b => new Guid(b, bigEndian: true), v => v is null),
        [typeof(int?)] = new ValueCodec<int?>((j, v) => j.WriteNumberValue(v!.Value), j => j.GetInt32(), v => Number(v!.Value), b => (int)BinaryPrimitives.ReadInt64BigEndian(b), v => v is null),
        [typeof(byte[])] = new ValueCodec<byte[]?>((j, v) => j.WriteBase64StringValue(v), j => j.GetBytesFromBase64(), v => v!.ToArray(), b => b, v => v is null or { Length: 0 }),
        [typeof(ReadOnlyMemory<byte>)] = new ValueCodec<ReadOnlyMemory<byte>>((j, v) => j.WriteBase64StringValue(v.Span), j => j.GetBytesFromBase64(), v => v.ToArray(), b => b, v => v.IsEmpty),
        [typeof(SecretBytes)] = new ValueCodec<SecretBytes?>((_, _) => throw Clear(), _ => throw Clear(), v => v!.Reveal().ToArray(), b => new SecretBytes(b), v => v is null or { Length: 0 }),
        [typeof(SecretText)] = new ValueCodec<SecretText?>((_, _) => throw Clear(), _ => throw Clear(), v => Encoding.UTF8.GetBytes(v!.Reveal()), b => new SecretText(Encoding.UTF8.GetString(b)), v => v is null),
        [typeof(ImmutableArray<string>)] = new ValueCodec<ImmutableArray<string>>(
            (j, v) => { j.WriteStartArray(); foreach (var s in v) j.WriteStringValue(s); j.WriteEndArray(); },
            j => [.. j.EnumerateArray().Select(e => e.GetString()!)],
            v => Join(v.Select(Encoding.UTF8.GetBytes)), b => [.. Split(b).Select(Encoding.UTF8.GetString)], v => v.IsDefaultOrEmpty),
        [typeof(ImmutableArray<byte[]>)] = new ValueCodec<ImmutableArray<byte[]>>(
            (j, v) => { j.WriteStartArray(); foreach (var b in v) j.WriteBase64StringValue(b); j.WriteEndArray(); },
            j => [.. j.EnumerateArray().Select(e => e.GetBytesFromBase64())],
            v => Join(v), b => [.. Split(b)], v => v.IsDefaultOrEmpty),
    };

    public static object Find(Type type) => s_all.TryGetValue(type, out var codec) ? codec
        : throw new NotSupportedException($"A schema has no form for {type}; convert it to one of the types that Schema.Item names.");

    private static InvalidOperationException Clear() => new("An item of a secret type must be declared secret.");
    private static byte[] Number(long value)
    {
        var bytes = new byte[8];
        BinaryPrimitives.WriteInt64BigEndian(bytes, value);
        return bytes;
    }
    private static void WriteTime(Utf8JsonWriter json, DateTimeOffset value) => json.WriteStringValue(value.ToUniversalTime().ToString("O", CultureInfo.InvariantCulture));
    private static DateTimeOffset ReadTime(JsonElement json) => DateTimeOffset.Parse(json.GetString()!, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal);

    /// <summary>A length of 4 bytes before each part.</summary>
    private static byte[] Join(IEnumerable<byte[]> parts)
    {
        using var joined = new MemoryStream();
        Span<byte> length = stackalloc byte[4];
        foreach (var part in parts)
        {
            BinaryPrimitives.WriteInt32BigEndian(length, part.Length);
            joined.Write(length);
            joined.Write(part);
        }
        return joined.ToArray();
    }

    private static List<byte[]> Split(byte[] joined)
    {
        var parts = new List<byte[]>();
        for (int at = 0; at < joined.Length;)
        {
            int length = BinaryPrimitives.ReadInt32BigEndian(joined.AsSpan(at));
            parts.Add(joined.AsSpan(at + 4, length).ToArray());
            at += 4 + length;
        }
        return parts;
    }
}
