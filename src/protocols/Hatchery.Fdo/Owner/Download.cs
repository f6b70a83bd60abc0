using System.Security.Cryptography;
using Hatchery.Cryptography.Cose;

namespace Hatchery.Fdo.Owner;

/// <summary>fdo.download, the owner's side: sends a file with its length and SHA-384, and waits for the device to say that it is there. Does not wait
/// for the device to confirm <c>active</c>: some never do.</summary>
public sealed class Download : OwnerModule
{
    private const int Announce = 0, Sending = 1, Waiting = 2;
    /// <summary>The standard's own chunk, which fits the smallest message.</summary>
    private const int SmallChunk = 1014;
    /// <summary>The longest value that known devices take.</summary>
    private const int LargeChunk = 8192 - 3;
    private const int SmallestMessage = 1300;

    private readonly string _name;
    private readonly ReadOnlyMemory<byte> _content;
    private readonly byte[] _nameValue, _lengthValue, _hashValue;

    /// <param name="name">The file's name on the device.</param>
    public Download(string name, ReadOnlyMemory<byte> content)
    {
        (_name, _content) = (name, content);
        _nameValue = ServiceInfoValue.Text(name);
        _lengthValue = ServiceInfoValue.Number(content.Length);
        _hashValue = ServiceInfoValue.Bytes(SHA384.HashData(content.Span));
    }

    public override string Name => "fdo.download";
    public override string Describe() => $"file {_name}, {_content.Length} bytes";

    public override ModuleCursor Produce(ModuleCursor cursor, ServiceInfoBudget room, out bool more)
    {
        more = false;
        if (cursor.Phase == Announce)
        {
            if (!room.TryAdd("fdo.download:active", ServiceInfoValue.True) || !room.TryAdd("fdo.download:name", _nameValue)
                || !room.TryAdd("fdo.download:length", _lengthValue) || !room.TryAdd("fdo.download:sha-384", _hashValue))
                throw new FdoException(FdoErrorCode.InternalServerError, "fdo.download:name", $"The name {_name} does not fit a message.");
            cursor = new ModuleCursor(Sending, 0, 0);
            if (_content.IsEmpty && room.TryAdd("fdo.download:data", ServiceInfoValue.Bytes([])))
                return cursor with { Phase = Waiting };
        }
        if (cursor.Phase == Sending)
        {
            int largest = room.Left > SmallestMessage ? LargeChunk : SmallChunk;
            while (cursor.Offset < _content.Length)
            {
                int left = (int)(_content.Length - cursor.Offset), chunk = Math.Min(Math.Min(largest, room.RoomForBytes("fdo.download:data")), left);
                // A sliver is not worth a pair: the next message has room.
                if (chunk < Math.Min(left, 256) || !room.TryAdd("fdo.download:data", ServiceInfoValue.Bytes(_content.Span.Slice((int)cursor.Offset, chunk))))
                    break;
                cursor = cursor with { Offset = cursor.Offset + chunk };
            }
            more = cursor.Offset < _content.Length;
            if (!more)
                cursor = cursor with { Phase = Waiting };
        }
        return cursor;
    }

    public override ModuleCursor Receive(ModuleCursor cursor, string message, ReadOnlyMemory<byte> value)
    {
        var reader = new BoundedCborReader(value, FdoException.Content);
        switch (message)
        {
            case "active":
                return reader.Bool("fdo.download:active") ? cursor : ModuleCursor.End;
            case "done":
                long length = reader.Integer("fdo.download:done", -1, long.MaxValue);
                if (length != _content.Length)
                    throw FdoException.Invalid("fdo.download:done", length < 0 ? $"the device could not store {_name}." : $"the device stored {length} bytes of {_content.Length}.");
                return ModuleCursor.End;
            default:
                return cursor;
        }
    }
}
