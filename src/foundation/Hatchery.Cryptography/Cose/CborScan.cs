using System.Buffers.Binary;

namespace Hatchery.Cryptography.Cose;

public enum CborForm { Complete, Incomplete, Malformed, TooDeep }

/// <summary>Finds where a CBOR item ends without reading it; tells a cut item from a broken one. Iterative, no allocation.</summary>
public static class CborScan
{
    private const int DepthLimit = 64;
    private const long IndefiniteArray = -1, IndefiniteMap = -2;

    /// <param name="maxDepth">How many arrays and maps may lie within one another; at most 64.</param>
    /// <returns>Bytes of the first item; 0 unless complete.</returns>
    public static int Measure(ReadOnlySpan<byte> bytes, int maxDepth, out CborForm form)
    {
        maxDepth = Math.Min(maxDepth, DepthLimit);
        // Items still missing at each level, or until a break; a map that ends by a break must not end behind a key.
        Span<long> missing = stackalloc long[DepthLimit + 1];
        Span<bool> odd = stackalloc bool[DepthLimit + 1];
        int depth = 0, at = 0;
        bool tagged = false;
        missing[0] = 1;
        while (true)
        {
            while (missing[depth] == 0)
            {
                if (depth == 0)
                {
                    form = CborForm.Complete;
                    return at;
                }
                depth--;
            }
            if (at >= bytes.Length)
                return Fail(CborForm.Incomplete, out form);
            int major = bytes[at] >> 5, info = bytes[at] & 31;
            at++;
            if (major == 7 && info == 31)
            {
                // A break ends an indefinite array or map, the latter only after a value.
                if (depth == 0 || missing[depth] >= 0 || odd[depth] || tagged)
                    return Fail(CborForm.Malformed, out form);
                depth--;
                continue;
            }
            ulong argument = (ulong)info;
            bool indefinite = info == 31;
            if (info is >= 24 and <= 27)
            {
                int size = 1 << (info - 24);
                if (bytes.Length - at < size)
                    return Fail(CborForm.Incomplete, out form);
                argument = size switch
                {
                    1 => bytes[at],
                    2 => BinaryPrimitives.ReadUInt16BigEndian(bytes[at..]),
                    4 => BinaryPrimitives.ReadUInt32BigEndian(bytes[at..]),
                    _ => BinaryPrimitives.ReadUInt64BigEndian(bytes[at..]),
                };
                at += size;
            }
            else if (info is >= 28 and <= 30 || (indefinite && major is 0 or 1 or 6))
                return Fail(CborForm.Malformed, out form);
            if (major == 6)
            {
                // A tag stands before its item: nothing is counted off.
                tagged = true;
                continue;
            }
            tagged = false;
            if (missing[depth] > 0)
                missing[depth]--;
            else if (missing[depth] == IndefiniteMap)
                odd[depth] = !odd[depth];
            switch (major)
            {
                case 2 or 3 when indefinite:
                    if (!TryChunks(bytes, ref at, major, out form))
                        return 0;
                    break;
                case 2 or 3:
                    if (argument > (ulong)(bytes.Length - at))
                        return Fail(argument > int.MaxValue ? CborForm.Malformed : CborForm.Incomplete, out form);
                    at += (int)argument;
                    break;
                case 4 or 5:
                    if (depth >= maxDepth)
                        return Fail(CborForm.TooDeep, out form);
                    if (argument > int.MaxValue)
                        return Fail(CborForm.Malformed, out form);
                    depth++;
                    missing[depth] = indefinite ? (major == 5 ? IndefiniteMap : IndefiniteArray) : (long)argument * (major == 5 ? 2 : 1);
                    odd[depth] = false;
                    break;
                case 7 when info == 24 && argument < 32:
                    return Fail(CborForm.Malformed, out form);
            }
        }
    }

    private static bool TryChunks(ReadOnlySpan<byte> bytes, ref int at, int major, out CborForm form)
    {
        form = CborForm.Incomplete;
        while (at < bytes.Length)
        {
            if (bytes[at] == 0xFF)
            {
                at++;
                form = CborForm.Complete;
                return true;
            }
            if (bytes[at] >> 5 != major || (bytes[at] & 31) > 27)
            {
                form = CborForm.Malformed;
                return false;
            }
            int length = Measure(bytes[at..], 0, out form);
            if (form != CborForm.Complete)
                return false;
            at += length;
            form = CborForm.Incomplete;
        }
        return false;
    }

    private static int Fail(CborForm why, out CborForm form)
    {
        form = why;
        return 0;
    }
}
