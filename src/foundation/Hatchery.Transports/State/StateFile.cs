using System.Collections.Immutable;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;

namespace Hatchery.Transports;

/// <summary>The state file cannot be used; the sentence says why. What was in it is left as it is.</summary>
public sealed class StateFileException(string file, string sentence, Exception? inner = null) : IOException($"{file}: {sentence}", inner)
{
    public string File => file;
}

public static class StateFile
{
    /// <summary>Takes the file for this process until it is disposed; makes the folder if it is missing.</summary>
    /// <param name="path">Of the file; "path.lock" and, for the time of a save, "path.new" stand beside it.</param>
    /// <param name="sealer">Null only for states without secrets.</param>
    /// <param name="key">Bound into what is sealed; the same at each opening.</param>
    public static StateFile<TState> Open<TState>(Schema<TState> schema, string path, ISealer? sealer, string key = "device") where TState : class =>
        new(schema, Path.GetFullPath(path), sealer, new RecordKey(key));
}

/// <summary>A device's state, and who imparted each item of it, in one file that is replaced as a whole: write, fsync, rename, fsync of the
/// folder. A process killed at any point leaves the old state or the new one. Mode 0600; one process at a time. Not thread-safe.</summary>
/// <remarks>UTF-8 JSON: {"hatchery":"state","form":1,"sha256":hex over the bytes of payload,"payload":{"origins":{item:origin},"state":document}}.</remarks>
public sealed class StateFile<TState> : IDisposable where TState : class
{
    private const int MaxBytes = 64 * 1024 * 1024;
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private readonly Schema<TState> _schema;
    private readonly ISealer? _sealer;
    private readonly RecordKey _key;
    private readonly string _path, _temporary;
    private readonly FileStream _lock;

    internal StateFile(Schema<TState> schema, string path, ISealer? sealer, RecordKey key)
    {
        (_schema, _path, _temporary, _sealer, _key) = (schema, path, path + ".new", sealer, key);
        var folder = Path.GetDirectoryName(path)!;
        if (!Directory.Exists(folder))
            MakeFolder(folder);
        try
        {
            _lock = new FileStream(path + ".lock", Options(FileMode.OpenOrCreate, FileAccess.ReadWrite));
        }
        catch (IOException e) when (e is not (DirectoryNotFoundException or FileNotFoundException or PathTooLongException))
        {
            throw new StateFileException(path, "The state is in use by another process.", e);
        }
        File.Delete(_temporary);
    }

    /// <summary>Who imparted each item, as of the last load or save.</summary>
    public ImmutableDictionary<string, Origin> Origins { get; private set; } = ImmutableDictionary<string, Origin>.Empty;

    /// <summary>Null if nothing was ever saved. Throws <see cref="StateFileException"/> for a file that is damaged, of another kind, or sealed
    /// under another key.</summary>
    public TState? Load()
    {
        byte[] bytes;
        try
        {
            using var file = new FileStream(_path, FileMode.Open, FileAccess.Read, FileShare.Read);
            if (file.Length > MaxBytes)
                throw new StateFileException(_path, $"The file is larger than {MaxBytes} bytes.");
            bytes = new byte[file.Length];
            file.ReadExactly(bytes);
        }
        catch (FileNotFoundException)
        {
            return null;
        }
        try
        {
            return Parse(bytes);
        }
        catch (CryptographicException e)
        {
            throw new StateFileException(_path, "A secret in it does not open: it was sealed under another key, or altered.", e);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException or FormatException or InvalidDataException)
        {
            throw new StateFileException(_path, $"The file is damaged or of another kind: {e.Message}", e);
        }
    }

