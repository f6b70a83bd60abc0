using System.Collections.Immutable;
using System.Formats.Cbor;
using System.Security.Cryptography;
using Hatchery.Cryptography;
using Hatchery.Cryptography.Cose;

namespace Hatchery.Fdo;

/// <summary>PublicKey: [pkType, pkEnc, pkBody] (FDO 1.1 §3.3.4). Keeps the bytes it came from, because hashes are over these; is compared by
/// value, because the same key occurs in several encodings.</summary>
public sealed class FdoPublicKey
{
    private const int MaxChain = 16;
    private ECDsa? _verifier;
    private string? _fingerprint;

    private FdoPublicKey(PublicKeyType type, PublicKeyEncoding encoding, ReadOnlyMemory<byte> spki, ImmutableArray<ReadOnlyMemory<byte>> chain, ReadOnlyMemory<byte> raw) =>
        (Type, Encoding, SubjectPublicKeyInfo, Chain, Raw) = (type, encoding, spki, chain, raw);

    public PublicKeyType Type { get; }
    public PublicKeyEncoding Encoding { get; }
    /// <summary>DER; empty for an RSA key in COSE form.</summary>
    public ReadOnlyMemory<byte> SubjectPublicKeyInfo { get; }
    /// <summary>DER certificates, leaf first; empty unless X5CHAIN.</summary>
    public ImmutableArray<ReadOnlyMemory<byte>> Chain { get; }
    public ReadOnlyMemory<byte> Raw { get; }
    public bool IsElliptic => Type is PublicKeyType.Secp256R1 or PublicKeyType.Secp384R1;
    /// <summary>SHA-256 of the SubjectPublicKeyInfo, hex.</summary>
    public string Fingerprint => _fingerprint ??= Convert.ToHexStringLower(SHA256.HashData(SubjectPublicKeyInfo.Span));

    public bool IsSameKey(FdoPublicKey other) => !SubjectPublicKeyInfo.IsEmpty && SubjectPublicKeyInfo.Span.SequenceEqual(other.SubjectPublicKeyInfo.Span);
    public bool IsSameKey(ECDsa key) => SubjectPublicKeyInfo.Span.SequenceEqual(key.ExportSubjectPublicKeyInfo());

    /// <summary>Imported once and kept. Throws <see cref="FdoException"/> 101 for keys that are not supported and points that are on no curve.</summary>
    public ECDsa Verifier(string field)
    {
        if (_verifier is { } known)
            return known;
        if (!IsElliptic)
            throw FdoException.Invalid(field, $"keys of type {Type} are not supported.");
        try
        {
            return _verifier = SigningKeys.ImportPublic(SubjectPublicKeyInfo.Span);
        }
        catch (CryptographicException e)
        {
            throw new FdoException(FdoErrorCode.InvalidMessageError, field, $"{field}: no point of the curve.", e);
        }
    }

    /// <param name="encoding">X509 or COSEKEY.</param>
    public static FdoPublicKey FromSubjectPublicKeyInfo(ReadOnlyMemory<byte> spki, PublicKeyEncoding encoding = PublicKeyEncoding.X509)
    {
        var key = CoseKey.FromSubjectPublicKeyInfo(spki) ?? throw new ArgumentException("Not a P-256 or P-384 key.", nameof(spki));
        var type = TypeOf(key);
        var writer = Begin(type, encoding);
        if (encoding == PublicKeyEncoding.X509)
            writer.WriteByteString(spki.Span);
        else if (encoding == PublicKeyEncoding.CoseKey)
            key.Write(writer);
        else
            throw new ArgumentException("A chain is made by FromChain.", nameof(encoding));
        writer.WriteEndArray();
        return new FdoPublicKey(type, encoding, spki, [], writer.Encode());
    }

    /// <inheritdoc cref="FromSubjectPublicKeyInfo"/>
    public static FdoPublicKey From(ECDsa key, PublicKeyEncoding encoding = PublicKeyEncoding.X509) => FromSubjectPublicKeyInfo(key.ExportSubjectPublicKeyInfo(), encoding);

