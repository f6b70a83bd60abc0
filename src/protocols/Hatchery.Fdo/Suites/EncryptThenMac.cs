using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Formats.Cbor;
using System.Security.Cryptography;
using Hatchery.Cryptography.Cose;

namespace Hatchery.Fdo;

/// <summary>How a COSE_Mac0 around a COSE_Encrypt0 is read. The implementations in the field differ in the layout of the keys, in where the inner
/// algorithm stands, and in what the MAC is over; each is understood only by itself.</summary>
public enum EncryptThenMacProfile
{
    /// <summary>RFC 9052 and FDO 1.1: SEK then SVK of 32 or 64 bytes, inner algorithm protected, MAC over the MAC_structure.</summary>
    Strict = 1,
    /// <summary>go-fdo: SVK of 16 or 32 bytes, inner algorithm unprotected under numbers of its own.</summary>
    GoFdo = 2,
    /// <summary>The Java reference code: MAC over the payload alone.</summary>
    Java = 3,
    /// <summary>The FIDO conformance tool: SVK then SEK, outer array untagged, the MAC_structure tagged and with the header as a map.</summary>
    ConformanceTool = 4,
}

/// <summary>AES-CTR and AES-CBC with HMAC: A128 with SHA-256, A256 with SHA-384 (FDO 1.1 §4.4).</summary>
/// <param name="profile">Null: found out from the first message that is opened.</param>
internal sealed class EncryptThenMacSuite(CipherSuiteName name, EncryptThenMacProfile? profile = EncryptThenMacProfile.Strict) : CipherSuite(name)
{
    public bool IsCtr => Name is CipherSuiteName.CoseAes128Ctr or CipherSuiteName.CoseAes256Ctr;
    public bool IsLarge => Name is CipherSuiteName.CoseAes256Cbc or CipherSuiteName.CoseAes256Ctr;
    private HashAlgorithmName Prf => IsLarge ? HashAlgorithmName.SHA384 : HashAlgorithmName.SHA256;
    private int SekSize => IsLarge ? 32 : 16;
    private int SvkSize(EncryptThenMacProfile p) => SekSize * (p == EncryptThenMacProfile.GoFdo ? 1 : 2);

    public override CipherSuite As(EncryptThenMacProfile? wanted) => wanted == profile ? this : new EncryptThenMacSuite(Name, wanted);

    public override SessionKeys Derive(ReadOnlySpan<byte> shSe, ReadOnlySpan<byte> contextRand)
    {
        var candidates = ImmutableArray.CreateBuilder<EncryptThenMacKeys>();
        foreach (var p in profile is { } only ? [only] : Enum.GetValues<EncryptThenMacProfile>())
        {
            int svk = SvkSize(p);
            var material = KeySchedule.Derive(Prf, shSe, contextRand, (SekSize + svk) * 8);
            if (p == EncryptThenMacProfile.ConformanceTool)
                material = Swap(material, svk);
            candidates.Add(new EncryptThenMacKeys(p, new SecretBytes(material), SekSize));
            CryptographicOperations.ZeroMemory(material);
        }
        return new EncryptThenMacSession(this, candidates.ToImmutable());
    }

    /// <param name="material">Profile, SEK, SVK.</param>
    public override SessionKeys Restore(SecretBytes material)
    {
        var p = material.Length > 1 ? (EncryptThenMacProfile)material.Reveal()[0] : 0;
        if (!Enum.IsDefined(p) || material.Length != 1 + SekSize + SvkSize(p))
            throw new ArgumentException("The keys have not the sizes that the suite needs.", nameof(material));
        return new EncryptThenMacSession(this, [new EncryptThenMacKeys(p, new SecretBytes(material.Reveal()[1..]), SekSize)]);
    }

    private static byte[] Swap(byte[] material, int first)
    {
        byte[] swapped = [.. material.AsSpan(first), .. material.AsSpan(0, first)];
        CryptographicOperations.ZeroMemory(material);
        return swapped;
    }
}

/// <param name="Both">SEK, then SVK.</param>
internal sealed record EncryptThenMacKeys(EncryptThenMacProfile Profile, SecretBytes Both, int SekSize)
{
    public ReadOnlySpan<byte> Sek => Both.Reveal()[..SekSize];
    public ReadOnlySpan<byte> Svk => Both.Reveal()[SekSize..];
}

internal sealed class EncryptThenMacSession(EncryptThenMacSuite suite, ImmutableArray<EncryptThenMacKeys> candidates) : SessionKeys(suite)
{
    private const int IvSize = 16, EncryptTag = 16, MacTag = 17;
    private ImmutableArray<EncryptThenMacKeys> _candidates = candidates;
    private SecretBytes? _material;

