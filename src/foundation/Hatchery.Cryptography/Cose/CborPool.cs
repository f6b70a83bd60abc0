using System.Formats.Cbor;

namespace Hatchery.Cryptography.Cose;

/// <summary>Readers and writers that a thread uses again: making one costs more than most messages take. Who fails to give one back loses nothing but the saving.</summary>
public static class CborPool
{
    /// <summary>Of each kind and thread; nested messages need a few.</summary>
    private const int Most = 8;

    [ThreadStatic]
    private static Stack<CborReader>? s_readers;
    [ThreadStatic]
    private static Stack<CborWriter>? s_writers;

    internal static CborReader Read(ReadOnlyMemory<byte> bytes)
    {
        if (s_readers is null || !s_readers.TryPop(out var reader))
            return new CborReader(bytes, CborConformanceMode.Lax);
        reader.Reset(bytes);
        return reader;
    }

    internal static void Return(CborReader reader)
    {
        reader.Reset(default);
        if ((s_readers ??= new(Most)).Count < Most)
            s_readers.Push(reader);
    }

    /// <summary>An empty writer, without rules beyond well-formed CBOR; to be ended by <see cref="Finish"/>.</summary>
    public static CborWriter Writer(int capacity = 256) =>
        s_writers is not null && s_writers.TryPop(out var writer) ? writer : new CborWriter(CborConformanceMode.Lax, initialCapacity: capacity);

    /// <summary>The bytes; the writer must not be used any more.</summary>
    /// <exception cref="InvalidOperationException">The item is not complete.</exception>
    public static byte[] Finish(this CborWriter writer)
    {
        var bytes = writer.Encode();
        writer.Reset();
        if (bytes.Length <= 64 * 1024 && (s_writers ??= new(Most)).Count < Most)
            s_writers.Push(writer);
        return bytes;
    }
}