    /// <param name="chain">DER certificates, leaf first.</param>
    public static FdoPublicKey FromChain(ImmutableArray<ReadOnlyMemory<byte>> chain)
    {
        if (chain.IsDefaultOrEmpty || CertificateKey.SubjectPublicKeyInfo(chain[0]) is not { } spki || CoseKey.FromSubjectPublicKeyInfo(spki) is not { } key)
            throw new ArgumentException("The first certificate has no P-256 or P-384 key.", nameof(chain));
        var writer = Begin(TypeOf(key), PublicKeyEncoding.X5Chain);
        X5Chain.Write(writer, chain);
        writer.WriteEndArray();
        return new FdoPublicKey(TypeOf(key), PublicKeyEncoding.X5Chain, spki, chain, writer.Encode());
    }

    internal static FdoPublicKey Parse(ReadOnlyMemory<byte> raw, string field, CborFault fault)
    {
        var reader = new BoundedCborReader(raw, fault);
        var key = Parse(reader, field);
        reader.End(field);
        return key;
    }

    internal static FdoPublicKey Parse(BoundedCborReader reader, string field)
    {
        int start = reader.Position;
        reader.StartArray(field);
        long typeNumber = reader.Integer($"{field}.pkType"), encodingNumber = reader.Integer($"{field}.pkEnc");
        if (typeNumber is not (1 or 5 or 6 or 10 or 11))
            throw reader.Wrong($"{field}.pkType", $"{typeNumber} is no type of key.");
        var type = (PublicKeyType)typeNumber;
        ReadOnlyMemory<byte> spki = default;
        ImmutableArray<ReadOnlyMemory<byte>> chain = [];
        string body = $"{field}.pkBody";
        switch (encodingNumber)
        {
            case (int)PublicKeyEncoding.X509:
                spki = reader.Bytes(body);
                break;
            case (int)PublicKeyEncoding.X5Chain:
                chain = X5Chain.Parse(reader, body, MaxChain);
                spki = CertificateKey.SubjectPublicKeyInfo(chain[0]) ?? throw reader.Wrong(body, "the first certificate cannot be read.");
                break;
            case (int)PublicKeyEncoding.CoseKey when type is PublicKeyType.Secp256R1 or PublicKeyType.Secp384R1:
                spki = CoseKey.Parse(reader, body).ToSubjectPublicKeyInfo();
                break;
            case (int)PublicKeyEncoding.CoseKey:
                reader.Raw(body);
                break;
            default:
                throw reader.Wrong($"{field}.pkEnc", $"{encodingNumber} is no encoding of a key that is in use.");
        }
        reader.EndArray(field);
        if (type is PublicKeyType.Secp256R1 or PublicKeyType.Secp384R1
            && (CoseKey.FromSubjectPublicKeyInfo(spki) is not { } key || TypeOf(key) != type))
            throw reader.Wrong(body, $"no key of type {type}.");
        return new FdoPublicKey(type, (PublicKeyEncoding)encodingNumber, spki, chain, reader.Since(start));
    }

    /// <summary>The type of a key on P-256 or P-384; null for others.</summary>
    public static PublicKeyType? TypeOf(ReadOnlyMemory<byte> spki) => CoseKey.FromSubjectPublicKeyInfo(spki) is { } key ? TypeOf(key) : null;

    private static PublicKeyType TypeOf(CoseKey key) => key.Curve == CoseKey.P256 ? PublicKeyType.Secp256R1 : PublicKeyType.Secp384R1;

    private static CborWriter Begin(PublicKeyType type, PublicKeyEncoding encoding)
    {
        var writer = WireReading.Writer(192);
        writer.WriteStartArray(3);
        writer.WriteInt32((int)type);
        writer.WriteInt32((int)encoding);
        return writer;
    }

    public override string ToString() => $"{Type} {Encoding} {Fingerprint[..16]}";
}
