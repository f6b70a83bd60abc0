using System.Collections.Immutable;

namespace Hatchery.Fdo;

/// <summary>Which hash and MAC go with which keys, and the MAC over the header that only the device can make.</summary>
public static class VoucherHmac
{
    /// <summary>OVHeaderHMac and ReplacementHMac: over the header's encoding, without the byte string around it.</summary>
    public static FdoHash Compute(HashType type, SecretBytes hmacSecret, OwnershipVoucherHeader header) => FdoHash.Mac(type, hmacSecret.Reveal(), header.Raw.Span);

    /// <summary>In constant time.</summary>
    public static bool Verify(FdoHash hmac, SecretBytes hmacSecret, OwnershipVoucherHeader header) => hmac.Matches(hmacSecret, header.Raw.Span);

    /// <summary>The size follows the weaker of device and owner key.</summary>
    public static HashType MacFor(PublicKeyType device, PublicKeyType owner) => IsLarge(device) && IsLarge(owner) ? HashType.HmacSha384 : HashType.HmacSha256;

    /// <inheritdoc cref="MacFor"/>
    public static HashType HashFor(PublicKeyType device, PublicKeyType owner) => IsLarge(device) && IsLarge(owner) ? HashType.Sha384 : HashType.Sha256;

    /// <summary>OVDevCertChainHash: over the DER bytes one behind the other.</summary>
    public static FdoHash DevCertChainHash(HashType type, ImmutableArray<ReadOnlyMemory<byte>> chain) => X5Chain.Hash(type, chain);

    private static bool IsLarge(PublicKeyType type) => type is PublicKeyType.Secp384R1 or PublicKeyType.RsaPkcs or PublicKeyType.RsaPss;
}
