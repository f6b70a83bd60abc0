using System.Security.Cryptography;

namespace Hatchery.Dtls;

/// <summary>AES-CBC with HMAC-SHA256: IV (16), then encrypted plaintext, MAC and padding (RFC 5246, section 6.2.3.2), or encrypted plaintext and padding, then the MAC
/// (RFC 7366). There is one way in which a record fails, and it takes the same time wherever the fault is.</summary>
internal sealed class CbcProtection : RecordProtection
{
    private const int Block = 16, Mac = SecretLengthMac.Length;
    private readonly Aes _aes = Aes.Create();
    private readonly SecretLengthMac _mac;
    private readonly bool _encryptThenMac;
    private readonly string _ivUse;

    /// <param name="ivUse">The name by which IVs are drawn.</param>
    public CbcProtection(ReadOnlySpan<byte> macKey, ReadOnlySpan<byte> key, bool encryptThenMac, string ivUse)
    {
        (_mac, _encryptThenMac, _ivUse) = (new(macKey), encryptThenMac, ivUse);
        _aes.SetKey(key);
    }

    public override int Prefix => Block;

    public override int SealedLength(int plaintext) => _encryptThenMac ? Block + Padded(plaintext) + Mac : Block + Padded(plaintext + Mac);

    private static int Padded(int length) => (length / Block + 1) * Block;

    public override void Seal(Span<byte> fragment, int plaintextLength, ulong epochAndSequence, ContentType type, ReadOnlySpan<byte> connectionId, Chance chance)
    {
        Span<byte> associated = stackalloc byte[MaxAssociated];
        var iv = fragment[..Block];
        chance.Fill(iv, _ivUse);
        var body = _encryptThenMac ? fragment[Block..^Mac] : fragment[Block..];
        int used = plaintextLength;
        if (!_encryptThenMac)
        {
            int length = WriteAssociated(associated, epochAndSequence, type, connectionId, plaintextLength);
            _mac.Compute(associated[..length], body[..plaintextLength], plaintextLength, plaintextLength, body.Slice(plaintextLength, Mac));
            used += Mac;
        }
        body[used..].Fill((byte)(body.Length - used - 1));
        _aes.EncryptCbc(body, iv, body, PaddingMode.None);
        if (!_encryptThenMac)
            return;
        var covered = fragment[..^Mac];
        int prefix = WriteAssociated(associated, epochAndSequence, type, connectionId, covered.Length);
        _mac.Compute(associated[..prefix], covered, covered.Length, covered.Length, fragment[^Mac..]);
    }

    public override bool TryOpen(Span<byte> fragment, ulong epochAndSequence, ContentType type, ReadOnlySpan<byte> connectionId, out int offset, out int length)
    {
        (offset, length) = (Block, 0);
        int encrypted = fragment.Length - Block - (_encryptThenMac ? Mac : 0);
        if (encrypted <= 0 || encrypted % Block != 0 || !_encryptThenMac && encrypted < Mac + 1)
            return false;
        if (!_encryptThenMac)
            return TryOpenMacFirst(fragment[Block..], fragment[..Block], epochAndSequence, type, connectionId, out length);
        Span<byte> associated = stackalloc byte[MaxAssociated], mac = stackalloc byte[Mac];
        var covered = fragment[..^Mac];
        int prefix = WriteAssociated(associated, epochAndSequence, type, connectionId, covered.Length);
        _mac.Compute(associated[..prefix], covered, covered.Length, covered.Length, mac);
        if (!CryptographicOperations.FixedTimeEquals(mac, fragment[^Mac..]))
            return false;
        var body = fragment.Slice(Block, encrypted);
        _aes.DecryptCbc(body, fragment[..Block], body, PaddingMode.None);
        // What was authentic needs no constant time.
        int padding = body[^1];
        if (padding >= encrypted || body[(encrypted - padding - 1)..].ContainsAnyExcept((byte)padding))
            return false;
        length = encrypted - padding - 1;
        return true;
    }

    private bool TryOpenMacFirst(Span<byte> body, ReadOnlySpan<byte> iv, ulong epochAndSequence, ContentType type, ReadOnlySpan<byte> connectionId, out int length)
    {
        Span<byte> associated = stackalloc byte[MaxAssociated], expected = stackalloc byte[Mac], found = stackalloc byte[Mac];
        _aes.DecryptCbc(body, iv, body, PaddingMode.None);
        uint good = Padding(body, out int padding);
        // With bad padding the MAC is computed as if there were one byte of it.
        padding &= (int)good;
        int longest = body.Length - Mac - 1, shortest = Math.Max(0, longest - 255);
        int data = longest - padding;
        // The length within the associated data is a secret too; its bytes are written without a look at them.
        int prefix = WriteAssociated(associated, epochAndSequence, type, connectionId, data);
        _mac.Compute(associated[..prefix], body[..longest], data, shortest, expected);
        Extract(body, data, shortest, longest, found);
        uint differs = 0;
        for (int i = 0; i < Mac; i++)
            differs |= (uint)(expected[i] ^ found[i]);
        good &= SecretLengthMac.EqualMask((int)differs, 0);
        length = data & (int)good;
        return good != 0;
    }

    /// <summary>All ones if the padding is as it must be; looks at the last 256 bytes whatever they say.</summary>
    private static uint Padding(ReadOnlySpan<byte> body, out int padding)
    {
        padding = body[^1];
        uint good = ~SecretLengthMac.LessMask(body.Length - Mac - 1, padding);
        uint differs = 0;
        int scanned = Math.Min(256, body.Length);
        for (int i = 0; i < scanned; i++)
        {
            uint within = ~SecretLengthMac.LessMask(padding, i);
            differs |= (uint)(body[body.Length - 1 - i] ^ padding) & within;
        }
        return good & SecretLengthMac.EqualMask((int)(differs & 0xFF), 0);
    }

    /// <summary>The MAC from its secret place: reads all places where it could be.</summary>
    private static void Extract(ReadOnlySpan<byte> body, int at, int first, int last, Span<byte> mac)
    {
        // Vector<byte> may be wider than the MAC; four words never are.
        ulong a = 0, b = 0, c = 0, d = 0;
        for (int i = first; i <= last; i++)
        {
            uint narrow = SecretLengthMac.EqualMask(i, at);
            ulong mask = (ulong)narrow << 32 | narrow;
            var here = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, ulong>(body.Slice(i, Mac));
            a |= here[0] & mask;
            b |= here[1] & mask;
            c |= here[2] & mask;
            d |= here[3] & mask;
        }
        var words = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, ulong>(mac);
        (words[0], words[1], words[2], words[3]) = (a, b, c, d);
    }

    public override void Dispose()
    {
        _aes.Dispose();
        _mac.Clear();
    }
}
