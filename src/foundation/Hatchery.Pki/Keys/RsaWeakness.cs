using System.Numerics;

namespace Hatchery.Pki;

/// <summary>RSA moduli that are known to be weak by their form.</summary>
internal static class RsaWeakness
{
    private static readonly int[] s_primes = Primes(256);

    /// <summary>For each prime from 3 to 167, the residues that powers of 65537 have: a modulus of the library of CVE-2017-15361 ("ROCA") has one of them for all.</summary>
    private static readonly (int Prime, bool[] Powers)[] s_roca = [.. s_primes.Where(p => p is > 2 and <= 167).Select(p => (p, PowersOf65537(p)))];

    /// <summary>A sentence; null: none of these.</summary>
    public static string? Of(PublicKeyInfo key)
    {
        var (modulus, exponent) = key.Rsa;
        if (exponent.IsEven || exponent < 65537 || exponent.GetBitLength() > 256)
            return "the RSA exponent must be odd and from 65537 to 2^256.";
        foreach (int prime in s_primes)
            if (modulus % prime == 0)
                return $"the RSA modulus is divisible by {prime}.";
        if (s_roca.All(r => r.Powers[(int)(modulus % r.Prime)]))
            return "the RSA key is of the weak kind of CVE-2017-15361.";
        return AreClose(modulus) ? "the RSA primes are so close that they can be computed." : null;
    }

    /// <summary>Fermat's method, a hundred rounds: finds primes that agree in more than half of their bits.</summary>
    private static bool AreClose(BigInteger modulus)
    {
        var a = Root(modulus);
        if (a * a < modulus)
            a++;
        var rest = a * a - modulus;
        for (int round = 0; round < 100; round++, a++)
        {
            if (MayBeSquare((int)(rest % 45045)) && Root(rest) is var b && b * b == rest)
                return true;
            rest += 2 * a + 1;
        }
        return false;
    }

    // 45045 = 9 * 5 * 7 * 11 * 13: about one in thirty non-squares passes.
    private static bool MayBeSquare(int residue) => s_squares[residue];
    private static readonly bool[] s_squares = Squares(45045);

    private static bool[] Squares(int modulus)
    {
        var squares = new bool[modulus];
        for (long i = 0; i < modulus; i++)
            squares[i * i % modulus] = true;
        return squares;
    }

    /// <summary>Rounded down, by Newton's method.</summary>
    private static BigInteger Root(BigInteger n)
    {
        if (n.IsZero)
            return n;
        var x = BigInteger.One << (int)((n.GetBitLength() + 1) / 2);
        while (true)
        {
            var y = (x + n / x) >> 1;
            if (y >= x)
                return x;
            x = y;
        }
    }

    private static int[] Primes(int below)
    {
        return [.. Enumerable.Range(2, below - 2).Where(n => Enumerable.Range(2, n - 2).All(d => d * d > n || n % d != 0))];
    }

    private static bool[] PowersOf65537(int prime)
    {
        var powers = new bool[prime];
        for (int power = 1; !powers[power]; power = power * (65537 % prime) % prime)
            powers[power] = true;
        return powers;
    }
}
