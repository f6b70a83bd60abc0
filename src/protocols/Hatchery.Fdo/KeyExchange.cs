using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Security.Cryptography;
using Hatchery.Cryptography;

namespace Hatchery.Fdo;

/// <summary>kexSuiteName (FDO 1.1 §3.6). The suite follows the owner's key.</summary>
public abstract class KeyExchangeSuite
{
    public static readonly KeyExchangeSuite Ecdh256 = new EcdhSuite("ECDH256", ECCurve.NamedCurves.nistP256, 32, 16, PublicKeyType.Secp256R1);
    public static readonly KeyExchangeSuite Ecdh384 = new EcdhSuite("ECDH384", ECCurve.NamedCurves.nistP384, 48, 48, PublicKeyType.Secp384R1);

    /// <summary>What is implemented.</summary>
    public static readonly ImmutableArray<KeyExchangeSuite> All = [Ecdh256, Ecdh384, .. DhSuite.Both, .. AsymmetricSuite.Both];

    /// <summary>The standard's names, implemented or not.</summary>
    public static readonly ImmutableArray<string> Names = ["DHKEXid14", "DHKEXid15", "ASYMKEX2048", "ASYMKEX3072", "ECDH256", "ECDH384"];

    private protected KeyExchangeSuite(string name) => Name = name;

    public string Name { get; }

    /// <summary>Null: not implemented.</summary>
    public static KeyExchangeSuite? Find(string name)
    {
        foreach (var suite in All)
            if (suite.Name == name)
                return suite;
        return null;
    }

    /// <exception cref="FdoException">101: not supported.</exception>
    public static KeyExchangeSuite Require(string name) => Find(name)
        ?? throw FdoException.Invalid("kexSuiteName", $"{(Names.Contains(name) ? name : "this suite")} is not supported.");

    /// <summary>The suite to propose, from the type of the manufacturer's key, which all owners of a voucher share.</summary>
    /// <exception cref="FdoException">101: keys of this type are not supported.</exception>
    public static KeyExchangeSuite For(PublicKeyType key) => key switch
    {
        PublicKeyType.Secp256R1 => Ecdh256,
        PublicKeyType.Secp384R1 => Ecdh384,
        PublicKeyType.Rsa2048Restr => DhSuite.Id14,
        PublicKeyType.RsaPkcs or PublicKeyType.RsaPss => DhSuite.Id15,
        _ => throw FdoException.Invalid("OVPublicKey", $"no key exchange is supported for keys of type {key}."),
    };

    public abstract bool Fits(FdoPublicKey owner);

    /// <summary>The owner's half; its parameter goes out in message 61.</summary>
    public abstract KeyExchange BeginOwner(Chance chance);

    /// <summary>The device's half; its parameter goes out in message 64.</summary>
    /// <param name="owner">The key that the voucher names.</param>
    public abstract KeyExchange BeginDevice(Chance chance, FdoPublicKey owner);

    /// <summary>The owner's half as <see cref="KeyExchange.Export"/> gave it: a session may go on in another process.</summary>
    internal abstract KeyExchange RestoreOwner(ReadOnlySpan<byte> exported);
}

/// <summary>One side's half of a key exchange.</summary>
public abstract class KeyExchange : IDisposable
{
    /// <summary>xAKeyExchange of the owner, xBKeyExchange of the device.</summary>
    public abstract ReadOnlyMemory<byte> Parameter { get; }

    /// <exception cref="FdoException">101: the peer's parameter is wrong.</exception>
    /// <param name="owner">The owner's own key, which ASYMKEX decrypts with; null on the device.</param>
    public abstract SessionKeys Complete(ReadOnlyMemory<byte> peerParameter, CipherSuite suite, FdoPrivateKey? owner = null);

    /// <summary>Private key and random, to be stored sealed.</summary>
    internal abstract SecretBytes Export();

    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    protected virtual void Dispose(bool disposing) { }
}

/// <summary>ECDH256 and ECDH384.</summary>
internal sealed class EcdhSuite(string name, ECCurve curve, int coordinate, int random, PublicKeyType ownerKey) : KeyExchangeSuite(name)
{
    public int Coordinate => coordinate;
    public int Random => random;

    public override bool Fits(FdoPublicKey owner) => owner.Type == ownerKey;
    public override KeyExchange BeginOwner(Chance chance) => Begin(chance, isOwner: true, "TO2.xA");
    public override KeyExchange BeginDevice(Chance chance, FdoPublicKey owner) => Begin(chance, isOwner: false, "TO2.xB");

    internal override KeyExchange RestoreOwner(ReadOnlySpan<byte> exported) =>
        new EcdhExchange(this, EcAgreement.FromPrivate(curve, exported[..coordinate]), exported[coordinate..].ToArray(), isOwner: true);

