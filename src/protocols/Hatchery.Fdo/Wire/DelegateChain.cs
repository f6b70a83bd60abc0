using System.Collections.Immutable;
using System.Formats.Asn1;
using System.Security.Cryptography;
using Hatchery.Cryptography;
using Hatchery.Cryptography.Cose;

namespace Hatchery.Fdo;

/// <summary>What an owner lets a delegate do: extended key usages of its certificates.</summary>
public enum DelegatePermission { Redirect = 1, OnboardNewCredential = 2, OnboardReuseCredential = 3, OnboardFdoDisable = 4 }

/// <summary>Experimental, after drafts of FDO 2.0: certificates by which an owner's key lets another key sign to1d and ProveOVHdr. Off unless an option says
/// otherwise. The chain stands leaf first in the unprotected header 258; the last certificate is signed by the owner's key, each other one by the next, and every one has the
/// permission. Validity periods are not looked at: devices have no clock.</summary>
public static class DelegateChain
{
    /// <summary>Unprotected header label; the final 2.0 may take another, because IANA gave 258 to somebody else.</summary>
    public const int Label = 258;
    private const string Permissions = "1.3.6.1.4.1.45724.3.1.", ExtendedKeyUsage = "2.5.29.37";
    private const int MaxLength = 4;

    public static string Oid(DelegatePermission permission) => Permissions + (int)permission;

    /// <summary>The chain of a signed message; null: there is none.</summary>
    internal static FdoPublicKey? Of(CoseSign1 signed, CborFault fault)
    {
        if (!signed.Unprotected.TryGet(Label, out var value))
            return null;
        var key = FdoPublicKey.Parse(value, "delegate chain", fault);
        return key.Encoding == PublicKeyEncoding.X5Chain ? key : throw fault("delegate chain", "delegate chain: no X5CHAIN.", null);
    }

    /// <exception cref="FdoException">101, with what is wrong.</exception>
    public static void Require(FdoPublicKey chain, FdoPublicKey owner, DelegatePermission permission)
    {
        if (chain.Chain.IsEmpty || chain.Chain.Length > MaxLength)
            throw FdoException.Invalid("delegate chain", $"{chain.Chain.Length} certificates; 1 to {MaxLength} are allowed.");
        var issuer = owner.SubjectPublicKeyInfo;
        for (int i = chain.Chain.Length - 1; i >= 0; i--)
        {
            try
            {
                if (!IsSignedBy(chain.Chain[i], issuer))
                    throw FdoException.Invalid("delegate chain", $"certificate {i} is not signed by {(i == chain.Chain.Length - 1 ? "the owner" : $"the key of certificate {i + 1}")}.");
                if (!Usages(chain.Chain[i]).Contains(Oid(permission)))
                    throw FdoException.Invalid("delegate chain", $"certificate {i} does not permit {permission}.");
            }
            catch (Exception e) when (e is AsnContentException or CryptographicException)
            {
                throw FdoException.Invalid("delegate chain", $"certificate {i} cannot be read.", e);
            }
            issuer = CertificateKey.SubjectPublicKeyInfo(chain.Chain[i]) ?? throw FdoException.Invalid("delegate chain", $"certificate {i} cannot be read.");
        }
    }

    private static bool IsSignedBy(ReadOnlyMemory<byte> certificate, ReadOnlyMemory<byte> issuer)
    {
        var signed = new AsnReader(certificate, AsnEncodingRules.DER).ReadSequence();
        var content = signed.ReadEncodedValue();
        string algorithm = signed.ReadSequence().ReadObjectIdentifier();
        byte[] signature = signed.ReadBitString(out _);
        var hash = algorithm switch
        {
            "1.2.840.10045.4.3.2" or "1.2.840.113549.1.1.11" => HashAlgorithmName.SHA256,
            "1.2.840.10045.4.3.3" or "1.2.840.113549.1.1.12" => HashAlgorithmName.SHA384,
            _ => throw new CryptographicException($"The signature algorithm {algorithm} is not supported."),
        };
        bool isElliptic = algorithm.StartsWith("1.2.840.10045", StringComparison.Ordinal);
        if (isElliptic != (RsaKeys.Read(issuer.Span) is null))
            return false;
        if (isElliptic)
        {
            using var key = SigningKeys.ImportPublic(issuer.Span);
            return key.VerifyData(content.Span, signature, hash, DSASignatureFormat.Rfc3279DerSequence);
        }
        using var rsa = RsaKeys.ImportPublic(issuer.Span);
        return rsa.VerifyData(content.Span, signature, hash, RSASignaturePadding.Pkcs1);
    }

    private static ImmutableArray<string> Usages(ReadOnlyMemory<byte> certificate)
    {
        var content = new AsnReader(certificate, AsnEncodingRules.DER).ReadSequence().ReadSequence();
        var extensions = new Asn1Tag(TagClass.ContextSpecific, 3);
        while (content.HasData && !content.PeekTag().HasSameClassAndValue(extensions))
            content.ReadEncodedValue();
        if (!content.HasData)
            return [];
        for (var all = content.ReadSequence(new Asn1Tag(TagClass.ContextSpecific, 3, true)).ReadSequence(); all.HasData;)
        {
            var extension = all.ReadSequence();
            if (extension.ReadObjectIdentifier() != ExtendedKeyUsage)
                continue;
            if (extension.PeekTag() == Asn1Tag.Boolean)
                extension.ReadBoolean();
            var usages = ImmutableArray.CreateBuilder<string>();
            for (var list = new AsnReader(extension.ReadOctetString(), AsnEncodingRules.DER).ReadSequence(); list.HasData;)
                usages.Add(list.ReadObjectIdentifier());
            return usages.ToImmutable();
        }
        return [];
    }
}

/// <summary>A key that an owner gave permissions to, for its own service.</summary>
/// <param name="Chain">X5CHAIN, leaf first, issued by the owner's key.</param>
public sealed record OwnerDelegate(FdoPrivateKey Key, FdoPublicKey Chain);
