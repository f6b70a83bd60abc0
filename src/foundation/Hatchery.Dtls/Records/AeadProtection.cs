using System.Buffers.Binary;
using Hatchery.Cryptography;

namespace Hatchery.Dtls;

/// <summary>CCM_8, CCM and GCM (RFC 6655, RFC 5288): explicit nonce (8), ciphertext, tag.</summary>
internal sealed class AeadProtection : RecordProtection
{
    private const int Explicit = 8, Nonce = 12;
    private readonly AeadKey _key;
    private readonly uint _fixed;

    /// <param name="iv">4 bytes.</param>
    public AeadProtection(AeadAlgorithm algorithm, ReadOnlySpan<byte> key, ReadOnlySpan<byte> iv, bool seals)
    {
        _key = new AeadKey(algorithm, key, seals, Nonce);
        _fixed = BinaryPrimitives.ReadUInt32BigEndian(iv);
    }

    public override int Prefix => Explicit;
    public override int SealedLength(int plaintext) => Explicit + plaintext + _key.TagLength;

    public override void Seal(Span<byte> fragment, int plaintextLength, ulong epochAndSequence, ContentType type, ReadOnlySpan<byte> connectionId, Chance chance)
    {
        Span<byte> nonce = stackalloc byte[Nonce], associated = stackalloc byte[MaxAssociated];
        BinaryPrimitives.WriteUInt32BigEndian(nonce, _fixed);
        // The sequence number never repeats under one key, and so the nonce does not.
        BinaryPrimitives.WriteUInt64BigEndian(nonce[4..], epochAndSequence);
        nonce[4..].CopyTo(fragment);
        int length = WriteAssociated(associated, epochAndSequence, type, connectionId, plaintextLength);
        var body = fragment[Explicit..];
        _key.Seal(nonce, associated[..length], body[..plaintextLength], body);
    }

    public override bool TryOpen(Span<byte> fragment, ulong epochAndSequence, ContentType type, ReadOnlySpan<byte> connectionId, out int offset, out int length)
    {
        (offset, length) = (Explicit, fragment.Length - Explicit - _key.TagLength);
        if (length < 0)
            return false;
        Span<byte> nonce = stackalloc byte[Nonce], associated = stackalloc byte[MaxAssociated];
        BinaryPrimitives.WriteUInt32BigEndian(nonce, _fixed);
        fragment[..Explicit].CopyTo(nonce[4..]);
        int associatedLength = WriteAssociated(associated, epochAndSequence, type, connectionId, length);
        var body = fragment[Explicit..];
        return _key.TryOpen(nonce, associated[..associatedLength], body, body[..length]);
    }

    public override void Dispose() => _key.Dispose();
}
