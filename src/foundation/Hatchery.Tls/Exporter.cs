using System.Buffers.Binary;
using Org.BouncyCastle.Tls;
using Org.BouncyCastle.Tls.Crypto;

namespace Hatchery.Tls;

/// <summary>Keeps the secret that BouncyCastle forgets when the handshake is over.</summary>
internal sealed class Exporter : IDisposable
{
    private readonly TlsCrypto _crypto;
    private readonly TlsSecret _secret;
    private readonly bool _is13;
    private readonly int _prf, _hash;
    private readonly byte[] _randoms;

    private Exporter(TlsCrypto crypto, SecurityParameters parameters, bool is13)
    {
        (_crypto, _is13, _prf, _hash) = (crypto, is13, parameters.PrfAlgorithm, parameters.PrfCryptoHashAlgorithm);
        _secret = crypto.AdoptSecret(is13 ? parameters.ExporterMasterSecret : parameters.MasterSecret);
        _randoms = [.. parameters.ClientRandom, .. parameters.ServerRandom];
    }

    public static Exporter? From(TlsCrypto crypto, SecurityParameters parameters, bool is13) =>
        is13 || parameters.IsExtendedMasterSecret ? new(crypto, parameters, is13) : null;

    public byte[] Export(string label, ReadOnlyMemory<byte>? context, int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(length);
        if (context?.Length > ushort.MaxValue)
            throw new ArgumentException("A context has at most 65535 bytes.", nameof(context));
        if (!_secret.IsAlive())
            throw new InvalidOperationException("The connection is disposed of.");
        return _is13 ? Export13(label, context ?? default, length) : Export12(label, context, length);
    }

    private byte[] Export12(string label, ReadOnlyMemory<byte>? context, int length)
    {
        byte[] seed = _randoms;
        if (context is { } c)
        {
            seed = [.. _randoms, 0, 0, .. c.Span];
            BinaryPrimitives.WriteUInt16BigEndian(seed.AsSpan(_randoms.Length), (ushort)c.Length);
        }
        return _secret.DeriveUsingPrf(_prf, label, seed, length).Extract();
    }

    private byte[] Export13(string label, ReadOnlyMemory<byte> context, int length)
    {
        int size = TlsCryptoUtilities.GetHashOutputSize(_hash);
        if (length > 255 * size)
            throw new ArgumentOutOfRangeException(nameof(length), "HKDF gives at most 255 blocks.");
        var derived = TlsCryptoUtilities.HkdfExpandLabel(_secret, _hash, label, Digest([]), size);
        return TlsCryptoUtilities.HkdfExpandLabel(derived, _hash, "exporter", Digest(context.Span), length).Extract();
    }

    private byte[] Digest(ReadOnlySpan<byte> of)
    {
        var hash = _crypto.CreateHash(_hash);
        hash.Update(of.ToArray(), 0, of.Length);
        return hash.CalculateHash();
    }

    public void Dispose() => _secret.Destroy();
}
