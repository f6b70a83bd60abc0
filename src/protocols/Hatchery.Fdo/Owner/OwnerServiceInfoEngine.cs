using System.Collections.Immutable;
using System.Formats.Cbor;
using Hatchery.Cryptography.Cose;

namespace Hatchery.Fdo.Owner;

/// <summary>The owner's turns of the ServiceInfo exchange (FDO 1.1 §3.8, §5.5.10 to 5.5.11): devmod first, then the plan's modules one by one.</summary>
internal static class OwnerServiceInfoEngine
{
    /// <summary>Of the standard, both sides counted.</summary>
    private const int MaxRounds = 1_000_000;
    /// <summary>Rounds in a row in which nobody says anything, before we give up.</summary>
    private const int MaxSilentRounds = 100;
    private const int MaxModules = 1000;
    private const int MaxDevmodText = 1024;

    /// <param name="finished">Gets what each module gave the device when it is done, or why it was skipped.</param>
    public static async ValueTask<OwnerServiceInfo> TurnAsync(To2Session session, ServiceInfoPlan plan, DeviceServiceInfo message, ModuleContext context, Action<string> finished,
        CancellationToken cancel)
    {
        if (session.OwnerDone)
            throw FdoException.Invalid("TO2.DeviceServiceInfo", "comes after the owner said that it is done.");
        session.Rounds += 2;
        if (session.Rounds > MaxRounds)
            throw FdoException.Invalid("TO2.DeviceServiceInfo", $"more than {MaxRounds} rounds.");

        if (!message.ServiceInfo.IsEmpty)
        {
            var whole = new List<ServiceInfoPair>(message.ServiceInfo.Length);
            foreach (var pair in message.ServiceInfo)
                session.Joiner.Accept(pair, whole.Add);
            foreach (var pair in whole)
                await AcceptAsync(session, plan, pair, context, finished, cancel);
        }
        if (!session.DevmodComplete && !message.IsMoreServiceInfo)
            CompleteDevmod(session);

        var answer = message.IsMoreServiceInfo ? new OwnerServiceInfo(false, false, []) : Produce(session, plan, finished);
        session.SilentRounds = message.ServiceInfo.IsEmpty && answer.ServiceInfo.IsEmpty && !answer.IsDone ? session.SilentRounds + 1 : 0;
        if (session.SilentRounds > MaxSilentRounds)
            throw FdoException.Invalid("TO2.DeviceServiceInfo", $"nothing was said for {MaxSilentRounds} rounds.");
        return answer;
    }

    private static async ValueTask AcceptAsync(To2Session session, ServiceInfoPlan plan, ServiceInfoPair pair, ModuleContext context, Action<string> finished, CancellationToken cancel)
    {
        if (IsDevmod(pair))
        {
            if (session.DevmodComplete)
                throw FdoException.Invalid(pair.Key, "devmod was complete.");
            session.Modules = Devmod(session.Modules, pair);
        }
        else if (!session.DevmodComplete)
            throw FdoException.Invalid(pair.Key, "comes before devmod is complete.");
        else if (session.Module < plan.Modules.Length && IsOf(pair, plan.Modules[session.Module]))
        {
            session.Cursor = await plan.Modules[session.Module].ReceiveAsync(session.Cursor, pair.Message.ToString(), pair.Value, context, cancel);
            if (session.Cursor.IsFinished)
                Next(session, plan.Modules[session.Module], finished);
        }
        // What an inactive module says is ignored.
    }

    private static bool IsDevmod(ServiceInfoPair pair) => pair.Module.SequenceEqual("devmod");
    private static bool IsOf(ServiceInfoPair pair, OwnerModule module) => pair.Module.SequenceEqual(module.Name);

    private static OwnerServiceInfo Produce(To2Session session, ServiceInfoPlan plan, Action<string> finished)
    {
        // The sealing and the array around the pairs take some of what the device can receive.
        var room = new ServiceInfoBudget(session.MaxOwnerServiceInfo);
        bool more = false;
        while (session.Module < plan.Modules.Length)
        {
            var module = plan.Modules[session.Module];
            if (!session.Modules.Names.Contains(module.Name))
            {
                finished($"{module.Describe()}: skipped, the device has no {module.Name}");
                (session.Module, session.Cursor) = (session.Module + 1, default);
                continue;
            }
            session.Cursor = module.Produce(session.Cursor, room, out more);
            if (!session.Cursor.IsFinished)
                break;
            Next(session, module, finished);
        }
        var pairs = room.Pairs;
        session.OwnerDone = session.Module >= plan.Modules.Length && pairs.IsEmpty;
        return new OwnerServiceInfo(more, session.OwnerDone, pairs);
    }

    private static void Next(To2Session session, OwnerModule module, Action<string> finished)
    {
        var results = module.Results(session.Cursor);
        foreach (var result in results)
            session.More.Add(result);
        finished(results.IsEmpty ? module.Describe() : $"{module.Describe()}: {results[0].Outcome}");
        (session.Module, session.Cursor) = (session.Module + 1, default);
    }

    private static void CompleteDevmod(To2Session session)
    {
        if (session.Joiner.IsWaiting)
            throw FdoException.Invalid("devmod", "a value is cut off.");
        if (!session.Modules.Active || session.Modules.Count < 0)
            throw FdoException.Invalid("devmod", "is not complete: active and nummodules are needed.");
        session.DevmodComplete = true;
    }

    private static DeviceModules Devmod(DeviceModules known, ServiceInfoPair pair)
    {
        var reader = new BoundedCborReader(pair.Value, FdoException.Content);
        string Text()
        {
            string text = reader.Text(pair.Key);
            return text.Length <= MaxDevmodText ? text : throw FdoException.Invalid(pair.Key, $"{text.Length} characters are too many.");
        }
        switch (pair.Message)
        {
            case "active":
                return known with { Active = reader.Bool(pair.Key) };
            case "os":
                return known with { Os = Text() };
            case "arch":
                return known with { Arch = Text() };
            case "version":
                return known with { Version = Text() };
            case "device":
                return known with { Device = Text() };
            case "sep":
                return known with { Separator = Text() };
            case "bin":
                return known with { Binary = Text() };
            case "nummodules":
                return known with { Count = (int)reader.Integer(pair.Key, 0, MaxModules) };
            case "modules":
                return known with { Names = Modules(known.Names, reader, pair.Key, depth: 0) };
            default:
                // Facts that are not mandatory are for the device's own use here.
                return known;
        }
    }

    /// <summary>[first index, count, name...]; older code nests such arrays. Any first index is taken.</summary>
    private static ImmutableSortedSet<string> Modules(ImmutableSortedSet<string> names, BoundedCborReader reader, string field, int depth)
    {
        reader.StartArray(field);
        while (reader.More(field))
        {
            if (reader.Peek(field) == CborReaderState.StartArray && depth < 2)
                names = Modules(names, reader, field, depth + 1);
            else if (reader.IsNumber(field))
                reader.Integer(field);
            else
                names = names.Add(reader.Text(field));
            if (names.Count > MaxModules)
                throw FdoException.Invalid(field, $"more than {MaxModules} modules.");
        }
        reader.EndArray(field);
        return names;
    }
}
