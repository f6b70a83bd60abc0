using System.Text;
using Org.BouncyCastle.Crypto.Agreement.Srp;
using Org.BouncyCastle.Crypto.Digests;
using Org.BouncyCastle.Math;
using Org.BouncyCastle.Tls.Crypto;
using Groups5054 = Org.BouncyCastle.Tls.Crypto.Srp6StandardGroups;

namespace Hatchery.Tls;

/// <summary>TLS without certificates: both sides prove that they know of one password (RFC 5054). Groups below 2048 bits are refused.</summary>
/// <param name="Password">UTF-8, as given: SASLprep is the caller's.</param>
public sealed record SrpSecurity(string User, SecretText Password) : ChannelSecurity;

/// <summary>What a server keeps instead of a password (RFC 5054, section 2.4). Whoever steals it can pose as the server, or guess the password offline.</summary>
public sealed class SrpVerifier
{
    /// <param name="groupBits">2048, 3072 or 4096: the groups of RFC 5054, appendix A.</param>
    /// <param name="verifier">v = g^x mod N, big endian.</param>
    public SrpVerifier(int groupBits, ReadOnlySpan<byte> salt, SecretBytes verifier)
    {
        Group = GroupOf(groupBits);
        if (salt.Length is < 1 or > 255)
            throw new ArgumentException("A salt has 1 to 255 bytes.", nameof(salt));
        (GroupBits, Salt, Verifier) = (groupBits, salt.ToArray(), verifier);
    }

    public int GroupBits { get; }
    public ReadOnlyMemory<byte> Salt { get; }
    public SecretBytes Verifier { get; }
    internal Srp6Group Group { get; }

    /// <summary>x = SHA1(salt | SHA1(user | ":" | password)).</summary>
    public static SrpVerifier Create(string user, SecretText password, Chance chance, int groupBits = 2048)
    {
        byte[] salt = chance.Bytes(16, "SRP.salt");
        var group = GroupOf(groupBits);
        var generator = new Srp6VerifierGenerator();
        generator.Init(group.N, group.G, new Sha1Digest());
        var v = generator.GenerateVerifier(salt, Encoding.UTF8.GetBytes(user), Encoding.UTF8.GetBytes(password.Reveal()));
        return new(groupBits, salt, new SecretBytes(v.ToByteArrayUnsigned()));
    }

    internal BigInteger Value => new(1, Verifier.Reveal().ToArray());

    internal static readonly Srp6Group[] Groups = [Groups5054.rfc5054_2048, Groups5054.rfc5054_3072, Groups5054.rfc5054_4096];

    private static Srp6Group GroupOf(int bits) => Array.Find(Groups, g => g.N.BitLength == bits)
        ?? throw new ArgumentException("The groups are those of 2048, 3072 and 4096 bits.", nameof(bits));
}
