using System.Collections.Immutable;
using System.Text.Json;

namespace Hatchery.Transports;

/// <summary>Writes observations as JSON lines (UTF-8, one object and a line feed each), so that one process hands what it saw to the assembler of
/// another. Each line is handed to the stream as a whole. Thread-safe.</summary>
/// <param name="protocols">Whose kinds of step occur; a kind is written as its protocol's id and its name.</param>
public sealed class ObservationFileWriter(Stream output, IEnumerable<Protocol> protocols, bool leaveOpen = false) : IObservationSink, IDisposable
{
    private readonly Dictionary<StepKind, string> _protocolOf = Index(protocols);
    private readonly System.Buffers.ArrayBufferWriter<byte> _line = new(1024);
    private readonly Lock _lock = new();
    private bool _disposed;

    public void Add(Observation observation)
    {
        lock (_lock)
        {
            if (_disposed)
                return;
            _line.ResetWrittenCount();
            using (var json = new Utf8JsonWriter(_line))
                ObservationForm.Write(json, observation, kind => _protocolOf.GetValueOrDefault(kind, ""));
            _line.GetSpan(1)[0] = (byte)0x0A;
            _line.Advance(1);
            output.Write(_line.WrittenSpan);
        }
    }

    public void Flush()
    {
        lock (_lock)
            if (!_disposed)
                output.Flush();
    }

    public void Dispose()
    {
        lock (_lock)
        {
            if (_disposed)
                return;
            _disposed = true;
            output.Flush();
            if (!leaveOpen)
                output.Dispose();
        }
    }

    private static Dictionary<StepKind, string> Index(IEnumerable<Protocol> protocols)
    {
        var index = new Dictionary<StepKind, string>();
        foreach (var protocol in protocols)
            Add(protocol);
        return index;

        void Add(Protocol protocol)
        {
            foreach (var kind in protocol.Steps)
                index.TryAdd(kind, protocol.Id);
            foreach (var under in protocol.BuildsOn)
                Add(under);
        }
    }
}

public static class ObservationFile
{
    /// <summary>Bytes; a longer line is no observation of ours.</summary>
    private const int MaxLine = 16 * 1024 * 1024;

    /// <summary>Throws <see cref="InvalidDataException"/>, naming the line, for what is no observation or names a kind of step that none of the
    /// protocols has. A last line without its end (the writer was killed) is left out.</summary>
    public static async IAsyncEnumerable<Observation> ReadAsync(Stream input, IEnumerable<Protocol> protocols,
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancel = default)
    {
        var known = new Dictionary<string, Protocol>();
        foreach (var protocol in protocols)
            Add(protocol);
        var reader = System.IO.Pipelines.PipeReader.Create(input, new(leaveOpen: true));
        for (int line = 1; ;)
        {
            var read = await reader.ReadAsync(cancel);
            var buffer = read.Buffer;
            while (System.Buffers.BuffersExtensions.PositionOf(buffer, (byte)'\n') is { } end)
            {
                yield return Parse(System.Buffers.BuffersExtensions.ToArray(buffer.Slice(0, end)), known, line++);
                buffer = buffer.Slice(buffer.GetPosition(1, end));
            }
            if (buffer.Length > MaxLine)
                throw new InvalidDataException($"Line {line} is longer than {MaxLine} bytes.");
            reader.AdvanceTo(buffer.Start, buffer.End);
            if (read.IsCompleted)
                break;
        }
        await reader.CompleteAsync();

        void Add(Protocol protocol)
        {
            known.TryAdd(protocol.Id, protocol);
            foreach (var under in protocol.BuildsOn)
                Add(under);
        }
    }

    private static Observation Parse(byte[] bytes, Dictionary<string, Protocol> known, int line)
    {
        try
        {
            using var json = JsonDocument.Parse(bytes);
            return ObservationForm.Read(json.RootElement, (protocol, name) =>
                known.GetValueOrDefault(protocol)?.Steps.FirstOrDefault(s => s.Name == name)
                ?? throw new InvalidDataException($"there is no kind of step called {name} in protocol \"{protocol}\"."));
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException or FormatException or InvalidDataException
            or ArgumentException or OverflowException)
        {
            throw new InvalidDataException($"Line {line}: {e.Message}", e);
        }
    }
}
