using System.Security.Cryptography;

namespace Hatchery.Dtls;

/// <summary>Cookies that prove, without anything kept, that a client receives at its address (RFC 6347, section 4.2.1): a MAC over address, version, random and session id, and a
/// second one over those and the rest of the ClientHello. The first can be checked when only the beginning of a fragmented ClientHello is there.</summary>
internal sealed class CookieJar(Chance chance, Moment now) : IDisposable
{
    public const int Length = 2 * Half;
    private const int Half = 16;
    private static readonly TimeSpan s_rotation = TimeSpan.FromSeconds(60);
    private IncrementalHash _current = NewKey(chance), _previous = NewKey(chance);
    private TimeSpan _rotateAt = now.Elapsed + s_rotation;

    private static IncrementalHash NewKey(Chance chance)
    {
        byte[] key = chance.Bytes(32, "DTLS.cookie_key");
        try
        {
            return IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, key);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
        }
    }

    public void Rotate(Moment now)
    {
        if (now.Elapsed < _rotateAt)
            return;
        _previous.Dispose();
        // Nobody's cookie is older than one rotation, or it is of no use any more.
        _previous = now.Elapsed < _rotateAt + s_rotation ? _current : NewKey(chance);
        _current = NewKey(chance);
        _rotateAt = now.Elapsed + s_rotation;
    }

    /// <param name="isWhole">The head's rest is all of it; else the cookie covers the head only.</param>
    /// <returns>Bytes: 32, or 16.</returns>
    public int Make(ReadOnlySpan<byte> address, in ClientHelloHead head, bool isWhole, Span<byte> cookie) => Make(_current, address, head, head.Rest, isWhole ? Length : Half, cookie);

    /// <summary>The first half.</summary>
    public bool IsGoodHead(ReadOnlySpan<byte> address, in ClientHelloHead head)
    {
        if (head.Cookie.Length is not (Length or Half))
            return false;
        Span<byte> expected = stackalloc byte[Half];
        bool good = false;
        foreach (var key in new ReadOnlySpan<IncrementalHash>([_current, _previous]))
        {
            First(key, address, head.Version, head.Random, head.SessionId, head.Cookie.Length, expected);
            good |= CryptographicOperations.FixedTimeEquals(expected, head.Cookie[..Half]);
        }
        return good;
    }

    /// <summary>The second half, where there is one.</summary>
    public bool IsGoodRest(ReadOnlySpan<byte> address, ushort version, ReadOnlySpan<byte> random, ReadOnlySpan<byte> sessionId, ReadOnlySpan<byte> cookie, ReadOnlySpan<byte> rest)
    {
        if (cookie.Length != Length)
            return cookie.Length == Half;
        Span<byte> expected = stackalloc byte[Half];
        bool good = false;
        foreach (var key in new ReadOnlySpan<IncrementalHash>([_current, _previous]))
        {
            Second(key, address, version, random, sessionId, rest, expected);
            good |= CryptographicOperations.FixedTimeEquals(expected, cookie[Half..]);
        }
        return good;
    }

    private static int Make(IncrementalHash key, ReadOnlySpan<byte> address, in ClientHelloHead head, ReadOnlySpan<byte> rest, int length, Span<byte> cookie)
    {
        First(key, address, head.Version, head.Random, head.SessionId, length, cookie);
        if (length == Length)
            Second(key, address, head.Version, head.Random, head.SessionId, rest, cookie[Half..]);
        return length;
    }

    private static void First(IncrementalHash key, ReadOnlySpan<byte> address, ushort version, ReadOnlySpan<byte> random, ReadOnlySpan<byte> sessionId, int length, Span<byte> mac) =>
        Append(key, (byte)length, address, version, random, sessionId, [], mac);

    private static void Second(IncrementalHash key, ReadOnlySpan<byte> address, ushort version, ReadOnlySpan<byte> random, ReadOnlySpan<byte> sessionId, ReadOnlySpan<byte> rest, Span<byte> mac) =>
        Append(key, 0, address, version, random, sessionId, rest, mac);

    private static void Append(IncrementalHash key, byte kind, ReadOnlySpan<byte> address, ushort version, ReadOnlySpan<byte> random, ReadOnlySpan<byte> sessionId, ReadOnlySpan<byte> rest, Span<byte> mac)
    {
        key.AppendData([kind, (byte)address.Length, (byte)(version >> 8), (byte)version, (byte)sessionId.Length]);
        key.AppendData(address);
        key.AppendData(random);
        key.AppendData(sessionId);
        key.AppendData(rest);
        Span<byte> whole = stackalloc byte[32];
        key.GetHashAndReset(whole);
        whole[..Half].CopyTo(mac);
    }

    public void Dispose()
    {
        _current.Dispose();
        _previous.Dispose();
    }
}
