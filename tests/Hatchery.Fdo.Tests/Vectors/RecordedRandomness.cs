using System.Security.Cryptography;

namespace Hatchery.Fdo.Tests;

/// <summary>Supplies recorded values by name. A recorded signature is returned only after it was verified over what is to be signed.</summary>
public sealed class RecordedRandomness : Chance
{
    private readonly Dictionary<string, Queue<byte[]>> _values = [];
    private readonly Dictionary<string, Queue<byte[]>> _signatures = [];
    private readonly Dictionary<string, (byte[] Private, byte[] Point)> _agreements = [];

    public RecordedRandomness Value(string use, ReadOnlyMemory<byte> value) => Put(_values, use, value);
    public RecordedRandomness Signature(string use, ReadOnlyMemory<byte> signature) => Put(_signatures, use, signature);

    public RecordedRandomness Agreement(string use, byte[] privateValue, byte[] point)
    {
        _agreements[use] = (privateValue, point);
        return this;
    }

    private RecordedRandomness Put(Dictionary<string, Queue<byte[]>> into, string use, ReadOnlyMemory<byte> value)
    {
        if (!into.TryGetValue(use, out var queue))
            into[use] = queue = new();
        queue.Enqueue(value.ToArray());
        return this;
    }

    public override void Fill(Span<byte> destination, string use)
    {
        var value = _values.TryGetValue(use, out var queue) && queue.Count > 0 ? queue.Dequeue() : throw new InvalidOperationException($"Nothing recorded for {use}.");
        Assert.Equal(value.Length, destination.Length);
        value.CopyTo(destination);
    }

    public override AgreementKey NewAgreementKey(ECCurve curve, string use) => new RecordedAgreement(curve, _agreements[use].Private, _agreements[use].Point);
    public override ECDsa NewSigningKey(ECCurve curve, string use) => throw new InvalidOperationException($"No key recorded for {use}.");
    public override ECDsa Signer(ECDsa key, string use) => new RecordedSigner(key, _signatures[use].Dequeue());

    public override RSA Signer(RSA key, string use) => new RecordedRsaSigner(key, _signatures[use].Dequeue());

    private sealed class RecordedRsaSigner(RSA key, byte[] signature) : RSA
    {
        public override int KeySize => key.KeySize;
        public override byte[] SignHash(byte[] hash, HashAlgorithmName hashAlgorithm, RSASignaturePadding padding) =>
            key.VerifyHash(hash, signature, hashAlgorithm, padding) ? signature : throw new CryptographicException("The recorded signature is not over these bytes.");
        public override RSAParameters ExportParameters(bool includePrivateParameters) => key.ExportParameters(includePrivateParameters);
        public override void ImportParameters(RSAParameters parameters) => throw new NotSupportedException();
    }

    private sealed class RecordedAgreement(ECCurve curve, byte[] privateValue, byte[] point) : AgreementKey
    {
        private readonly int _width = (point.Length - 1) / 2;
        public override ReadOnlyMemory<byte> PublicPoint => point;
        public override SecretBytes ExportScalar() => new(privateValue);

        public override byte[] Agree(ReadOnlySpan<byte> peerPoint)
        {
            using var own = ECDiffieHellman.Create(Parameters(point, privateValue));
            using var peer = ECDiffieHellman.Create(Parameters(peerPoint, null));
            return own.DeriveRawSecretAgreement(peer.PublicKey);
        }

        private ECParameters Parameters(ReadOnlySpan<byte> p, byte[]? d) => new()
        {
            Curve = curve,
            D = d,
            Q = new ECPoint { X = p.Slice(1, _width).ToArray(), Y = p[(1 + _width)..].ToArray() },
        };
    }

    private sealed class RecordedSigner(ECDsa key, byte[] signature) : ECDsa
    {
        public override int KeySize => key.KeySize;
        public override byte[] SignHash(byte[] hash) => key.VerifyHash(hash, signature) ? signature
            : throw new CryptographicException("The recorded signature is not over these bytes.");
        public override bool VerifyHash(byte[] hash, byte[] signature) => key.VerifyHash(hash, signature);
        public override ECParameters ExportParameters(bool includePrivateParameters) => key.ExportParameters(includePrivateParameters);
        protected override byte[] HashData(byte[] data, int offset, int count, HashAlgorithmName hashAlgorithm) =>
            CryptographicOperations.HashData(hashAlgorithm, data.AsSpan(offset, count));
    }
}
