using System.Collections.Immutable;
using System.Security.Cryptography;
using Hatchery.Cryptography.Cose;

namespace Hatchery.Fdo.Owner.Modules;

/// <summary>fdo.upload, the owner's side: takes one file from the device, with its SHA-384.</summary>
/// <param name="file">The file's name on the device.</param>
/// <param name="maxBytes">A longer file ends the session.</param>
public sealed class Upload(string file, int maxBytes = 1 << 20) : OwnerModule
{
    private const int Announce = 0, Length = 1, Data = 2, Hash = 3;

    public override string Name => "fdo.upload";
    public override string Describe() => $"upload of {file}";

    public override ModuleCursor Produce(ModuleCursor cursor, ServiceInfoBudget room, out bool more)
    {
        more = false;
        if (cursor.Phase != Announce)
            return cursor;
        if (!room.TryAdd("fdo.upload:active", ServiceInfoValue.True) || !room.TryAdd("fdo.upload:need-sha", ServiceInfoValue.True)
            || !room.TryAdd("fdo.upload:name", ServiceInfoValue.Text(file)))
            throw new FdoException(FdoErrorCode.InternalServerError, "fdo.upload:name", $"The name {file} does not fit a message.");
        return new ModuleCursor(Length, 0, 0) { Memory = new ModuleMemory(maxBytes + 48) };
    }

    /// <summary>Length, data until it is reached, hash; some peers send the hash before the data.</summary>
    public override ModuleCursor Receive(ModuleCursor cursor, string message, ReadOnlyMemory<byte> value)
    {
        string field = "fdo.upload:" + message;
        var reader = new BoundedCborReader(value, FdoException.Content);
        switch (message)
        {
            case "active":
                return reader.Bool(field) ? cursor : ModuleCursor.End;
            case "length" when cursor.Phase == Length:
                long length = reader.Integer(field, 0, long.MaxValue);
                return length <= maxBytes ? cursor with { Phase = Data, Offset = length } : throw FdoException.Invalid(field, $"{length} bytes; at most {maxBytes} are taken.");
            case "data" when cursor.Phase == Data:
                cursor.Memory!.AddFirst(reader.Bytes(field).Span, field);
                if (cursor.Memory.First.Length > cursor.Offset)
                    throw FdoException.Invalid(field, $"more than the {cursor.Offset} bytes that were announced.");
                return Complete(cursor);
            case "sha-384" when cursor.Phase is Data or Hash && cursor.Memory!.Second.IsEmpty:
                cursor.Memory.AddSecond(reader.Bytes(field, 48).Span, field);
                return Complete(cursor);
            default:
                return cursor;
        }
    }

    private static ModuleCursor Complete(ModuleCursor cursor)
    {
        if (cursor.Memory!.First.Length < cursor.Offset)
            return cursor;
        if (cursor.Memory.Second.IsEmpty)
            return cursor with { Phase = Hash };
        return CryptographicOperations.FixedTimeEquals(SHA384.HashData(cursor.Memory.First.Span), cursor.Memory.Second.Span) ? cursor.Finish()
            : throw FdoException.Invalid("fdo.upload:sha-384", "not over the data that came.");
    }

    public override ImmutableArray<ModuleResult> Results(ModuleCursor cursor) =>
        cursor.Memory is { } memory ? [new ModuleResult("fdo.upload:" + file, $"{memory.First.Length} bytes", memory.First)] : [new ModuleResult("fdo.upload:" + file, "refused by the device", default)];
}
