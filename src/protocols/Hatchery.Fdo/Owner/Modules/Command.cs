using System.Collections.Immutable;
using Hatchery.Cryptography.Cose;

namespace Hatchery.Fdo.Owner.Modules;

/// <summary>fdo.command, the owner's side: has one program run on the device and waits for its end.</summary>
/// <param name="mayFail">An exit code other than 0 ends the session otherwise.</param>
/// <param name="output">Have what it writes returned.</param>
/// <param name="maxOutput">Bytes; more ends the session.</param>
public sealed class Command(string command, ImmutableArray<string> arguments, bool mayFail = false, bool output = true, int maxOutput = 1 << 20) : OwnerModule
{
    private const int Announce = 0, Waiting = 1;

    public override string Name => "fdo.command";
    public override string Describe() => $"command {command}";

    public override ModuleCursor Produce(ModuleCursor cursor, ServiceInfoBudget room, out bool more)
    {
        more = false;
        if (cursor.Phase != Announce)
            return cursor;
        var flag = output ? ServiceInfoValue.True : ServiceInfoValue.False;
        if (!room.TryAdd("fdo.command:active", ServiceInfoValue.True) || !room.TryAdd("fdo.command:command", ServiceInfoValue.Text(command))
            || !room.TryAdd("fdo.command:args", Arguments()) || !room.TryAdd("fdo.command:may_fail", mayFail ? ServiceInfoValue.True : ServiceInfoValue.False)
            || !room.TryAdd("fdo.command:return_stdout", flag) || !room.TryAdd("fdo.command:return_stderr", flag) || !room.TryAdd("fdo.command:execute", ServiceInfoValue.Null))
            throw new FdoException(FdoErrorCode.InternalServerError, "fdo.command:args", $"The command {command} does not fit a message.");
        return new ModuleCursor(Waiting, 0, 0) { Memory = new ModuleMemory(maxOutput) };
    }

    /// <summary>A byte string that holds the array.</summary>
    private byte[] Arguments()
    {
        var writer = WireReading.Writer(256);
        writer.WriteStartArray(arguments.Length);
        foreach (string argument in arguments)
            writer.WriteTextString(argument);
        writer.WriteEndArray();
        return ServiceInfoValue.Bytes(writer.Finish());
    }

    public override ModuleCursor Receive(ModuleCursor cursor, string message, ReadOnlyMemory<byte> value)
    {
        string field = "fdo.command:" + message;
        var reader = new BoundedCborReader(value, FdoException.Content);
        switch (message)
        {
            case "active":
                return reader.Bool(field) ? cursor : ModuleCursor.End;
            case "stdout" when cursor.Phase == Waiting:
                cursor.Memory!.AddFirst(reader.Bytes(field).Span, field);
                return cursor;
            case "stderr" when cursor.Phase == Waiting:
                cursor.Memory!.AddSecond(reader.Bytes(field).Span, field);
                return cursor;
            case "exitcode" when cursor.Phase == Waiting:
                long code = reader.Integer(field, int.MinValue, int.MaxValue);
                return code == 0 || mayFail ? cursor.Finish() with { Offset = code } : throw FdoException.Invalid(field, $"{code}: {command} may not fail.");
            default:
                return cursor;
        }
    }

    public override ImmutableArray<ModuleResult> Results(ModuleCursor cursor)
    {
        string name = "fdo.command:" + command;
        if (cursor.Memory is not { } memory)
            return [new ModuleResult(name, "refused by the device", default)];
        var result = new ModuleResult(name, $"exit code {cursor.Offset}", memory.First);
        return memory.Second.IsEmpty ? [result] : [result, new ModuleResult(name + ":stderr", result.Outcome, memory.Second)];
    }
}
