using System.Collections.Immutable;
using System.Text.Json;

namespace Hatchery;

/// <summary>What a factory reset keeps.</summary>
public enum Lifetime { Factory, Imparted }

/// <summary>A state or record, declared item by item, once. From this one declaration come persistence, sealing of secrets, factory reset,
/// index columns and the projection of beliefs, so none of them can forget what another knows. Built in a static initializer, then only read.</summary>
/// <typeparam name="TState">An immutable record.</typeparam>
/// <param name="name">"fdo.device"; the record's type in the database.</param>
/// <param name="version">Of the document's form; older documents are upgraded when read, see <see cref="Upgrades{TOld}"/>.</param>
/// <param name="blank">The state that holds nothing; items are read into it and a reset returns to it.</param>
public sealed class Schema<TState>(string name, int version, TState blank) where TState : class
{
    private readonly List<IItem> _items = [];
    private readonly List<(string Name, Func<TState, string?> Value)> _indexes = [];
    private (int Version, Func<JsonElement, ISealer?, string, TState> Read)? _older;

    public string Name => name;
    public int Version => version;
    public TState Blank => blank;
    public IReadOnlyList<(string Name, Func<TState, string?> Value)> Indexes => _indexes;
    public IEnumerable<string> ItemNames => _items.Select(i => i.Name);

    /// <summary>An item that is a belief.</summary>
    /// <typeparam name="T">One of: string, bool, int, long, uint, Guid, DateTimeOffset, byte[], ReadOnlyMemory&lt;byte&gt;, SecretBytes, SecretText,
    /// ImmutableArray&lt;string&gt;, ImmutableArray&lt;byte[]&gt;, an enum's underlying int through a conversion of the caller, or nullable forms.</typeparam>
    /// <param name="secret">Sealed at rest, and never shown.</param>
    /// <param name="bits">Entropy of a secret in bits; by default 8 times its length.</param>
    public Schema<TState> Item<T>(string item, Func<TState, T> get, Func<TState, T, TState> with, Lifetime lifetime, BeliefKind kind, About about,
        bool secret = false, Func<TState, int?>? bits = null)
    {
        _items.Add(new Value<T>(item, get, with, lifetime, kind, about, secret, bits));
        return this;
    }

    /// <summary>An item that is no belief.</summary>
    /// <param name="whyNoBelief">Documentation: a counter, a switch, the same for all devices.</param>
    public Schema<TState> Plain<T>(string item, Func<TState, T> get, Func<TState, T, TState> with, Lifetime lifetime, string whyNoBelief, bool secret = false)
    {
        ArgumentException.ThrowIfNullOrEmpty(whyNoBelief);
        _items.Add(new Value<T>(item, get, with, lifetime, null, default, secret, null));
        return this;
    }

    /// <summary>A list of parts with a schema of their own; their beliefs are named "item[n].part".</summary>
    public Schema<TState> Items<TPart>(string item, Func<TState, ImmutableArray<TPart>> get, Func<TState, ImmutableArray<TPart>, TState> with,
        Lifetime lifetime, Schema<TPart> each) where TPart : class
    {
        _items.Add(new Parts<TPart>(item, get, with, lifetime, each));
        return this;
    }

    /// <summary>A column to find records by; null: not in this index. Not for secrets.</summary>
    public Schema<TState> Index(string index, Func<TState, string?> value)
    {
        _indexes.Add((index, value));
        return this;
    }

    /// <summary>Reads documents of the version before.</summary>
    public Schema<TState> Upgrades<TOld>(Schema<TOld> older, Func<TOld, TState> upgrade) where TOld : class
    {
        _older = (older.Version, (document, sealer, context) => upgrade(older.Read(document, sealer, context)));
        return this;
    }

    /// <summary>The document as UTF-8 JSON. Secrets are sealed, bound to schema, key and item.</summary>
    /// <param name="sealer">Null only for states without secrets.</param>
    public byte[] Write(TState state, ISealer? sealer, RecordKey key)
    {
        using var document = DocumentWriter.Take();
        Write(document.Json, state, sealer, $"{name}/{key.Value}/");
        return document.Written.ToArray();
    }

