using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Hatchery.Coap.Engine;

/// <summary>Echo values without state: four bytes of time and a MAC over time and address under a key of this process (RFC 9175 section 2.3, appendix A.2).</summary>
internal sealed class EchoValues<TPath>(CoapSettings settings, Chance chance) where TPath : notnull
{
    private const int TimeSize = 4, MacSize = 8;
    private byte[]? _key;

    public byte[] Make(in TPath path, Moment now)
    {
        var value = new byte[TimeSize + MacSize];
        BinaryPrimitives.WriteUInt32BigEndian(value, (uint)now.Elapsed.TotalSeconds);
        Mac(value, path);
        return value;
    }

    public bool Proves(ReadOnlySpan<byte> echo, in TPath path, Moment now)
    {
        if (echo.Length != TimeSize + MacSize)
            return false;
        Span<byte> value = stackalloc byte[TimeSize + MacSize];
        echo[..TimeSize].CopyTo(value);
        Mac(value, path);
        uint age = unchecked((uint)now.Elapsed.TotalSeconds - BinaryPrimitives.ReadUInt32BigEndian(echo));
        return CryptographicOperations.FixedTimeEquals(value, echo) && age <= settings.EchoLifetime.TotalSeconds;
    }

    private void Mac(Span<byte> value, in TPath path)
    {
        _key ??= chance.Bytes(32, "CoAP.EchoKey");
        var name = Encoding.UTF8.GetBytes(path.ToString() ?? "");
        Span<byte> input = stackalloc byte[TimeSize + Math.Min(name.Length, 256)], mac = stackalloc byte[32];
        value[..TimeSize].CopyTo(input);
        name.AsSpan(0, input.Length - TimeSize).CopyTo(input[TimeSize..]);
        HMACSHA256.HashData(_key, input, mac);
        mac[..MacSize].CopyTo(value[TimeSize..]);
    }
}