    private TState Parse(byte[] bytes)
    {
        using var json = JsonDocument.Parse(bytes);
        var root = json.RootElement;
        if (root.GetProperty("hatchery").GetString() != "state" || root.GetProperty("form").GetInt32() != 1)
            throw new InvalidDataException("no state of form 1.");
        var payload = root.GetProperty("payload");
        var digest = Convert.FromHexString(root.GetProperty("sha256").GetString()!);
        if (!SHA256.HashData(JsonMarshal.GetRawUtf8Value(payload)).AsSpan().SequenceEqual(digest))
            throw new InvalidDataException("the payload is not the one that was saved.");
        var origins = ImmutableDictionary.CreateBuilder<string, Origin>();
        foreach (var item in payload.GetProperty("origins").EnumerateObject())
            origins[item.Name] = OriginOf(item.Value.GetString());
        var state = _schema.Read(JsonMarshal.GetRawUtf8Value(payload.GetProperty("state")).ToArray(), _sealer, _key);
        Origins = origins.ToImmutable();
        return state;
    }

    /// <summary>Durable on return.</summary>
    public void Save(TState state, IReadOnlyDictionary<string, Origin> origins)
    {
        var bytes = Compose(state, origins);
        try
        {
            using (var file = new FileStream(_temporary, Options(FileMode.Create, FileAccess.Write)))
            {
                file.Write(bytes);
                file.Flush(flushToDisk: true);
            }
            File.Move(_temporary, _path, overwrite: true);
            Folder.Flush(Path.GetDirectoryName(_path)!);
        }
        catch (Exception e) when (e is (IOException and not StateFileException) or UnauthorizedAccessException)
        {
            throw new StateFileException(_path, $"The state could not be saved: {e.Message}", e);
        }
        Origins = origins.ToImmutableDictionary();
    }

    /// <summary>A device taken out of service: its state is gone for good.</summary>
    public void Delete()
    {
        File.Delete(_path);
        Folder.Flush(Path.GetDirectoryName(_path)!);
        Origins = ImmutableDictionary<string, Origin>.Empty;
    }

    public void Dispose() => _lock.Dispose();

    private byte[] Compose(TState state, IReadOnlyDictionary<string, Origin> origins)
    {
        var payload = new System.Buffers.ArrayBufferWriter<byte>(1024);
        using (var json = new Utf8JsonWriter(payload))
        {
            json.WriteStartObject();
            json.WriteStartObject("origins");
            foreach (var (item, origin) in origins.OrderBy(o => o.Key, StringComparer.Ordinal))
                json.WriteString(item, NameOf(origin));
            json.WriteEndObject();
            json.WritePropertyName("state");
            json.WriteRawValue(_schema.Write(state, _sealer, _key), skipInputValidation: true);
            json.WriteEndObject();
        }
        var whole = new System.Buffers.ArrayBufferWriter<byte>(payload.WrittenCount + 128);
        using (var json = new Utf8JsonWriter(whole))
        {
            json.WriteStartObject();
            json.WriteString("hatchery", "state");
            json.WriteNumber("form", 1);
            json.WriteString("sha256", Convert.ToHexStringLower(SHA256.HashData(payload.WrittenSpan)));
            json.WritePropertyName("payload");
            json.WriteRawValue(payload.WrittenSpan, skipInputValidation: true);
            json.WriteEndObject();
        }
        return whole.WrittenSpan.ToArray();
    }

    private static string NameOf(Origin origin) => origin switch { Origin.Factory => "factory", Origin.User => "user", _ => "protocol" };

    private static Origin OriginOf(string? name) => name switch
    {
        "factory" => Origin.Factory,
        "user" => Origin.User,
        "protocol" => Origin.Protocol,
        _ => throw new InvalidDataException($"no origin is called {name}."),
    };

    private static FileStreamOptions Options(FileMode mode, FileAccess access)
    {
        var options = new FileStreamOptions { Mode = mode, Access = access, Share = FileShare.None, BufferSize = 0 };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = OwnerOnly;
        return options;
    }

    private static void MakeFolder(string folder)
    {
        if (OperatingSystem.IsWindows())
            Directory.CreateDirectory(folder);
        else
            Directory.CreateDirectory(folder, OwnerOnly | UnixFileMode.UserExecute);
    }
}