    /// <summary>Known once one message was opened, if it was to be found out.</summary>
    public EncryptThenMacProfile? Profile => _candidates.Length == 1 ? _candidates[0].Profile : null;

    public override SecretBytes Material
    {
        get
        {
            if (_material is not null)
                return _material;
            if (_candidates.Length != 1)
                throw new InvalidOperationException("The profile is not known yet.");
            byte[] bytes = [(byte)_candidates[0].Profile, .. _candidates[0].Both.Reveal()];
            _material = new SecretBytes(bytes);
            CryptographicOperations.ZeroMemory(bytes);
            return _material;
        }
    }

    /// <summary>A bare COSE_Encrypt0 is no message of this suite: whoever strips the MAC must not be believed.</summary>
    internal override byte[] Open(ReadOnlyMemory<byte> message, string name)
    {
        var reader = new BoundedCborReader(message, FdoException.Body);
        bool tagged = reader.TryTag(name, MacTag);
        reader.StartArray(name);
        var @protected = reader.Bytes($"{name}.protected");
        CoseHeaders.Parse(reader, $"{name}.unprotected");
        var payload = reader.Bytes($"{name}.payload");
        var mac = reader.Bytes($"{name}.tag");
        reader.EndArray(name);
        reader.End(name);
        foreach (var keys in _candidates)
        {
            if (tagged == (keys.Profile == EncryptThenMacProfile.ConformanceTool) || !@protected.Span.SequenceEqual(CoseAlgorithm.Protected(MacAlgorithm(keys.Profile))))
                continue;
            if (!CryptographicOperations.FixedTimeEquals(Mac(keys, payload.Span), mac.Span))
                continue;
            if (_candidates.Length > 1)
                Settle(keys);
            return Decrypt(keys, payload, name);
        }
        throw DoesNotOpen(name);
    }

    private void Settle(EncryptThenMacKeys keys)
    {
        foreach (var other in _candidates)
            if (other != keys)
                other.Both.Dispose();
        _candidates = [keys];
    }

    private byte[] Decrypt(EncryptThenMacKeys keys, ReadOnlyMemory<byte> payload, string name)
    {
        var reader = new BoundedCborReader(payload, FdoException.Body);
        reader.TryTag(name, EncryptTag);
        reader.StartArray(name);
        var @protected = reader.Bytes($"{name}.protected");
        var unprotected = CoseHeaders.Parse(reader, $"{name}.unprotected");
        var ciphertext = reader.Bytes($"{name}.ciphertext");
        reader.EndArray(name);
        reader.End(name);
        var expected = keys.Profile == EncryptThenMacProfile.GoFdo ? [] : CoseAlgorithm.Protected((int)Suite.Name);
        if (!@protected.Span.SequenceEqual(expected) || !unprotected.TryGet(CoseHeaders.Iv, out var ivValue)
            || (keys.Profile == EncryptThenMacProfile.GoFdo && !(unprotected.TryGet(CoseHeaders.Algorithm, out var number)
                && new BoundedCborReader(number, FdoException.Body).Integer($"{name}.alg") == GoAlgorithm())))
            throw DoesNotOpen(name);
        var iv = new BoundedCborReader(ivValue, FdoException.Body).Bytes($"{name}.IV", IvSize);
        using var aes = Aes.Create();
        aes.SetKey(keys.Sek);
        if (suite.IsCtr)
            return Counter(aes, iv.Span, ciphertext.Span);
        try
        {
            return aes.DecryptCbc(ciphertext.Span, iv.Span);
        }
        catch (CryptographicException)
        {
            throw DoesNotOpen(name);
        }
    }

    internal override ReadOnlyMemory<byte> Seal(ReadOnlySpan<byte> plain, bool fromOwner, Chance chance)
    {
        var keys = _candidates.Length == 1 ? _candidates[0] : throw new InvalidOperationException("The profile is not known before the owner's first message.");
        var iv = new byte[IvSize];
        // CTR: 12 random bytes and a counter of blocks that begins at 0, so that two messages never share a block; go-fdo draws all 16.
        chance.Fill(suite.IsCtr && keys.Profile != EncryptThenMacProfile.GoFdo ? iv.AsSpan(0, 12) : iv, "TO2.IV");
        using var aes = Aes.Create();
        aes.SetKey(keys.Sek);
        var payload = Inner(keys.Profile, iv, suite.IsCtr ? Counter(aes, iv, plain) : aes.EncryptCbc(plain, iv));
        var writer = WireReading.Writer(payload.Length + 96);
        if (keys.Profile != EncryptThenMacProfile.ConformanceTool)
            writer.WriteTag((CborTag)MacTag);
        writer.WriteStartArray(4);
        writer.WriteByteString(CoseAlgorithm.Protected(MacAlgorithm(keys.Profile)));
        writer.WriteStartMap(0);
        writer.WriteEndMap();
        writer.WriteByteString(payload);
        writer.WriteByteString(Mac(keys, payload));
        writer.WriteEndArray();
        return writer.Finish();
    }

