using System.Buffers.Binary;

namespace Hatchery.Fdo.Services;

/// <summary>Error messages (FDO 1.1 §5.1.1) as both sides make them.</summary>
internal static class FdoErrors
{
    /// <param name="fault">Null: something of ours broke; the peer learns no more than that.</param>
    /// <param name="previous">Type of the message at fault; what is no type becomes 255.</param>
    /// <param name="wall">Null on a device without a clock.</param>
    public static ErrorMessage Answer(FdoException? fault, int previous, DateTimeOffset? wall, Chance chance)
    {
        Span<byte> id = stackalloc byte[4];
        chance.Fill(id, "Error.EMErrorCID");
        return new ErrorMessage((int)(fault?.Code ?? FdoErrorCode.InternalServerError), previous is >= 0 and <= 255 ? previous : 255,
            fault?.Message ?? "internal error", wall?.ToUnixTimeSeconds(), BinaryPrimitives.ReadUInt32BigEndian(id));
    }
}
