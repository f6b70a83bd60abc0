using System.Security.Cryptography;

namespace Hatchery.Cryptography;

/// <summary>A curve of SEC 2 and FIPS 186-4 with cofactor 1: there a point that is on the curve and not infinity is a valid key, so that the order
/// check, which costs as much as a signature's verification, is not needed (SP 800-56A Rev. 3, section 5.6.2.3.4).</summary>
internal sealed unsafe class NativeCurve
{
    private static readonly byte[] s_ecPublicKeyOid = [0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01];

    // Read only after start-up, but for the pools of native objects.
    public static readonly NativeCurve P256 = new("P-256", 256, 415, "1.2.840.10045.3.1.7", [0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07],
        "FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551");
    public static readonly NativeCurve P384 = new("P-384", 384, 715, "1.3.132.0.34", [0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x22],
        "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973");
    public static readonly NativeCurve P521 = new("P-521", 521, 716, "1.3.132.0.35", [0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x23],
        "01FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFA51868783BF2F966B7FCC0148F709A5D03BB5C9B8899C47AEBB6FB71E91386409");
    public static readonly NativeCurve BrainpoolP256 = new("brainpoolP256r1", 256, 927, "1.3.36.3.3.2.8.1.1.7", [0x06, 0x09, 0x2B, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x07],
        "A9FB57DBA1EEA9BC3E660A909D838D718C397AA3B561A6F7901E0E82974856A7");
    public static readonly NativeCurve BrainpoolP384 = new("brainpoolP384r1", 384, 931, "1.3.36.3.3.2.8.1.1.11", [0x06, 0x09, 0x2B, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x0B],
        "8CB91E82A3386D280F5D6F7E50E641DF152F7109ED5456B31F166E6CAC0425A7CF3AB6AF6B7FC3103B883202E9046565");
    public static readonly NativeCurve BrainpoolP512 = new("brainpoolP512r1", 512, 933, "1.3.36.3.3.2.8.1.1.13", [0x06, 0x09, 0x2B, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x0D],
        "AADD9DB8DBE9C48B3FD4E6AE33C9FC07CB308DB3B3C9D20ED6639CCA70330870553E5C414CA92619418661197FAC10471DB1D381085DDADDB58796829CA90069");
    /// <summary>What keys in DER and PEM may be on.</summary>
    public static readonly NativeCurve[] All = [P256, P384, P521];
    private static readonly NativeCurve[] s_known = [.. All, BrainpoolP256, BrainpoolP384, BrainpoolP512];

    private readonly int _nid;
    private readonly byte[] _group, _order;
    private readonly Lazy<EvpKey> _template;
    private readonly Lazy<nint> _points;
    private readonly HandlePool<EvpContext> _generators;
    private readonly HandlePool<EvpKey> _peers;

    private NativeCurve(string name, int bits, int nid, string curve, byte[] oid, string order)
    {
        // By value: CopyWithPrivateKey compares the names that this gives.
        (Name, Bits, Width, Curve) = (name, bits, (bits + 7) / 8, ECCurve.CreateFromValue(curve));
        (_nid, _group, _order) = (nid, [.. System.Text.Encoding.ASCII.GetBytes(name), 0], Convert.FromHexString(order));
        SpkiPrefix = Prefix(oid, PointLength);
        _template = new(() => FromData([], [], LibCrypto.SelectParameters));
        _points = new(MakeGroup);
        _generators = new(MakeGenerator);
        _peers = new(() => Duplicate());
    }

    /// <summary>"P-256", as operations are counted and as OpenSSL calls the group.</summary>
    public string Name { get; }
    public int Bits { get; }
    /// <summary>Bytes of a coordinate and of a scalar.</summary>
    public int Width { get; }
    public int PointLength => 1 + 2 * Width;
    public ECCurve Curve { get; }
    /// <summary>DER of a SubjectPublicKeyInfo up to the point (RFC 5480): it is the same for all keys of the curve.</summary>
    public byte[] SpkiPrefix { get; }

    /// <exception cref="CryptographicException">Not one of these curves.</exception>
    public static NativeCurve Of(ECCurve curve)
    {
        if (curve.IsNamed)
        {
            foreach (var known in s_known)
            {
                if (curve.Oid.Value == known.Curve.Oid.Value)
                    return known;
            }
        }
        throw new CryptographicException("The curve is not supported: P-256, P-384, P-521 and the brainpool curves r1 of 256, 384 and 512 bits by name are.");
    }

