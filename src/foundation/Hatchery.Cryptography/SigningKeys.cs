using System.Formats.Asn1;
using System.Security.Cryptography;

namespace Hatchery.Cryptography;

/// <summary>Makes ECDSA keys on P-256, P-384 and P-521 that count their operations (<see cref="OperationMeter"/>). They are immutable and may be shared by threads.
/// Where the base library insists on a key of its own (TLS, PKCS#12), <see cref="ToBcl"/> makes one.</summary>
public static class SigningKeys
{
    /// <param name="subjectPublicKeyInfo">DER.</param>
    /// <exception cref="CryptographicException">No EC key of a supported named curve, no point on it, or something follows it.</exception>
    public static ECDsa ImportPublic(ReadOnlySpan<byte> subjectPublicKeyInfo)
    {
        foreach (var curve in NativeCurve.All)
        {
            if (subjectPublicKeyInfo.Length == curve.SpkiPrefix.Length + curve.PointLength && subjectPublicKeyInfo.StartsWith(curve.SpkiPrefix))
                return Public(curve, subjectPublicKeyInfo[curve.SpkiPrefix.Length..]);
        }
        throw new CryptographicException("Not a SubjectPublicKeyInfo of an uncompressed point on P-256, P-384 or P-521 (RFC 5480).");
    }

    /// <param name="point">Uncompressed: 04, x, y.</param>
    /// <exception cref="CryptographicException">Another curve, length or form, or a point that is not on the curve.</exception>
    public static ECDsa ImportPublicPoint(ECCurve curve, ReadOnlySpan<byte> point) => Public(NativeCurve.Of(curve), point);

    /// <param name="scalar">Big endian, of the curve's width.</param>
    /// <exception cref="CryptographicException">Another curve, or not a private key of it.</exception>
    public static ECDsa ImportScalar(ECCurve curve, ReadOnlySpan<byte> scalar)
    {
        var native = NativeCurve.Of(curve);
        var key = native.FromScalar(scalar, []);
        byte[] point = native.PointOf(key);
        key.Dispose();
        return new NativeEcdsa(native, native.FromScalar(scalar, point), point, isPrivate: true);
    }

    /// <param name="pkcs8">DER, unencrypted.</param>
    /// <exception cref="CryptographicException">No EC key of a supported named curve, or something follows it.</exception>
    public static ECDsa ImportPrivate(ReadOnlySpan<byte> pkcs8) => Private(pkcs8, isPkcs8: true);

    /// <param name="pem">Its first block PRIVATE KEY (PKCS#8), EC PRIVATE KEY (RFC 5915) or PUBLIC KEY, unencrypted; what is around it is ignored.</param>
    /// <exception cref="CryptographicException">No such block, or no key of a supported curve.</exception>
    public static ECDsa FromPem(string pem)
    {
        for (var rest = pem.AsSpan(); PemEncoding.TryFind(rest, out var fields); rest = rest[fields.Location.End..])
        {
            var label = rest[fields.Label];
            if (label is not ("PRIVATE KEY" or "EC PRIVATE KEY" or "PUBLIC KEY"))
                continue;
            byte[] der = new byte[fields.DecodedDataLength];
            try
            {
                if (!Convert.TryFromBase64Chars(rest[fields.Base64Data], der, out int length) || length != der.Length)
                    break;
                return label is "PUBLIC KEY" ? ImportPublic(der) : Private(der, label is "PRIVATE KEY");
            }
            finally
            {
                CryptographicOperations.ZeroMemory(der);
            }
        }
        throw new CryptographicException("No PEM block PRIVATE KEY, EC PRIVATE KEY or PUBLIC KEY was found.");
    }

    /// <exception cref="CryptographicException">Another curve.</exception>
    public static ECDsa Generate(ECCurve curve)
    {
        var native = NativeCurve.Of(curve);
        OperationMeter.Count("generate " + native.Name);
        var key = native.Generate();
        return new NativeEcdsa(native, key, native.PointOf(key), isPrivate: true);
    }

    /// <summary>The same key as an object of the base library; the operations of that one are not counted.</summary>
    public static ECDsa ToBcl(ECDsa key)
    {
        var parameters = key is NativeEcdsa { IsPrivate: false } ? key.ExportParameters(false) : key.ExportParameters(true);
        try
        {
            return ECDsa.Create(parameters);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(parameters.D);
        }
    }

    private static NativeEcdsa Public(NativeCurve curve, ReadOnlySpan<byte> point) => new(curve, curve.FromPoint(point), point.ToArray(), isPrivate: false);

    private static NativeEcdsa Private(ReadOnlySpan<byte> der, bool isPkcs8)
    {
        using var platform = ECDsa.Create();
        try
        {
            int read;
            if (isPkcs8)
                platform.ImportPkcs8PrivateKey(der, out read);
            else
                platform.ImportECPrivateKey(der, out read);
            if (read != der.Length)
                throw new CryptographicException("Bytes follow the private key.");
        }
        // A curve that the platform does not know is not only reported as the documentation says.
        catch (Exception e) when (e is AsnContentException or PlatformNotSupportedException or ArgumentException)
        {
            throw new CryptographicException("Not an elliptic-curve private key.", e);
        }
        return FromPlatform(platform);
    }

    private static NativeEcdsa FromPlatform(ECDsa platform)
    {
        var parameters = platform.ExportParameters(true);
        try
        {
            var curve = NativeCurve.Of(parameters.Curve);
            if (!NativeCurve.All.Contains(curve))
                throw new CryptographicException("Not a key on P-256, P-384 or P-521.");
            byte[] point = UncompressedPoint.Encode(parameters.Q.X, parameters.Q.Y, curve.Width);
            return new NativeEcdsa(curve, curve.FromScalar(parameters.D, point), point, isPrivate: true);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(parameters.D);
        }
    }
}
