using System.Security.Cryptography;

namespace Hatchery.Radius;

/// <summary>Values that RADIUS hides under the shared secret: a stream of MD5 blocks, each keyed by the one before.</summary>
public static class HiddenAttributes
{
    /// <summary>Vendor of the keys (RFC 2548 §2).</summary>
    public const uint Microsoft = 311;
    /// <summary>MS-MPPE-Recv-Key holds bytes 0 to 31 of the MSK, MS-MPPE-Send-Key 32 to 63 (RFC 2548 §2.4.2, §2.4.3; named from the NAS's side).</summary>
    public const byte MppeSendKey = 16, MppeRecvKey = 17;

    /// <summary>RFC 2548 §2.4.2: salt (2), then length (1) and key, padded with zero bytes to 16, hidden.</summary>
    /// <param name="authenticator">Of the request, 16 bytes.</param>
    /// <param name="salt">Top bit set, unique within the packet.</param>
    /// <param name="key">Up to 239 bytes.</param>
    public static byte[] HideKey(RadiusSecret secret, ReadOnlySpan<byte> authenticator, ushort salt, ReadOnlySpan<byte> key)
    {
        if (key.Length > 239)
            throw new ArgumentException("A hidden key has at most 239 bytes.", nameof(key));
        var value = new byte[2 + (1 + key.Length + 15) / 16 * 16];
        (value[0], value[1]) = ((byte)(salt >> 8 | 0x80), (byte)salt);
        value[2] = (byte)key.Length;
        key.CopyTo(value.AsSpan(3));
        Apply(secret, authenticator, value.AsSpan(0, 2), value.AsSpan(2), hide: true);
        return value;
    }

    /// <summary>The key in a value that <see cref="HideKey"/> made.</summary>
    /// <exception cref="RadiusException">Not of that form, or hidden under another secret.</exception>
    public static SecretBytes RevealKey(RadiusSecret secret, ReadOnlySpan<byte> authenticator, ReadOnlySpan<byte> value)
    {
        if (value.Length < 18 || (value.Length - 2) % 16 != 0)
            throw RadiusException.Discard("MS-MPPE key", $"{value.Length} bytes are no hidden key.");
        Span<byte> plain = stackalloc byte[value.Length - 2];
        value[2..].CopyTo(plain);
        try
        {
            Apply(secret, authenticator, value[..2], plain, hide: false);
            return plain[0] < plain.Length ? new SecretBytes(plain.Slice(1, plain[0])) : throw RadiusException.Discard("MS-MPPE key", "Its length does not fit: another secret?");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(plain);
        }
    }

    /// <summary>User-Password (RFC 2865 §5.2), 1 to 128 bytes of UTF-8.</summary>
    public static byte[] HidePassword(RadiusSecret secret, ReadOnlySpan<byte> authenticator, ReadOnlySpan<byte> password)
    {
        if (password.Length is 0 or > 128)
            throw new ArgumentException("A password has 1 to 128 bytes.", nameof(password));
        var value = new byte[(password.Length + 15) / 16 * 16];
        password.CopyTo(value);
        Apply(secret, authenticator, default, value, hide: true);
        return value;
    }

    /// <exception cref="RadiusException">Not of that form. Another secret gives another password, not an exception.</exception>
    public static SecretBytes RevealPassword(RadiusSecret secret, ReadOnlySpan<byte> authenticator, ReadOnlySpan<byte> value)
    {
        if (value.Length is 0 or > 128 || value.Length % 16 != 0)
            throw RadiusException.Discard("User-Password", $"{value.Length} bytes are no hidden password.");
        Span<byte> plain = stackalloc byte[value.Length];
        value.CopyTo(plain);
        Apply(secret, authenticator, default, plain, hide: false);
        var password = new SecretBytes(plain.TrimEnd((byte)0));
        CryptographicOperations.ZeroMemory(plain);
        return password;
    }

    private static void Apply(RadiusSecret secret, ReadOnlySpan<byte> authenticator, ReadOnlySpan<byte> salt, Span<byte> text, bool hide)
    {
        Span<byte> block = stackalloc byte[16], hidden = stackalloc byte[16];
        using var md5 = IncrementalHash.CreateHash(HashAlgorithmName.MD5);
        for (int at = 0; at < text.Length; at += 16)
        {
            md5.AppendData(secret.Value);
            if (at == 0)
            {
                md5.AppendData(authenticator);
                md5.AppendData(salt);
            }
            else
                md5.AppendData(hidden);
            md5.GetHashAndReset(block);
            var part = text.Slice(at, 16);
            if (!hide)
                part.CopyTo(hidden);
            for (int i = 0; i < 16; i++)
                part[i] ^= block[i];
            if (hide)
                part.CopyTo(hidden);
        }
        CryptographicOperations.ZeroMemory(block);
    }
}
