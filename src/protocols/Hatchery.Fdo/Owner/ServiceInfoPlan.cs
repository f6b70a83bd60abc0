using System.Collections.Immutable;
using System.Formats.Cbor;
using Hatchery.Cryptography.Cose;

namespace Hatchery.Fdo.Owner;

/// <summary>What an owner wants done on a device during TO2, module by module, in order.</summary>
/// <param name="Name">Sessions name their plan by it, so another process can go on with it.</param>
public sealed record ServiceInfoPlan(string Name, ImmutableArray<OwnerModule> Modules)
{
    public static readonly ServiceInfoPlan Empty = new("empty", []);
}

/// <summary>Gives a device its plan, after it proved who it is.</summary>
public interface IServiceInfoPlanner
{
    /// <param name="profile">What the admission policy said.</param>
    ValueTask<ServiceInfoPlan> PlanAsync(Guid newGuid, Guid oldGuid, string serial, string profile, CancellationToken cancel);

    /// <summary>The plan that a session began with, whatever was changed meanwhile; null: it is no more.</summary>
    /// <param name="name">Of the plan that <see cref="PlanAsync"/> gave.</param>
    async ValueTask<ServiceInfoPlan?> ResumeAsync(string name, Guid newGuid, Guid oldGuid, string serial, string profile, CancellationToken cancel) =>
        await PlanAsync(newGuid, oldGuid, serial, profile, cancel) is var plan && plan.Name == name ? plan : null;
}

/// <summary>The same plan for all.</summary>
public sealed class OnePlan(ServiceInfoPlan plan) : IServiceInfoPlanner
{
    public ValueTask<ServiceInfoPlan> PlanAsync(Guid newGuid, Guid oldGuid, string serial, string profile, CancellationToken cancel) => new(plan);
}

/// <summary>How far a module's use has come in a session. All a module may remember; it is stored between messages.</summary>
/// <param name="Offset">Bytes sent or received.</param>
/// <param name="Silence">Device messages since the module last had something to say, or heard.</param>
public readonly record struct ModuleCursor(int Phase, long Offset, int Silence)
{
    public const int Finished = int.MaxValue;
    public bool IsFinished => Phase == Finished;
    public static readonly ModuleCursor End = new(Finished, 0, 0);

    /// <summary>What the module collects; null: nothing yet.</summary>
    public ModuleMemory? Memory { get; init; }

    /// <summary>Done, with what was collected.</summary>
    public ModuleCursor Finish() => this with { Phase = Finished };
}

/// <summary>What a module of the owner collects from the device: a file, a program's output.</summary>
/// <param name="limit">Bytes.</param>
public sealed class ModuleMemory(int limit)
{
    private readonly System.Buffers.ArrayBufferWriter<byte> _first = new(), _second = new();

    public int Limit => limit;
    public ReadOnlyMemory<byte> First => _first.WrittenMemory;
    public ReadOnlyMemory<byte> Second => _second.WrittenMemory;

    /// <exception cref="FdoException">101: more than the limit.</exception>
    public void AddFirst(ReadOnlySpan<byte> bytes, string field) => Add(_first, bytes, field);
    /// <inheritdoc cref="AddFirst"/>
    public void AddSecond(ReadOnlySpan<byte> bytes, string field) => Add(_second, bytes, field);

    private void Add(System.Buffers.ArrayBufferWriter<byte> to, ReadOnlySpan<byte> bytes, string field)
    {
        if (_first.WrittenCount + _second.WrittenCount + bytes.Length > limit)
            throw FdoException.Invalid(field, $"more than the {limit} bytes that are taken.");
        System.Buffers.BuffersExtensions.Write(to, bytes);
    }
}

/// <summary>What a device gave its owner in ServiceInfo.</summary>
/// <param name="Name">"fdo.upload:/etc/os-release", "fdo.command:uname".</param>
/// <param name="Outcome">"412 bytes", "exit code 0".</param>
public sealed record ModuleResult(string Name, string Outcome, ReadOnlyMemory<byte> Content)
{
    /// <summary>Bytes that all results of one session may have.</summary>
    public const int MaxOfSession = 4 << 20;
}

/// <summary>What a module knows of the session.</summary>
/// <param name="NewGuid">That the device will go by; its own where the credential is reused.</param>
public sealed record ModuleContext(Guid NewGuid, string Serial, DateTimeOffset Now, Chance Chance);

/// <summary>The owner's side of a ServiceInfo module: one use of it. Immutable, shared by sessions; state is in the cursor.</summary>
public abstract class OwnerModule
{
    /// <summary>"fdo.download"; skipped where the device does not list it in devmod:modules.</summary>
    public abstract string Name { get; }

    /// <summary>For the audit log: what it gives the device. No secrets.</summary>
    public abstract string Describe();

    /// <summary>Adds pairs while there is room; returns the cursor behind them.</summary>
    /// <param name="more">Set if there is more to send at once, before the device has anything to say.</param>
    public abstract ModuleCursor Produce(ModuleCursor cursor, ServiceInfoBudget room, out bool more);

    /// <summary>Takes one message of the device to this module.</summary>
    /// <param name="message">Without the module's name: "done".</param>
    /// <param name="value">One encoded CBOR item.</param>
    /// <exception cref="FdoException">101: makes no sense here.</exception>
    public virtual ModuleCursor Receive(ModuleCursor cursor, string message, ReadOnlyMemory<byte> value) => cursor;

    /// <summary>The same for a module that must ask others first.</summary>
    /// <inheritdoc cref="Receive"/>
    public virtual ValueTask<ModuleCursor> ReceiveAsync(ModuleCursor cursor, string message, ReadOnlyMemory<byte> value, ModuleContext context, CancellationToken cancel) =>
        new(Receive(cursor, message, value));

    /// <summary>What the device gave, of a cursor that is finished; stored when TO2 is done.</summary>
    public virtual ImmutableArray<ModuleResult> Results(ModuleCursor cursor) => [];
}

/// <summary>Room in one ServiceInfo, as the device limits it.</summary>
public sealed class ServiceInfoBudget(int bytes)
{
    private readonly ImmutableArray<ServiceInfoPair>.Builder _pairs = ImmutableArray.CreateBuilder<ServiceInfoPair>();

    /// <summary>Bytes left for pairs.</summary>
    public int Left { get; private set; } = bytes - 5;
    public ImmutableArray<ServiceInfoPair> Pairs => _pairs.ToImmutable();

    /// <summary>False, and nothing added, if it does not fit.</summary>
    public bool TryAdd(string key, ReadOnlyMemory<byte> value)
    {
        var pair = new ServiceInfoPair(key, value);
        int size = pair.EncodedSize;
        if (size > Left)
            return false;
        Left -= size;
        _pairs.Add(pair);
        return true;
    }

    /// <summary>The longest value, as it stands, that still fits under this key.</summary>
    public int RoomForValue(string key) => Math.Max(0, Left - (1 + 2 + key.Length) - 3);

    /// <summary>The longest content of a CBOR byte string that still fits under this key.</summary>
    public int RoomForBytes(string key) => Math.Max(0, Left - (1 + 2 + key.Length) - 3 - 3);
}

/// <summary>Encodings of ServiceInfo values.</summary>
public static class ServiceInfoValue
{
    public static readonly ReadOnlyMemory<byte> True = new byte[] { 0xF5 }, False = new byte[] { 0xF4 }, Null = new byte[] { 0xF6 };

    public static byte[] Text(string value)
    {
        var writer = WireReading.Writer(value.Length + 8);
        writer.WriteTextString(value);
        return writer.Finish();
    }

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
}
