using System.Collections.Immutable;
using System.Security.Cryptography;
using Hatchery.Cryptography;

namespace Hatchery.Fdo;

/// <summary>DHKEXid14 and DHKEXid15 (FDO 1.1 §3.6): Diffie-Hellman in the groups of RFC 3526, for owners with RSA keys.</summary>
internal sealed class DhSuite(string name, ModularGroup group, int exponent, int ownerBits) : KeyExchangeSuite(name)
{
    public static readonly DhSuite Id14 = new("DHKEXid14", ModularGroup.Group14, 32, 2048), Id15 = new("DHKEXid15", ModularGroup.Group15, 96, 3072);
    public static readonly ImmutableArray<KeyExchangeSuite> Both = [Id14, Id15];

    public ModularGroup Group => group;

    public override bool Fits(FdoPublicKey owner) => !owner.IsElliptic && owner.KeySize == ownerBits;
    public override KeyExchange BeginOwner(Chance chance) => new DhExchange(this, chance.Bytes(exponent, "TO2.xA"), isOwner: true);
    public override KeyExchange BeginDevice(Chance chance, FdoPublicKey owner) => new DhExchange(this, chance.Bytes(exponent, "TO2.xB"), isOwner: false);
    internal override KeyExchange RestoreOwner(ReadOnlySpan<byte> exported) => new DhExchange(this, exported.ToArray(), isOwner: true);
}

internal sealed class DhExchange(DhSuite suite, byte[] exponent, bool isOwner) : KeyExchange
{
    private byte[]? _parameter;

    /// <summary>g^x mod p, without leading zero bytes: so all peers send it.</summary>
    public override ReadOnlyMemory<byte> Parameter => _parameter ??= suite.Group.Public(exponent).AsSpan().TrimStart((byte)0).ToArray();

    internal override SecretBytes Export() => new(exponent);

    /// <summary>ShSe: g^ab mod p at the modulus's full length; ContextRand is empty.</summary>
    public override SessionKeys Complete(ReadOnlyMemory<byte> peerParameter, CipherSuite cipher, FdoPrivateKey? owner = null)
    {
        var shSe = SharedSecret(peerParameter);
        try
        {
            return cipher.Derive(shSe, []);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(shSe);
        }
    }

    internal byte[] SharedSecret(ReadOnlyMemory<byte> peerParameter)
    {
        string field = isOwner ? "xBKeyExchange" : "xAKeyExchange";
        try
        {
            return suite.Group.Agree(peerParameter.Span, exponent);
        }
        catch (CryptographicException e)
        {
            throw new FdoException(FdoErrorCode.InvalidMessageError, field, $"{field}: no element of the group that may be used.", e);
        }
    }

    protected override void Dispose(bool disposing) => CryptographicOperations.ZeroMemory(exponent);
}
