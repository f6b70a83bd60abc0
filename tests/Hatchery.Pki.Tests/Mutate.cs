using CsCheck;

namespace Hatchery.Pki.Tests;

internal static class Mutate
{
    /// <summary>A few bytes changed, cut out or put in; the whole repeated; anything.</summary>
    public static Gen<byte[]> Bytes(byte[] of) => Gen.OneOf(
        Gen.Select(Gen.Int[0, of.Length - 1], Gen.Byte).Array[1, 4].Select(changes =>
        {
            byte[] result = [.. of];
            foreach (var (at, value) in changes)
                result[at] = value;
            return result;
        }),
        Gen.Select(Gen.Int[0, of.Length], Gen.Int[0, of.Length]).Select((a, b) => (byte[])[.. of.AsSpan(0, Math.Min(a, b)), .. of.AsSpan(Math.Max(a, b))]),
        Gen.Select(Gen.Int[0, of.Length], Gen.Byte.Array[1, 8]).Select((at, more) => (byte[])[.. of.AsSpan(0, at), .. more, .. of.AsSpan(at)]),
        Gen.Byte.Array[0, of.Length + 10]);
}
