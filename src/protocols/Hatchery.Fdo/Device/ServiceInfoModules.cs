using System.Collections.Immutable;
using Hatchery.Cryptography.Cose;

namespace Hatchery.Fdo.Device;

/// <summary>A ServiceInfo module on the device. It acts on the device (files, commands), so it runs outside the party, as the answer to a
/// <see cref="ServiceInfoNeed"/>. One session at a time.</summary>
public interface IDeviceModule
{
    /// <summary>"fdo.download"; listed in devmod:modules.</summary>
    string Name { get; }

    /// <summary>A new TO2 begins: what a former one left unfinished is thrown away.</summary>
    void Begin();

    /// <summary>Takes one message of the owner.</summary>
    /// <param name="message">Without the module's name: "data".</param>
    /// <param name="value">One encoded CBOR item.</param>
    /// <exception cref="FdoException">The session ends with this error.</exception>
    ValueTask ReceiveAsync(string message, ReadOnlyMemory<byte> value, ModuleReplies replies, CancellationToken cancel);

    /// <summary>The owner wants the module; it may speak first.</summary>
    ValueTask ActivateAsync(ModuleReplies replies, CancellationToken cancel) => default;

    /// <summary>Something runs that the owner will be told about: <see cref="PollAsync"/> is called at each turn, and the turns do not count as silence.</summary>
    bool IsBusy => false;

    /// <summary>Called at each turn while busy; may wait for a second or two.</summary>
    /// <inheritdoc cref="ReceiveAsync"/>
    ValueTask PollAsync(ModuleReplies replies, CancellationToken cancel) => default;
}

/// <summary>What a module has to say to the owner.</summary>
public sealed class ModuleReplies(string module)
{
    private readonly List<ServiceInfoPair> _pairs = [];
    internal IReadOnlyList<ServiceInfoPair> Pairs => _pairs;

    /// <param name="value">One encoded CBOR item.</param>
    public void Add(string message, ReadOnlyMemory<byte> value) => _pairs.Add(new ServiceInfoPair($"{module}:{message}", value));
    internal List<DeliveredItem> Delivered { get; } = [];

    /// <summary>Reports what stays in the device: it becomes part of its credential when TO2 is done.</summary>
    public void Deliver(DeliveredItem item) => Delivered.Add(item);
    public void AddNumber(string message, long value) => Add(message, DeviceValue.Number(value));
    public void AddText(string message, string value) => Add(message, DeviceValue.Text(value));

    /// <summary>As one CBOR byte string.</summary>
    public void AddBytes(string message, ReadOnlySpan<byte> value) => Add(message, DeviceValue.Bytes(value));

    /// <summary>As byte strings of at most 1014 bytes, which fit the smallest message; at least one.</summary>
    public void AddChunks(string message, ReadOnlySpan<byte> value)
    {
        const int Chunk = 1014;
        do
        {
            var part = value[..Math.Min(Chunk, value.Length)];
            AddBytes(message, part);
            value = value[part.Length..];
        }
        while (!value.IsEmpty);
    }
}

/// <summary>The party asks what its modules do with what the owner said.</summary>
/// <param name="Begins">The first of a session.</param>
public sealed record ServiceInfoNeed(int Ticket, ImmutableArray<ServiceInfoPair> Pairs, bool Begins) : Need(Ticket);

/// <param name="Delivered">What the modules left in the device for good.</param>
/// <param name="Busy">A module has more to say soon: ask again with no pairs.</param>
public sealed record ServiceInfoSupply(int Ticket, ImmutableArray<ServiceInfoPair> Pairs, ImmutableArray<DeliveredItem> Delivered, bool Busy = false) : Supply(Ticket);

/// <summary>A module failed in a way that ends the session.</summary>
public sealed record ServiceInfoFailure(int Ticket, FdoException Fault) : Supply(Ticket);

/// <summary>The modules of a device: hands each message to its module, confirms or denies <c>active</c>, ignores what is said to inactive ones (FDO 1.1 §3.8).</summary>
public sealed class DeviceModuleHost(params ImmutableArray<IDeviceModule> modules)
{
    private readonly HashSet<string> _active = [];

    public ImmutableArray<string> Names => [.. modules.Select(m => m.Name)];

    public async ValueTask<Supply> AnswerAsync(ServiceInfoNeed need, CancellationToken cancel)
    {
        if (need.Begins)
        {
            _active.Clear();
            foreach (var module in modules)
                module.Begin();
        }
        var replies = ImmutableArray.CreateBuilder<ServiceInfoPair>();
        var delivered = ImmutableArray.CreateBuilder<DeliveredItem>();
        try
        {
            foreach (var pair in need.Pairs)
                await HandleAsync(pair, replies, delivered, cancel);
            foreach (var module in modules)
                if (module.IsBusy)
                    await SpeakAsync(module, module.PollAsync, replies, delivered, cancel);
        }
        catch (FdoException fault)
        {
            return new ServiceInfoFailure(need.Ticket, fault);
        }
        return new ServiceInfoSupply(need.Ticket, replies.ToImmutable(), delivered.ToImmutable(), modules.Any(m => m.IsBusy));
    }

    private static async ValueTask SpeakAsync(IDeviceModule module, Func<ModuleReplies, CancellationToken, ValueTask> act, ImmutableArray<ServiceInfoPair>.Builder replies,
        ImmutableArray<DeliveredItem>.Builder delivered, CancellationToken cancel)
    {
        var answers = new ModuleReplies(module.Name);
        await act(answers, cancel);
        replies.AddRange(answers.Pairs);
        delivered.AddRange(answers.Delivered);
    }

    private async ValueTask HandleAsync(ServiceInfoPair pair, ImmutableArray<ServiceInfoPair>.Builder replies, ImmutableArray<DeliveredItem>.Builder delivered, CancellationToken cancel)
    {
        string name = pair.Module.ToString(), message = pair.Message.ToString();
        var module = modules.FirstOrDefault(m => m.Name == name);
        if (message == "active")
        {
            bool wanted = DeviceValue.Bool(pair);
            bool active = wanted && module is not null;
            if (active)
                _active.Add(name);
            else
                _active.Remove(name);
            replies.Add(new ServiceInfoPair($"{name}:active", active ? DeviceValue.True : DeviceValue.False));
            if (active)
                await SpeakAsync(module!, module!.ActivateAsync, replies, delivered, cancel);
            return;
        }
        if (module is null || !_active.Contains(name))
            return;
        await SpeakAsync(module, (answers, stop) => module.ReceiveAsync(message, pair.Value, answers, stop), replies, delivered, cancel);
    }
}

/// <summary>Encodings of ServiceInfo values.</summary>
internal static class DeviceValue
{
    public static readonly ReadOnlyMemory<byte> True = new byte[] { 0xF5 }, False = new byte[] { 0xF4 };

    public static bool Bool(ServiceInfoPair pair) => new Hatchery.Cryptography.Cose.BoundedCborReader(pair.Value, FdoException.Content).Bool(pair.Key);

    public static byte[] Number(long value)
    {
        var writer = WireReading.Writer(16);
        writer.WriteInt64(value);
        return writer.Finish();
    }

    public static byte[] Bytes(ReadOnlySpan<byte> value)
    {
        var writer = WireReading.Writer(value.Length + 8);
        writer.WriteByteString(value);
        return writer.Finish();
    }

    public static byte[] Text(string value)
    {
        var writer = WireReading.Writer(value.Length + 8);
        writer.WriteTextString(value);
        return writer.Finish();
    }
}
