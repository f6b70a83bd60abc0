using System.Security.Cryptography;

namespace Hatchery.Dtls;

/// <summary>All handshake messages as if unfragmented (RFC 6347, section 4.2.6). Kept as bytes: which hash is needed is only known later, and a
/// CertificateVerify may want another.</summary>
internal sealed class Transcript
{
    private byte[] _bytes = new byte[1024];
    private int _length;

    public ReadOnlySpan<byte> Bytes => _bytes.AsSpan(0, _length);

    public void Add(HandshakeType type, ushort sequence, ReadOnlySpan<byte> body)
    {
        int need = _length + FragmentHeader.Size + body.Length;
        if (need > _bytes.Length)
            Array.Resize(ref _bytes, Math.Max(need, 2 * _bytes.Length));
        new FragmentHeader(type, body.Length, sequence, 0, body.Length).Write(_bytes.AsSpan(_length));
        body.CopyTo(_bytes.AsSpan(_length + FragmentHeader.Size));
        _length = need;
    }

    public void Clear() => _length = 0;

    public ReadOnlySpan<byte> Hash(HashAlgorithmName hash, Span<byte> into) =>
        into[..(hash == HashAlgorithmName.SHA384 ? SHA384.HashData(Bytes, into) : SHA256.HashData(Bytes, into))];
}