    internal void Write(Utf8JsonWriter json, TState state, ISealer? sealer, string context)
    {
        json.WriteStartObject();
        json.WriteNumber("v", version);
        foreach (var item in _items)
            item.Write(json, state, sealer, context);
        json.WriteEndObject();
    }

    /// <summary>Throws <see cref="InvalidDataException"/> if the document is of another form, CryptographicException if a sealed item does not open.</summary>
    public TState Read(ReadOnlyMemory<byte> document, ISealer? sealer, RecordKey key)
    {
        try
        {
            using var json = JsonDocument.Parse(document);
            return Read(json.RootElement, sealer, $"{name}/{key.Value}/");
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException or KeyNotFoundException)
        {
            throw new InvalidDataException($"The document {name}/{key.Value} cannot be read: {e.Message}", e);
        }
    }

    internal TState Read(JsonElement json, ISealer? sealer, string context)
    {
        int found = json.GetProperty("v").GetInt32();
        if (found != version)
        {
            if (_older is { } older && found <= older.Version)
                return older.Read(json, sealer, context);
            throw new InvalidDataException($"The document {context} has version {found}; this program knows up to {version}.");
        }
        var state = blank;
        foreach (var item in _items)
            if (json.TryGetProperty(item.Name, out var value))
                state = item.Read(value, state, sealer, context);
        return state;
    }

    /// <summary>What the holder of this state believes. Empty items are not held.</summary>
    /// <param name="origin">Who imparted an item, by its name.</param>
    public ImmutableArray<Belief> Project(TState state, WitnessKey key, Func<string, Origin> origin)
    {
        var beliefs = ImmutableArray.CreateBuilder<Belief>();
        foreach (var item in _items)
            item.Project(state, key, origin, "", beliefs);
        return beliefs.ToImmutable();
    }

    internal void Project(TState state, WitnessKey key, Func<string, Origin> origin, string prefix, ImmutableArray<Belief>.Builder into)
    {
        foreach (var item in _items)
            item.Project(state, key, origin, prefix, into);
    }

    /// <summary>The bytes of every held item that is a belief, by name: what a listener's captured bytes are searched for.</summary>
    public IEnumerable<(string Item, BeliefKind Kind, bool Secret, byte[] Bytes)> Reveal(TState state) => _items.SelectMany(i => i.Reveal(state, ""));

    internal IEnumerable<(string Item, BeliefKind Kind, bool Secret, byte[] Bytes)> Reveal(TState state, string prefix) =>
        _items.SelectMany(i => i.Reveal(state, prefix));

    /// <summary>Back to what the factory put in.</summary>
    public TState Reset(TState state)
    {
        var result = blank;
        foreach (var item in _items)
            if (item.Lifetime == Lifetime.Factory)
                result = item.Copy(state, result);
        return result;
    }

    private interface IItem
    {
        string Name { get; }
        Lifetime Lifetime { get; }
        void Write(Utf8JsonWriter json, TState state, ISealer? sealer, string context);
        TState Read(JsonElement json, TState into, ISealer? sealer, string context);
        void Project(TState state, WitnessKey key, Func<string, Origin> origin, string prefix, ImmutableArray<Belief>.Builder into);
        IEnumerable<(string, BeliefKind, bool, byte[])> Reveal(TState state, string prefix);
        TState Copy(TState from, TState into);
    }