    /// <summary>A key of this curve without a point: to be given one.</summary>
    private EvpKey Duplicate() => Made(LibCrypto.EVP_PKEY_dup(_template.Value));

    /// <summary>A public key.</summary>
    /// <param name="point">Uncompressed.</param>
    /// <exception cref="CryptographicException">Of another length or form, or not on the curve.</exception>
    public EvpKey FromPoint(ReadOnlySpan<byte> point)
    {
        CheckForm(point);
        var key = Duplicate();
        if (TrySetPoint(key, point))
            return key;
        key.Dispose();
        throw LibCrypto.Failure($"The point is not on the curve {Name}.");
    }

    /// <summary>A key whose point may be set again and again; goes back to <see cref="ReturnPeer"/>.</summary>
    /// <inheritdoc cref="FromPoint"/>
    public EvpKey RentPeer(ReadOnlySpan<byte> point)
    {
        CheckForm(point);
        LibCrypto.Require();
        var key = _peers.Rent();
        if (TrySetPoint(key, point))
            return key;
        key.Dispose();
        throw LibCrypto.Failure($"The peer's point is not on the curve {Name}.");
    }

    public void ReturnPeer(EvpKey peer) => _peers.Return(peer);

    private void CheckForm(ReadOnlySpan<byte> point)
    {
        if (point.Length != PointLength || point[0] != 4)
            throw new CryptographicException($"Not an uncompressed point of {Name}, which has {PointLength} bytes and begins with 04.");
    }

    /// <summary>Refuses coordinates that are not below the field's prime, and points off the curve.</summary>
    private static bool TrySetPoint(EvpKey key, ReadOnlySpan<byte> point)
    {
        fixed (byte* p = point)
            return LibCrypto.EVP_PKEY_set1_encoded_public_key(key, p, (nuint)point.Length) == 1;
    }

    /// <param name="scalar">Big endian, of the curve's width.</param>
    /// <param name="point">Empty: the key can sign and agree, and <see cref="PointOf"/> computes it.</param>
    /// <exception cref="CryptographicException">The scalar is not in [1, n-1].</exception>
    public EvpKey FromScalar(ReadOnlySpan<byte> scalar, ReadOnlySpan<byte> point)
    {
        if (scalar.Length != Width || !IsInRange(scalar))
            throw new CryptographicException($"Not a private key of {Name}: {Width} bytes, between 1 and the order of the curve.");
        return FromData(scalar, point, LibCrypto.SelectKeyPair);
    }

    public EvpKey Generate()
    {
        LibCrypto.Require();
        var context = _generators.Rent();
        nint key = 0;
        int done = LibCrypto.EVP_PKEY_generate(context, ref key);
        _generators.Return(context);
        return done == 1 ? new EvpKey(key) : throw LibCrypto.Failure($"A key of {Name} could not be generated.");
    }

    /// <summary>The point of a key pair, uncompressed; computed if the key does not hold it.</summary>
    public byte[] PointOf(EvpKey key)
    {
        byte[] point = new byte[PointLength];
        fixed (byte* p = point, name = "pub\0"u8)
        {
            if (LibCrypto.EVP_PKEY_get_octet_string_param(key, name, p, (nuint)point.Length, out nuint length) == 1 && length == (nuint)PointLength && p[0] == 4)
                return point;
            LibCrypto.ERR_clear_error();
        }
        Multiply(key, point);
        return point;
    }

    /// <summary>Big endian, of the curve's width.</summary>
    /// <exception cref="CryptographicException">The key has no private part.</exception>
    public void ScalarOf(EvpKey key, Span<byte> scalar)
    {
        nint number = ScalarOf(key);
        int written;
        fixed (byte* p = scalar)
            written = LibCrypto.BN_bn2binpad(number, p, Width);
        LibCrypto.BN_clear_free(number);
        if (written != Width)
            throw LibCrypto.Failure("The private key could not be read.");
    }

    private static nint ScalarOf(EvpKey key)
    {
        nint number = 0;
        fixed (byte* name = "priv\0"u8)
        {
            if (LibCrypto.EVP_PKEY_get_bn_param(key, name, ref number) != 1)
                throw LibCrypto.Failure("The key has no private part.");
        }
        return number;
    }

