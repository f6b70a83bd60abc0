using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Hatchery.Cryptography;

public enum EcJpakeRole { Client, Server }

/// <summary>EC-JPAKE on P-256 as draft-cragie-tls-ecjpake-01 encodes it and Thread uses it: both sides prove that they know of one password, and a passive listener
/// cannot guess it offline. The caller charges each attempt: one online guess is one handshake.</summary>
/// <remarks>ECJPAKEKeyKP: 1-byte length and point X, 1-byte length and point V, 1-byte length and r without leading zeros; up to 165 bytes.</remarks>
public sealed class EcJpake : IDisposable
{
    private readonly EcJpakeRole _role;
    private readonly Chance _chance;
    private readonly string _use;
    private readonly BigNumber _password, _xa, _xb;
    private readonly CurvePoint _ownA, _ownB;
    private readonly byte[] _roundOne;
    private CurvePoint? _peerA, _peerB, _peerTwo;
    private byte[]? _roundTwo;

    /// <param name="password">Read as one big-endian number.</param>
    /// <param name="use">Prefix of the names of what is drawn: x1 and x2 (x3 and x4 of a server), v1, v2, v.</param>
    /// <exception cref="CryptographicException">The password is zero modulo the order of the curve.</exception>
    public EcJpake(EcJpakeRole role, SecretBytes password, Chance chance, string use)
    {
        (_role, _chance, _use) = (role, chance, use);
        _password = EcJpakeNative.Scalar(password.Reveal());
        if (EcJpakeNative.IsZero(_password))
            throw new CryptographicException("The password is zero modulo the order of the curve.");
        bool isClient = role == EcJpakeRole.Client;
        _xa = Draw(isClient ? "x1" : "x3");
        _xb = Draw(isClient ? "x2" : "x4");
        _ownA = EcJpakeNative.Times(_xa, null);
        _ownB = EcJpakeNative.Times(_xb, null);
        _roundOne = [.. Proven(_xa, _ownA, null, "v1"), .. Proven(_xb, _ownB, null, "v2")];
    }

    /// <summary>Two ECJPAKEKeyKP: the extension's body. The same bytes whenever it is read.</summary>
    public ReadOnlyMemory<byte> RoundOne => _roundOne;

    /// <exception cref="CryptographicException">Malformed, a point off the curve or at infinity, a proof that fails, or our own values reflected.</exception>
    public void ReadRoundOne(ReadOnlySpan<byte> pair)
    {
        Forget();
        _peerA = Verified(ref pair, null);
        _peerB = Verified(ref pair, null);
        if (!pair.IsEmpty)
            throw new CryptographicException("Bytes follow the peer's two keys.");
        // The prover's name in each proof says the same; the self-test of mbedTLS shares one key between the sides, so only a whole pair is a reflection.
        if (EcJpakeNative.AreEqual(_peerA, _ownA) && EcJpakeNative.AreEqual(_peerB, _ownB))
            throw new CryptographicException("The peer reflects our keys.");
    }

    /// <summary>One ECJPAKEKeyKP over the base that both sides' first round makes; after <see cref="ReadRoundOne"/>. The same bytes whenever it is read.</summary>
    public ReadOnlyMemory<byte> RoundTwo => _roundTwo ??= MakeRoundTwo();

    private byte[] MakeRoundTwo()
    {
        // Server: X1 + X2 + X3; client: X1 + X3 + X4: own first, and both of the peer's.
        using var @base = SumOf(_ownA, Peer(_peerA), Peer(_peerB));
        using var exponent = EcJpakeNative.Multiply(_xb, _password);
        using var point = EcJpakeNative.Times(exponent, @base);
        return Proven(exponent, point, @base, "v");
    }

    /// <exception cref="CryptographicException"><inheritdoc cref="ReadRoundOne"/></exception>
    public void ReadRoundTwo(ReadOnlySpan<byte> key)
    {
        // The peer's base: both of ours, and its first.
        using var @base = SumOf(_ownA, _ownB, Peer(_peerA));
        _peerTwo?.Dispose();
        _peerTwo = Verified(ref key, @base);
        if (!key.IsEmpty)
            throw new CryptographicException("Bytes follow the peer's key.");
    }

    /// <summary>SHA-256 of the x coordinate of xb * (peer's second round - xb * s * peer's second key).</summary>
    /// <param name="into">32 bytes.</param>
    /// <exception cref="CryptographicException">The shared point is infinity.</exception>
    public void Premaster(Span<byte> into)
    {
        using var exponent = EcJpakeNative.Multiply(_xb, _password);
        using var masked = EcJpakeNative.Times(exponent, Peer(_peerB));
        EcJpakeNative.Negate(masked);
        using var difference = EcJpakeNative.Add(Peer(_peerTwo), masked);
        if (EcJpakeNative.IsInfinity(difference))
            throw new CryptographicException("The shared point is infinity.");
        using var shared = EcJpakeNative.Times(_xb, difference);
        Span<byte> point = stackalloc byte[EcJpakeNative.PointLength];
        EcJpakeNative.Write(shared, point);
        SHA256.HashData(point.Slice(1, EcJpakeNative.Width), into);
        CryptographicOperations.ZeroMemory(point);
    }

    private static CurvePoint Peer(CurvePoint? point) => point ?? throw new InvalidOperationException("The peer's message has not been read.");

    private static CurvePoint SumOf(CurvePoint a, CurvePoint b, CurvePoint c)
    {
        using var two = EcJpakeNative.Add(a, b);
        var sum = EcJpakeNative.Add(two, c);
        if (!EcJpakeNative.IsInfinity(sum))
            return sum;
        sum.Dispose();
        throw new CryptographicException("The base of the second round is infinity.");
    }

