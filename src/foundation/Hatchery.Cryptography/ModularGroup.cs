using System.Security.Cryptography;

namespace Hatchery.Cryptography;

/// <summary>Arithmetic modulo a large odd number in libcrypto: RFC 3526's groups for Diffie-Hellman, and raw RSA with a public exponent.</summary>
public sealed unsafe class ModularGroup
{
    private const int ConstantTime = 4;
    private static readonly Lazy<ModularGroup> s_group14 = new(() => new("modp 2048", 256, LibCrypto.BN_get_rfc3526_prime_2048));
    private static readonly Lazy<ModularGroup> s_group15 = new(() => new("modp 3072", 384, LibCrypto.BN_get_rfc3526_prime_3072));

    private readonly string _name;
    private readonly nint _modulus, _montgomery;

    private ModularGroup(string name, int width, Func<nint, nint> prime)
    {
        LibCrypto.Require();
        (_name, Width) = (name, width);
        _modulus = Made(prime(0));
        _montgomery = Montgomery(_modulus);
    }

    /// <summary>2048 bits, generator 2 (RFC 3526 section 3).</summary>
    public static ModularGroup Group14 => s_group14.Value;
    /// <summary>3072 bits, generator 2 (RFC 3526 section 4).</summary>
    public static ModularGroup Group15 => s_group15.Value;

    /// <summary>Bytes of an element.</summary>
    public int Width { get; }

    /// <summary>2^exponent, big endian, of <see cref="Width"/>. Time depends on the exponent's length only.</summary>
    public byte[] Public(ReadOnlySpan<byte> exponent)
    {
        OperationMeter.Count("generate " + _name);
        return Power([2], exponent);
    }

    /// <summary>peer^exponent, big endian, of <see cref="Width"/>; in constant time.</summary>
    /// <param name="peer">Big endian; leading zero bytes may be missing.</param>
    /// <exception cref="CryptographicException">Not between 2 and p - 2, or of so small an order that the secret would be known (SP 800-56A, section 5.7.1.1).</exception>
    public byte[] Agree(ReadOnlySpan<byte> peer, ReadOnlySpan<byte> exponent)
    {
        peer = peer.TrimStart((byte)0);
        if (peer.Length > Width || !IsBelowLast(peer) || peer is [] or [1])
            throw new CryptographicException($"Not an element of {_name} that may be used.");
        OperationMeter.Count("agree " + _name);
        var secret = Power(peer, exponent);
        var significant = secret.AsSpan().TrimStart((byte)0);
        if (significant is [] or [1] || !IsBelowLast(significant))
            throw new CryptographicException("The shared secret would be known to anybody.");
        return secret;
    }

    /// <summary>message^exponent mod modulus with a public exponent: RSAEP of RFC 8017. In constant time for the message.</summary>
    /// <param name="message">Big endian, below the modulus.</param>
    /// <returns>Big endian, of the modulus's length.</returns>
    internal static byte[] RsaPublic(ReadOnlySpan<byte> modulus, ReadOnlySpan<byte> exponent, ReadOnlySpan<byte> message)
    {
        LibCrypto.Require();
        nint n = Number(modulus);
        nint montgomery = 0;
        try
        {
            montgomery = Montgomery(n);
            return Power(message, exponent, n, montgomery, modulus.Length);
        }
        finally
        {
            LibCrypto.BN_MONT_CTX_free(montgomery);
            LibCrypto.BN_clear_free(n);
        }
    }

    /// <summary>Below p - 1.</summary>
    private bool IsBelowLast(ReadOnlySpan<byte> number)
    {
        Span<byte> prime = stackalloc byte[384];
        prime = prime[..Width];
        fixed (byte* p = prime)
            LibCrypto.BN_bn2binpad(_modulus, p, Width);
        // The primes end in FF: p - 1 is that with the last bit cleared.
        prime[^1] &= 0xFE;
        return number.Length < Width || number.SequenceCompareTo(prime) < 0;
    }

    private byte[] Power(ReadOnlySpan<byte> number, ReadOnlySpan<byte> exponent) => Power(number, exponent, _modulus, _montgomery, Width);

    private static byte[] Power(ReadOnlySpan<byte> number, ReadOnlySpan<byte> exponent, nint modulus, nint montgomery, int width)
    {
        nint a = Number(number), e = Number(exponent), result = Made(LibCrypto.BN_new()), context = Made(LibCrypto.BN_CTX_new());
        LibCrypto.BN_set_flags(e, ConstantTime);
        try
        {
            var bytes = new byte[width];
            fixed (byte* p = bytes)
            {
                if (LibCrypto.BN_mod_exp_mont_consttime(result, a, e, modulus, context, montgomery) != 1 || LibCrypto.BN_bn2binpad(result, p, width) != width)
                    throw LibCrypto.Failure("The exponentiation failed.");
            }
            return bytes;
        }
        finally
        {
            LibCrypto.BN_clear_free(a);
            LibCrypto.BN_clear_free(e);
            LibCrypto.BN_clear_free(result);
            LibCrypto.BN_CTX_free(context);
        }
    }

    private static nint Number(ReadOnlySpan<byte> bytes)
    {
        fixed (byte* p = bytes)
            return Made(LibCrypto.BN_bin2bn(p, bytes.Length, 0));
    }

    private static nint Montgomery(nint modulus)
    {
        nint montgomery = Made(LibCrypto.BN_MONT_CTX_new()), context = Made(LibCrypto.BN_CTX_new());
        int done = LibCrypto.BN_MONT_CTX_set(montgomery, modulus, context);
        LibCrypto.BN_CTX_free(context);
        return done == 1 ? montgomery : throw LibCrypto.Failure("The modulus is even.");
    }

    private static nint Made(nint made) => made != 0 ? made : throw LibCrypto.Failure("libcrypto is out of memory.");
}