    private void Multiply(EvpKey key, byte[] point)
    {
        nint scalar = ScalarOf(key), result = LibCrypto.EC_POINT_new(_points.Value);
        try
        {
            fixed (byte* p = point)
            {
                if (LibCrypto.EC_POINT_mul(_points.Value, result, scalar, 0, 0, 0) != 1
                    || LibCrypto.EC_POINT_point2oct(_points.Value, result, 4, p, (nuint)point.Length, 0) != (nuint)point.Length)
                    throw LibCrypto.Failure("The public key could not be computed.");
            }
        }
        finally
        {
            LibCrypto.EC_POINT_free(result);
            LibCrypto.BN_clear_free(scalar);
        }
    }

    /// <summary>EC_GROUP, shared and only read.</summary>
    public nint Group => _points.Value;
    /// <summary>Big endian, of the curve's width.</summary>
    public ReadOnlySpan<byte> Order => _order;

    /// <summary>0 &lt; scalar &lt; order, without a branch on the scalar's bytes.</summary>
    private bool IsInRange(ReadOnlySpan<byte> scalar)
    {
        int borrow = 0, any = 0;
        for (int i = Width - 1; i >= 0; i--)
        {
            borrow = (scalar[i] - _order[i] - borrow) >> 31 & 1;
            any |= scalar[i];
        }
        return (borrow != 0) & (any != 0);
    }

    private EvpKey FromData(ReadOnlySpan<byte> scalar, ReadOnlySpan<byte> point, int selection)
    {
        LibCrypto.Require();
        Span<byte> native = stackalloc byte[66];
        native = native[..scalar.Length];
        scalar.CopyTo(native);
        if (BitConverter.IsLittleEndian)
            native.Reverse();
        nint key = 0;
        var parameters = stackalloc LibCrypto.Param[4];
        fixed (byte* group = _group, groupName = "group\0"u8, publicName = "pub\0"u8, privateName = "priv\0"u8, ec = "EC\0"u8, q = point, d = native)
        {
            int count = 0;
            parameters[count++] = new LibCrypto.Param { Key = groupName, Type = LibCrypto.Utf8String, Data = group, Size = (nuint)_group.Length - 1 };
            if (!point.IsEmpty)
                parameters[count++] = new LibCrypto.Param { Key = publicName, Type = LibCrypto.OctetString, Data = q, Size = (nuint)point.Length };
            if (!scalar.IsEmpty)
                parameters[count++] = new LibCrypto.Param { Key = privateName, Type = LibCrypto.UnsignedInteger, Data = d, Size = (nuint)native.Length };
            parameters[count] = default;
            using var context = LibCrypto.EVP_PKEY_CTX_new_from_name(0, ec, 0);
            int done = context.IsInvalid || LibCrypto.EVP_PKEY_fromdata_init(context) != 1 ? 0 : LibCrypto.EVP_PKEY_fromdata(context, ref key, selection, parameters);
            CryptographicOperations.ZeroMemory(native);
            return done == 1 ? new EvpKey(key) : throw LibCrypto.Failure($"Not a key of {Name}.");
        }
    }

    private EvpContext MakeGenerator()
    {
        fixed (byte* ec = "EC\0"u8, group = _group)
        {
            var context = Made(LibCrypto.EVP_PKEY_CTX_new_from_name(0, ec, 0));
            return LibCrypto.EVP_PKEY_keygen_init(context) == 1 && LibCrypto.EVP_PKEY_CTX_set_group_name(context, group) == 1
                ? context : throw LibCrypto.Failure($"Keys of {Name} cannot be generated.");
        }
    }

    private nint MakeGroup()
    {
        nint group = LibCrypto.EC_GROUP_new_by_curve_name(_nid);
        return group != 0 ? group : throw LibCrypto.Failure($"The curve {Name} is not known to libcrypto.");
    }

    /// <exception cref="CryptographicException">Nothing was made.</exception>
    public static T Made<T>(T handle) where T : System.Runtime.InteropServices.SafeHandle =>
        handle.IsInvalid ? throw LibCrypto.Failure("libcrypto is out of memory.") : handle;

    /// <summary>SEQUENCE { SEQUENCE { ecPublicKey, curve }, BIT STRING { point } } without the point.</summary>
    private static byte[] Prefix(byte[] oid, int pointLength)
    {
        byte[] algorithm = [0x30, (byte)(s_ecPublicKeyOid.Length + oid.Length), .. s_ecPublicKeyOid, .. oid];
        byte[] bits = [0x03, .. Length(pointLength + 1), 0];
        return [0x30, .. Length(algorithm.Length + bits.Length + pointLength), .. algorithm, .. bits];

        static byte[] Length(int length) => length < 0x80 ? [(byte)length] : [0x81, (byte)length];
    }
}
