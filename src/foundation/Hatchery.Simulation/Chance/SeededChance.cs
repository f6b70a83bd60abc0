using System.Buffers.Binary;
using System.Numerics;
using System.Security.Cryptography;
using System.Text;
using Hatchery.Cryptography;

namespace Hatchery.Simulation;

/// <summary>Randomness that repeats with its seed; never for production. A draw is HMAC-SHA256 under the seed of its name and of how often the name was drawn
/// before: what one use gets does not depend on the order of other uses.</summary>
public sealed class SeededChance(string seed) : Chance
{
    private readonly byte[] _key = SHA256.HashData(Encoding.UTF8.GetBytes("Hatchery seeded chance/" + seed));
    private readonly Dictionary<string, int> _draws = [];

    public override void Fill(Span<byte> destination, string use)
    {
        int draw = _draws.GetValueOrDefault(use);
        _draws[use] = draw + 1;
        var input = new byte[8 + Encoding.UTF8.GetByteCount(use)];
        Encoding.UTF8.GetBytes(use, input.AsSpan(8));
        BinaryPrimitives.WriteInt32BigEndian(input, draw);
        Span<byte> block = stackalloc byte[32];
        for (int number = 0; !destination.IsEmpty; number++)
        {
            BinaryPrimitives.WriteInt32BigEndian(input.AsSpan(4), number);
            HMACSHA256.HashData(_key, input, block);
            int take = Math.Min(block.Length, destination.Length);
            block[..take].CopyTo(destination);
            destination = destination[take..];
        }
    }

    public override AgreementKey NewAgreementKey(ECCurve curve, string use)
    {
        if (X25519Agreement.IsCurve(curve))
            return X25519Agreement.FromPrivate(Bytes(32, use));
        var key = EcAgreement.FromPrivate(curve, Scalar(curve, use));
        OperationMeter.Count("generate " + NamedCurve.Of(curve).Name);
        return key;
    }

    public override ECDsa NewSigningKey(ECCurve curve, string use)
    {
        using var key = ECDsa.Create(new ECParameters { Curve = curve, D = Scalar(curve, use) });
        OperationMeter.Count("generate " + NamedCurve.Of(curve).Name);
        return new RepeatableEcdsa(key.ExportParameters(true));
    }

    /// <summary>Signs by RFC 6979 with the hash whose length is that of the value to be signed. Needs the private key itself.</summary>
    public override ECDsa Signer(ECDsa key, string use) => key as RepeatableEcdsa ?? new RepeatableEcdsa(key.ExportParameters(true));

    /// <summary>FIPS 186-5 A.2.1: 64 extra bits, so that the remainder is as good as even.</summary>
    private byte[] Scalar(ECCurve curve, string use)
    {
        var named = NamedCurve.Of(curve);
        var order = new BigInteger(named.Domain.N.ToByteArrayUnsigned(), isUnsigned: true, isBigEndian: true);
        var drawn = new BigInteger(Bytes(named.Width + 8, use), isUnsigned: true, isBigEndian: true);
        var scalar = (drawn % (order - 1) + 1).ToByteArray(isUnsigned: true, isBigEndian: true);
        return [.. new byte[named.Width - scalar.Length], .. scalar];
    }
}