    private EcdhExchange Begin(Chance chance, bool isOwner, string use) =>
        new(this, chance.NewAgreementKey(curve, use), chance.Bytes(random, use + ".Random"), isOwner);

    /// <summary>len16 x, len16 y, len16 random. Coordinates whose leading zero bytes were stripped are widened.</summary>
    public void Parse(ReadOnlySpan<byte> parameter, string field, Span<byte> point, Span<byte> peerRandom)
    {
        point.Clear();
        point[0] = 4;
        Coordinates(ref parameter, field, point.Slice(1, coordinate));
        Coordinates(ref parameter, field, point.Slice(1 + coordinate, coordinate));
        var drawn = Part(ref parameter, field);
        if (drawn.Length != random)
            throw FdoException.Invalid(field, $"the random has {drawn.Length} bytes where {random} are needed.");
        drawn.CopyTo(peerRandom);
        if (!parameter.IsEmpty)
            throw FdoException.Invalid(field, $"{parameter.Length} bytes follow behind its end.");
    }

    private void Coordinates(ref ReadOnlySpan<byte> rest, string field, Span<byte> into)
    {
        var part = Part(ref rest, field);
        if (part.IsEmpty || part.Length > coordinate)
            throw FdoException.Invalid(field, $"a coordinate has {part.Length} bytes where {coordinate} are needed.");
        part.CopyTo(into[(coordinate - part.Length)..]);
    }

    private static ReadOnlySpan<byte> Part(ref ReadOnlySpan<byte> rest, string field)
    {
        if (rest.Length < 2 || rest.Length - 2 < BinaryPrimitives.ReadUInt16BigEndian(rest))
            throw FdoException.Invalid(field, "cut off.");
        int length = BinaryPrimitives.ReadUInt16BigEndian(rest);
        var part = rest.Slice(2, length);
        rest = rest[(2 + length)..];
        return part;
    }
}

internal sealed class EcdhExchange : KeyExchange
{
    private readonly EcdhSuite _suite;
    private readonly AgreementKey _key;
    private readonly byte[] _random, _parameter;
    private readonly bool _isOwner;

    public EcdhExchange(EcdhSuite suite, AgreementKey key, byte[] random, bool isOwner)
    {
        (_suite, _key, _random, _isOwner) = (suite, key, random, isOwner);
        var point = key.PublicPoint.Span;
        _parameter = new byte[6 + 2 * suite.Coordinate + random.Length];
        int at = 0;
        Put(point.Slice(1, suite.Coordinate), ref at);
        Put(point.Slice(1 + suite.Coordinate, suite.Coordinate), ref at);
        Put(random, ref at);
    }

    public override ReadOnlyMemory<byte> Parameter => _parameter;

    internal override SecretBytes Export()
    {
        using var scalar = _key.ExportScalar();
        byte[] both = [.. scalar.Reveal(), .. _random];
        var exported = new SecretBytes(both);
        CryptographicOperations.ZeroMemory(both);
        return exported;
    }

    private void Put(ReadOnlySpan<byte> part, ref int at)
    {
        BinaryPrimitives.WriteUInt16BigEndian(_parameter.AsSpan(at), (ushort)part.Length);
        part.CopyTo(_parameter.AsSpan(at + 2));
        at += 2 + part.Length;
    }

    public override SessionKeys Complete(ReadOnlyMemory<byte> peerParameter, CipherSuite suite, FdoPrivateKey? owner = null)
    {
        string field = _isOwner ? "xBKeyExchange" : "xAKeyExchange";
        int width = _suite.Coordinate;
        var shSe = SharedSecret(peerParameter, field, width);
        try
        {
            return suite.Derive(shSe, []);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(shSe);
        }
    }

    /// <summary>ShSe: Sh.x, then DeviceRandom, then OwnerRandom.</summary>
    internal byte[] SharedSecret(ReadOnlyMemory<byte> peerParameter, string field, int width)
    {
        Span<byte> point = stackalloc byte[1 + 2 * width], peerRandom = stackalloc byte[_suite.Random];
        _suite.Parse(peerParameter.Span, field, point, peerRandom);
        byte[] x;
        try
        {
            x = _key.Agree(point);
        }
        catch (CryptographicException e)
        {
            throw new FdoException(FdoErrorCode.InvalidMessageError, field, $"{field}: no point of the curve.", e);
        }
        var shSe = new byte[width + 2 * _suite.Random];
        x.CopyTo(shSe, 0);
        (_isOwner ? peerRandom : _random).CopyTo(shSe.AsSpan(width));
        (_isOwner ? _random : peerRandom).CopyTo(shSe.AsSpan(width + _suite.Random));
        CryptographicOperations.ZeroMemory(x);
        return shSe;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _key.Dispose();
        CryptographicOperations.ZeroMemory(_random);
    }
}