    private sealed record Value<T>(string Name, Func<TState, T> Get, Func<TState, T, TState> With, Lifetime Lifetime, BeliefKind? Kind, About About,
        bool Secret, Func<TState, int?>? Bits) : IItem
    {
        private static readonly ValueCodec<T> s_codec = ValueCodec<T>.Instance;

        public void Write(Utf8JsonWriter json, TState state, ISealer? sealer, string context)
        {
            var value = Get(state);
            if (s_codec.IsEmpty(value))
                return;
            json.WritePropertyName(Name);
            if (!Secret)
            {
                s_codec.Write(json, value);
                return;
            }
            if (sealer is null)
                throw new InvalidOperationException($"{context}{Name} is a secret and there is no key to seal it.");
            var plain = s_codec.Bytes(value);
            json.WriteStartObject();
            json.WriteBase64String("sealed", sealer.Seal(context + Name, plain));
            json.WriteEndObject();
            System.Security.Cryptography.CryptographicOperations.ZeroMemory(plain);
        }

        public TState Read(JsonElement json, TState into, ISealer? sealer, string context)
        {
            if (!Secret)
                return With(into, s_codec.Read(json));
            if (sealer is null)
                throw new InvalidOperationException($"{context}{Name} is sealed and there is no key to open it.");
            return With(into, s_codec.FromBytes(sealer.Open(context + Name, json.GetProperty("sealed").GetBytesFromBase64())));
        }

        public void Project(TState state, WitnessKey key, Func<string, Origin> origin, string prefix, ImmutableArray<Belief>.Builder into)
        {
            if (Kind is not { } kind)
                return;
            var value = Get(state);
            if (s_codec.IsEmpty(value))
                return;
            var bytes = s_codec.Bytes(value);
            int? secretBits = Secret ? Bits is null ? bytes.Length * 8 : Bits(state) : null;
            into.Add(new Belief(prefix + Name, kind, About, origin(prefix + Name), key.Fingerprint("belief", bytes), secretBits));
        }

        public IEnumerable<(string, BeliefKind, bool, byte[])> Reveal(TState state, string prefix)
        {
            var value = Get(state);
            if (Kind is { } kind && !s_codec.IsEmpty(value))
                yield return (prefix + Name, kind, Secret, s_codec.Bytes(value));
        }

        public TState Copy(TState from, TState into) => With(into, Get(from));
    }

    private sealed record Parts<TPart>(string Name, Func<TState, ImmutableArray<TPart>> Get, Func<TState, ImmutableArray<TPart>, TState> With,
        Lifetime Lifetime, Schema<TPart> Each) : IItem where TPart : class
    {
        public void Write(Utf8JsonWriter json, TState state, ISealer? sealer, string context)
        {
            var parts = Get(state);
            if (parts.IsDefaultOrEmpty)
                return;
            json.WriteStartArray(Name);
            for (int i = 0; i < parts.Length; i++)
                Each.Write(json, parts[i], sealer, $"{context}{Name}[{i}].");
            json.WriteEndArray();
        }

        public TState Read(JsonElement json, TState into, ISealer? sealer, string context)
        {
            var parts = ImmutableArray.CreateBuilder<TPart>(json.GetArrayLength());
            foreach (var part in json.EnumerateArray())
                parts.Add(Each.Read(part, sealer, $"{context}{Name}[{parts.Count}]."));
            return With(into, parts.MoveToImmutable());
        }

        public void Project(TState state, WitnessKey key, Func<string, Origin> origin, string prefix, ImmutableArray<Belief>.Builder into)
        {
            var parts = Get(state);
            if (parts.IsDefaultOrEmpty)
                return;
            for (int i = 0; i < parts.Length; i++)
                Each.Project(parts[i], key, origin, $"{prefix}{Name}[{i}].", into);
        }

        public IEnumerable<(string, BeliefKind, bool, byte[])> Reveal(TState state, string prefix)
        {
            var parts = Get(state);
            return parts.IsDefaultOrEmpty ? [] : parts.SelectMany((p, i) => Each.Reveal(p, $"{prefix}{Name}[{i}]."));
        }

        public TState Copy(TState from, TState into) => With(into, Get(from));
    }
}

/// <summary>A thread's buffer for documents: growing one anew for each document costs more than writing it. A document within a document gets a buffer of its own.</summary>
internal sealed class DocumentWriter : IDisposable
{
    /// <summary>Bytes; a larger buffer is given up.</summary>
    private const int MostKept = 64 * 1024;

    [ThreadStatic]
    private static DocumentWriter? s_kept;

    private readonly System.Buffers.ArrayBufferWriter<byte> _buffer = new(4096);

    private DocumentWriter() => Json = new Utf8JsonWriter(_buffer);

    public Utf8JsonWriter Json { get; }

    /// <summary>What was written so far; valid until disposal.</summary>
    public ReadOnlySpan<byte> Written
    {
        get
        {
            Json.Flush();
            return _buffer.WrittenSpan;
        }
    }

    public static DocumentWriter Take()
    {
        var taken = s_kept ?? new DocumentWriter();
        s_kept = null;
        return taken;
    }

    public void Dispose()
    {
        if (_buffer.Capacity > MostKept)
            return;
        _buffer.ResetWrittenCount();
        Json.Reset();
        s_kept = this;
    }
}
