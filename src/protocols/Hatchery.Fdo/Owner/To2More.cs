using System.Collections.Immutable;
using System.Formats.Cbor;

namespace Hatchery.Fdo.Owner;

/// <summary>What a session keeps besides the protocol's own values: its plan, and what the device gave.</summary>
internal sealed class To2More
{
    /// <summary>The credential is to stay as it is.</summary>
    public bool IsReuse { get; set; }
    /// <summary>Bytes of a message that the device takes.</summary>
    public int MaxMessage { get; set; } = WireReading.MaxMessage;

    /// <summary>Bytes of ServiceInfo that fit a message of the device, sealing and the array around them taken off.</summary>
    public int Room(int wanted) => Math.Min(wanted, Math.Max(ServiceInfoSizes.Smallest, MaxMessage - ServiceInfoSizes.AroundMessage));

    /// <summary>Empty before ServiceInfo begins.</summary>
    public string Plan { get; private set; } = "";
    public ImmutableArray<ModuleResult> Results { get; private set; } = [];

    /// <exception cref="FdoException">101: the session's results are more than are taken.</exception>
    public void Add(ModuleResult result)
    {
        if (Results.Sum(r => (long)r.Content.Length) + result.Content.Length > ModuleResult.MaxOfSession)
            throw FdoException.Invalid(result.Name, $"more than the {ModuleResult.MaxOfSession} bytes that are taken in one session.");
        Results = Results.Add(result);
    }

    /// <summary>The plan is chosen once; a session goes on with it, or not at all.</summary>
    public async ValueTask<ServiceInfoPlan> PlanAsync(IServiceInfoPlanner planner, To2Session session, CancellationToken cancel)
    {
        if (Plan.Length > 0)
            return await planner.ResumeAsync(Plan, session.NewGuid, session.Voucher.Guid, session.Serial, session.Profile, cancel)
                ?? throw new FdoException(FdoErrorCode.InternalServerError, "ServiceInfo", "The plan of this session was changed; begin again.");
        var plan = await planner.PlanAsync(session.NewGuid, session.Voucher.Guid, session.Serial, session.Profile, cancel);
        Plan = plan.Name;
        return plan;
    }

    public void Write(CborWriter writer, ModuleCursor cursor)
    {
        writer.WriteStartArray(7 + 3 * Results.Length);
        writer.WriteBoolean(IsReuse);
        writer.WriteInt32(MaxMessage);
        writer.WriteTextString(Plan);
        writer.WriteInt32(cursor.Memory?.Limit ?? -1);
        writer.WriteByteString(cursor.Memory is { } memory ? memory.First.Span : []);
        writer.WriteByteString(cursor.Memory is { } second ? second.Second.Span : []);
        writer.WriteInt32(Results.Length);
        foreach (var result in Results)
        {
            writer.WriteTextString(result.Name);
            writer.WriteTextString(result.Outcome);
            writer.WriteByteString(result.Content.Span);
        }
        writer.WriteEndArray();
    }

    public static To2More Read(CborReader reader, out ModuleMemory? memory)
    {
        reader.ReadStartArray();
        var more = new To2More { IsReuse = reader.ReadBoolean(), MaxMessage = reader.ReadInt32(), Plan = reader.ReadTextString() };
        int limit = reader.ReadInt32();
        byte[] first = reader.ReadByteString(), second = reader.ReadByteString();
        memory = limit < 0 ? null : new ModuleMemory(limit);
        memory?.AddFirst(first, "session");
        memory?.AddSecond(second, "session");
        var results = ImmutableArray.CreateBuilder<ModuleResult>();
        for (int left = reader.ReadInt32(); left > 0; left--)
            results.Add(new ModuleResult(reader.ReadTextString(), reader.ReadTextString(), reader.ReadByteString()));
        more.Results = results.ToImmutable();
        reader.ReadEndArray();
        return more;
    }
}
