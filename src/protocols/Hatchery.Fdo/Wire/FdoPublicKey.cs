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
    private RSA? _rsa;
    private string? _fingerprint;

    private FdoPublicKey(PublicKeyType type, PublicKeyEncoding encoding, ReadOnlyMemory<byte> spki, ImmutableArray<ReadOnlyMemory<byte>> chain, ReadOnlyMemory<byte> raw) =>
        (Type, Encoding, SubjectPublicKeyInfo, Chain, Raw) = (type, encoding, spki, chain, raw);

    public PublicKeyType Type { get; }
    public PublicKeyEncoding Encoding { get; }
    /// <summary>DER.</summary>
    public ReadOnlyMemory<byte> SubjectPublicKeyInfo { get; }
    /// <summary>DER certificates, leaf first; empty unless X5CHAIN.</summary>
    public ImmutableArray<ReadOnlyMemory<byte>> Chain { get; }
    public ReadOnlyMemory<byte> Raw { get; }
    /// <summary>In bits.</summary>
    public int KeySize => Type switch { PublicKeyType.Secp256R1 => 256, PublicKeyType.Secp384R1 => 384, _ => RsaTypes.Bits(SubjectPublicKeyInfo.Span) ?? 0 };
    public bool IsElliptic => Type is PublicKeyType.Secp256R1 or PublicKeyType.Secp384R1;
    /// <summary>SHA-256 of the SubjectPublicKeyInfo, hex.</summary>
    public string Fingerprint => _fingerprint ??= Convert.ToHexStringLower(SHA256.HashData(SubjectPublicKeyInfo.Span));

    public bool IsSameKey(FdoPublicKey other) => !SubjectPublicKeyInfo.IsEmpty && SubjectPublicKeyInfo.Span.SequenceEqual(other.SubjectPublicKeyInfo.Span);
    /// <summary>The same key and, for RSA, the same way to sign.</summary>
    public bool IsSameKey(FdoPrivateKey key) => Type == key.Type && SubjectPublicKeyInfo.Span.SequenceEqual(key.SubjectPublicKeyInfo.Span);

    /// <summary>Whether this key signed, in the way that its type prescribes.</summary>
    /// <exception cref="FdoException">101 for points that are on no curve.</exception>
    public bool Verifies(CoseSign1 signed, string field)
    {
        if (IsElliptic)
            return signed.Verify(Verifier(field));
        return signed.Algorithm == (int)SignatureTypes.For(Type, KeySize) && signed.Verify(RsaVerifier(field));
    }

    /// <summary>Imported once and kept; for signatures and for OAEP.</summary>
    internal RSA RsaVerifier(string field)
    {
        try
        {
            return _rsa ??= RsaKeys.ImportPublic(SubjectPublicKeyInfo.Span);
        }
        catch (CryptographicException e)
        {
            throw new FdoException(FdoErrorCode.InvalidMessageError, field, $"{field}: no RSA key that can be used.", e);
        }
    }

    /// <summary>The same RSA key under another pkType of RSA: the certificate or PEM file that it came in does not say which is meant. Other keys as they are.</summary>
    public FdoPublicKey As(PublicKeyType type) => type == Type || !RsaTypes.Fits(SubjectPublicKeyInfo.Span, type) ? this
        : Encoding == PublicKeyEncoding.X5Chain ? FromChain(Chain, type) : FromSubjectPublicKeyInfo(SubjectPublicKeyInfo, Encoding, type);

    /// <summary>Makes sure that it can be used.</summary>
    internal void Import(string field)
    {
        if (IsElliptic)
            Verifier(field);
        else
            RsaVerifier(field);
    }

    /// <summary>Imported once and kept. Throws <see cref="FdoException"/> 101 for keys that are on no curve.</summary>
    private ECDsa Verifier(string field)
    {
        if (_verifier is { } known)
            return known;
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
    /// <param name="rsaType">How an RSA key is used; null: RSA2048RESTR for 2048 bits, RSAPKCS for 3072.</param>
    /// <exception cref="ArgumentException">No key of a supported type.</exception>
    public static FdoPublicKey FromSubjectPublicKeyInfo(ReadOnlyMemory<byte> spki, PublicKeyEncoding encoding = PublicKeyEncoding.X509, PublicKeyType? rsaType = null)
    {
        var type = Checked(spki, rsaType, nameof(spki));
        var writer = Begin(type, encoding);
        if (encoding == PublicKeyEncoding.X509)
            writer.WriteByteString(spki.Span);
        else if (encoding == PublicKeyEncoding.CoseKey)
        {
            if (CoseKey.FromSubjectPublicKeyInfo(spki) is { } key)
                key.Write(writer);
            else
                RsaCoseKey.Write(writer, spki);
        }
        else
            throw new ArgumentException("A chain is made by FromChain.", nameof(encoding));
        writer.WriteEndArray();
        return new FdoPublicKey(type, encoding, spki, [], writer.Finish());
    }

    /// <inheritdoc cref="FromSubjectPublicKeyInfo"/>
    public static FdoPublicKey From(FdoPrivateKey key, PublicKeyEncoding encoding = PublicKeyEncoding.X509) => FromSubjectPublicKeyInfo(key.SubjectPublicKeyInfo, encoding, key.Type);

    /// <param name="chain">DER certificates, leaf first.</param>
    /// <inheritdoc cref="FromSubjectPublicKeyInfo"/>
    public static FdoPublicKey FromChain(ImmutableArray<ReadOnlyMemory<byte>> chain, PublicKeyType? rsaType = null)
    {
        if (chain.IsDefaultOrEmpty || CertificateKey.SubjectPublicKeyInfo(chain[0]) is not { } spki)
            throw new ArgumentException("The first certificate cannot be read.", nameof(chain));
        var type = Checked(spki, rsaType, nameof(chain));
        var writer = Begin(type, PublicKeyEncoding.X5Chain);
        X5Chain.Write(writer, chain);
        writer.WriteEndArray();
        return new FdoPublicKey(type, PublicKeyEncoding.X5Chain, spki, chain, writer.Finish());
    }

    private static PublicKeyType Checked(ReadOnlyMemory<byte> spki, PublicKeyType? rsaType, string parameter)
    {
        if (CoseKey.FromSubjectPublicKeyInfo(spki) is { } key)
            return TypeOf(key);
        var type = rsaType ?? (RsaTypes.Bits(spki.Span) is { } bits ? RsaTypes.Usual(bits) : 0);
        return RsaTypes.Fits(spki.Span, type) ? type : throw new ArgumentException("Neither a key on P-256 or P-384 nor RSA of 2048 or 3072 bits.", parameter);
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
                spki = RsaCoseKey.Parse(reader, body);
                break;
            default:
                throw reader.Wrong($"{field}.pkEnc", $"{encodingNumber} is no encoding of a key that is in use.");
        }
        reader.EndArray(field);
        if (type is PublicKeyType.Secp256R1 or PublicKeyType.Secp384R1
            ? CoseKey.FromSubjectPublicKeyInfo(spki) is not { } key || TypeOf(key) != type : !RsaTypes.Fits(spki.Span, type))
            throw reader.Wrong(body, $"no key of type {type}.");
        return new FdoPublicKey(type, (PublicKeyEncoding)encodingNumber, spki, chain, reader.Since(start));
    }

    /// <summary>The type of a key on P-256 or P-384, and RSA2048RESTR or RSAPKCS of an RSA key, which may mean RSAPSS as well; null for others.</summary>
    public static PublicKeyType? TypeOf(ReadOnlyMemory<byte> spki) => CoseKey.FromSubjectPublicKeyInfo(spki) is { } key ? TypeOf(key)
        : RsaTypes.Bits(spki.Span) is { } bits && RsaTypes.Fits(spki.Span, RsaTypes.Usual(bits)) ? RsaTypes.Usual(bits) : null;

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