    private byte[] Inner(EncryptThenMacProfile profile, byte[] iv, byte[] ciphertext)
    {
        bool isGo = profile == EncryptThenMacProfile.GoFdo;
        var writer = WireReading.Writer(ciphertext.Length + 48);
        if (profile is EncryptThenMacProfile.Java or EncryptThenMacProfile.ConformanceTool)
            writer.WriteTag((CborTag)EncryptTag);
        writer.WriteStartArray(3);
        writer.WriteByteString(isGo ? [] : CoseAlgorithm.Protected((int)Suite.Name));
        writer.WriteStartMap(isGo ? 2 : 1);
        if (isGo)
        {
            writer.WriteInt32(CoseHeaders.Algorithm);
            writer.WriteInt32(GoAlgorithm());
        }
        writer.WriteInt32(CoseHeaders.Iv);
        writer.WriteByteString(iv);
        writer.WriteEndMap();
        writer.WriteByteString(ciphertext);
        writer.WriteEndArray();
        return writer.Finish();
    }

    private byte[] Mac(EncryptThenMacKeys keys, ReadOnlySpan<byte> payload)
    {
        var input = keys.Profile == EncryptThenMacProfile.Java ? payload : MacStructure(keys.Profile, payload);
        return suite.IsLarge ? HMACSHA384.HashData(keys.Svk, input) : HMACSHA256.HashData(keys.Svk, input);
    }

    /// <summary>["MAC0", protected, h'', payload] (RFC 9052 section 6.3).</summary>
    private byte[] MacStructure(EncryptThenMacProfile profile, ReadOnlySpan<byte> payload)
    {
        var header = CoseAlgorithm.Protected(MacAlgorithm(profile));
        var writer = WireReading.Writer(payload.Length + 24);
        if (profile == EncryptThenMacProfile.ConformanceTool)
            writer.WriteTag((CborTag)MacTag);
        writer.WriteStartArray(4);
        writer.WriteTextString("MAC0");
        if (profile == EncryptThenMacProfile.ConformanceTool)
            writer.WriteEncodedValue(header);
        else
            writer.WriteByteString(header);
        writer.WriteByteString([]);
        writer.WriteByteString(payload);
        writer.WriteEndArray();
        return writer.Finish();
    }

    /// <summary>HMAC 256/256 or HMAC 384/384; the Java code names SHA-384 instead of the latter.</summary>
    private int MacAlgorithm(EncryptThenMacProfile profile) =>
        !suite.IsLarge ? (int)HashType.HmacSha256 : profile == EncryptThenMacProfile.Java ? (int)HashType.Sha384 : (int)HashType.HmacSha384;

    private int GoAlgorithm() => Suite.Name switch
    {
        CipherSuiteName.CoseAes128Ctr => -65534,
        CipherSuiteName.CoseAes256Ctr => -65532,
        CipherSuiteName.CoseAes128Cbc => -65531,
        _ => -65529,
    };

    /// <summary>AES in counter mode (SP 800-38A section 6.5): the IV is the first counter block, counted up over all 128 bits.</summary>
    private static byte[] Counter(Aes aes, ReadOnlySpan<byte> iv, ReadOnlySpan<byte> input)
    {
        var output = new byte[input.Length];
        int blocks = (input.Length + IvSize - 1) / IvSize;
        var counters = new byte[blocks * IvSize];
        ulong high = BinaryPrimitives.ReadUInt64BigEndian(iv), low = BinaryPrimitives.ReadUInt64BigEndian(iv[8..]);
        for (int i = 0; i < blocks; i++)
        {
            BinaryPrimitives.WriteUInt64BigEndian(counters.AsSpan(i * IvSize), high);
            BinaryPrimitives.WriteUInt64BigEndian(counters.AsSpan(i * IvSize + 8), low);
            if (unchecked(++low) == 0)
                high++;
        }
        aes.EncryptEcb(counters, counters, PaddingMode.None);
        for (int i = 0; i < output.Length; i++)
            output[i] = (byte)(input[i] ^ counters[i]);
        CryptographicOperations.ZeroMemory(counters);
        return output;
    }

    protected override void Dispose(bool disposing)
    {
        foreach (var keys in _candidates)
            keys.Both.Dispose();
        _material?.Dispose();
    }
}
