using System.Collections.Immutable;
using Hatchery.Cryptography.Cose;

namespace Hatchery.Fdo.Owner.Modules;

/// <summary>fdo.wget, the owner's side: has the device fetch a file from elsewhere.</summary>
/// <param name="file">Name on the device; null: the last part of the URL's path.</param>
/// <param name="sha384">48 bytes; empty: whoever sits between the device and that server may change the file.</param>
/// <param name="mayFail">An error ends the session otherwise.</param>
public sealed class Wget(Uri url, string? file, ReadOnlyMemory<byte> sha384, bool mayFail = false) : OwnerModule
{
    private const int Announce = 0, Waiting = 1;

    public override string Name => "fdo.wget";
    /// <summary>Without query and user: these may be secrets.</summary>
    public override string Describe() => $"fetching {url.GetComponents(UriComponents.Scheme | UriComponents.Host | UriComponents.Path, UriFormat.UriEscaped)}";

    public override ModuleCursor Produce(ModuleCursor cursor, ServiceInfoBudget room, out bool more)
    {
        more = false;
        if (cursor.Phase != Announce)
            return cursor;
        if (!room.TryAdd("fdo.wget:active", ServiceInfoValue.True) || (!sha384.IsEmpty && !room.TryAdd("fdo.wget:sha-384", ServiceInfoValue.Bytes(sha384.Span)))
            || (file is not null && !room.TryAdd("fdo.wget:name", ServiceInfoValue.Text(file))) || !room.TryAdd("fdo.wget:url", ServiceInfoValue.Text(url.AbsoluteUri)))
            throw new FdoException(FdoErrorCode.InternalServerError, "fdo.wget:url", "The URL does not fit a message.");
        return new ModuleCursor(Waiting, 0, 0) { Memory = new ModuleMemory(4096) };
    }

    public override ModuleCursor Receive(ModuleCursor cursor, string message, ReadOnlyMemory<byte> value)
    {
        string field = "fdo.wget:" + message;
        var reader = new BoundedCborReader(value, FdoException.Content);
        switch (message)
        {
            case "active":
                return reader.Bool(field) ? cursor : ModuleCursor.End;
            case "done" when cursor.Phase == Waiting:
                return cursor.Finish() with { Offset = reader.Integer(field, 0, long.MaxValue) };
            case "error" when cursor.Phase == Waiting:
                string why = reader.Text(field);
                if (!mayFail)
                    throw FdoException.Invalid(field, $"the device could not fetch: {(why.Length <= 200 ? why : why[..200])}");
                cursor.Memory!.AddFirst(System.Text.Encoding.UTF8.GetBytes(why.Length <= 1000 ? why : why[..1000]), field);
                return cursor.Finish();
            default:
                return cursor;
        }
    }

    public override ImmutableArray<ModuleResult> Results(ModuleCursor cursor) => cursor.Memory switch
    {
        null => [new ModuleResult("fdo.wget", "refused by the device", default)],
        { First.IsEmpty: false } memory => [new ModuleResult("fdo.wget", "not fetched", memory.First)],
        _ => [],
    };
}