    /// <summary>Uniform in [1, n-1], by rejection.</summary>
    private BigNumber Draw(string name)
    {
        Span<byte> bytes = stackalloc byte[EcJpakeNative.Width], back = stackalloc byte[EcJpakeNative.Width];
        while (true)
        {
            _chance.Fill(bytes, $"{_use}{name}");
            var scalar = EcJpakeNative.Scalar(bytes);
            EcJpakeNative.Write(scalar, back);
            bool fits = CryptographicOperations.FixedTimeEquals(bytes, back) && !EcJpakeNative.IsZero(scalar);
            CryptographicOperations.ZeroMemory(bytes);
            CryptographicOperations.ZeroMemory(back);
            if (fits)
                return scalar;
            scalar.Dispose();
        }
    }

    /// <summary>The key and the Schnorr proof that its maker knows the exponent.</summary>
    private byte[] Proven(BigNumber exponent, CurvePoint key, CurvePoint? @base, string name)
    {
        using var v = Draw(name);
        using var commitment = EcJpakeNative.Times(v, @base);
        using var h = Challenge(@base, commitment, key, _role);
        using var product = EcJpakeNative.Multiply(exponent, h);
        using var r = EcJpakeNative.Subtract(v, product);
        Span<byte> response = stackalloc byte[EcJpakeNative.Width];
        EcJpakeNative.Write(r, response);
        // The response is public.
        int zeros = response.IndexOfAnyExcept((byte)0);
        response = response[(zeros < 0 ? EcJpakeNative.Width - 1 : zeros)..];
        byte[] encoded = new byte[2 * (1 + EcJpakeNative.PointLength) + 1 + response.Length];
        encoded[0] = EcJpakeNative.PointLength;
        EcJpakeNative.Write(key, encoded.AsSpan(1, EcJpakeNative.PointLength));
        encoded[1 + EcJpakeNative.PointLength] = EcJpakeNative.PointLength;
        EcJpakeNative.Write(commitment, encoded.AsSpan(2 + EcJpakeNative.PointLength, EcJpakeNative.PointLength));
        encoded[2 + 2 * EcJpakeNative.PointLength] = (byte)response.Length;
        response.CopyTo(encoded.AsSpan(3 + 2 * EcJpakeNative.PointLength));
        return encoded;
    }

    private CurvePoint Verified(ref ReadOnlySpan<byte> from, CurvePoint? @base)
    {
        var key = EcJpakeNative.Point(Take(ref from));
        try
        {
            using var commitment = EcJpakeNative.Point(Take(ref from));
            var response = Take(ref from);
            if (response.Length is 0 or > EcJpakeNative.Width)
                throw new CryptographicException("The proof's response has not 1 to 32 bytes.");
            using var r = EcJpakeNative.Scalar(response);
            using var h = Challenge(@base, commitment, key, _role == EcJpakeRole.Client ? EcJpakeRole.Server : EcJpakeRole.Client);
            if (EcJpakeNative.IsZero(r) || EcJpakeNative.IsZero(h) || EcJpakeNative.IsInfinity(key))
                throw new CryptographicException("The proof is degenerate.");
            using var first = EcJpakeNative.Times(r, @base);
            using var second = EcJpakeNative.Times(h, key);
            using var sum = EcJpakeNative.Add(first, second);
            return EcJpakeNative.AreEqual(sum, commitment) ? key : throw new CryptographicException("The peer's proof does not hold.");
        }
        catch
        {
            key.Dispose();
            throw;
        }
    }

    private static ReadOnlySpan<byte> Take(ref ReadOnlySpan<byte> from)
    {
        if (from.IsEmpty || from[0] > from.Length - 1)
            throw new CryptographicException("The peer's key ends early.");
        var taken = from.Slice(1, from[0]);
        from = from[(1 + taken.Length)..];
        return taken;
    }

    /// <summary>SHA-256 over base, commitment, key and the prover's name, each with a length of four bytes.</summary>
    private static BigNumber Challenge(CurvePoint? @base, CurvePoint commitment, CurvePoint key, EcJpakeRole prover)
    {
        const int Item = 4 + EcJpakeNative.PointLength;
        var name = prover == EcJpakeRole.Client ? "client"u8 : "server"u8;
        Span<byte> input = stackalloc byte[3 * Item + 4 + 6];
        for (int i = 0; i < 3; i++)
            BinaryPrimitives.WriteInt32BigEndian(input[(i * Item)..], EcJpakeNative.PointLength);
        if (@base is null)
            s_generator.CopyTo(input[4..]);
        else
            EcJpakeNative.Write(@base, input.Slice(4, EcJpakeNative.PointLength));
        EcJpakeNative.Write(commitment, input.Slice(Item + 4, EcJpakeNative.PointLength));
        EcJpakeNative.Write(key, input.Slice(2 * Item + 4, EcJpakeNative.PointLength));
        BinaryPrimitives.WriteInt32BigEndian(input[(3 * Item)..], name.Length);
        name.CopyTo(input[(3 * Item + 4)..]);
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(input, hash);
        return EcJpakeNative.Scalar(hash);
    }

    private static readonly byte[] s_generator = Convert.FromHexString(
        "046B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C2964FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5");

    private void Forget()
    {
        _peerA?.Dispose();
        _peerB?.Dispose();
        _peerTwo?.Dispose();
        (_peerA, _peerB, _peerTwo) = (null, null, null);
    }

    public void Dispose()
    {
        Forget();
        _password.Dispose();
        _xa.Dispose();
        _xb.Dispose();
        _ownA.Dispose();
        _ownB.Dispose();
    }
}
