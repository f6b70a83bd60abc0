using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Hatchery.Cryptography;
using Hatchery.Pki;

namespace Hatchery.Est.Device;

/// <summary>Makes the device's certification requests.</summary>
internal static class DeviceRequest
{
    /// <summary>A new key of the kind that the server asks for.</summary>
    /// <returns>PKCS#8.</returns>
    /// <exception cref="EstException">The device has no such keys.</exception>
    public static SecretBytes NewKey(CsrDemands demands, EstDeviceOptions options, Chance chance)
    {
        SignatureKey? key = null;
        if (demands.Key is { } wanted && (wanted.Algorithm != Oids.EcPublicKey || wanted.Curve is not (null or Oids.P256 or Oids.P384 or Oids.P521)))
            key = options.KeyOf?.Invoke(wanted) ?? throw EstException.Malformed("csrattrs", $"the server asks for a key of the kind {wanted.Algorithm} {wanted.Curve}{wanted.Bits}, and this device makes none.");
        key ??= chance.NewSigningKey(ECCurve.CreateFromValue(demands.Key?.Curve ?? options.Curve), "EST.key");
        byte[] pkcs8 = key.ExportPkcs8();
        var secret = new SecretBytes(pkcs8);
        CryptographicOperations.ZeroMemory(pkcs8);
        return secret;
    }

    /// <param name="replaces">The certificate whose names a renewal must repeat; null: a first request.</param>
    /// <param name="binding">Null: not linked.</param>
    /// <returns>DER of the PKCS#10, and of the key's SubjectPublicKeyInfo.</returns>
    /// <exception cref="EstException">The server asks for what the device does not have.</exception>
    public static (ReadOnlyMemory<byte> Csr, ReadOnlyMemory<byte> Key) Make(SecretBytes pkcs8, CsrDemands demands, EstDeviceState state, EstDeviceOptions options, Certificate? replaces,
        string? binding, ImmutableArray<RequestAttribute> attributes, Chance chance)
    {
        try
        {
            var key = Key(pkcs8, demands);
            Pkcs10Builder draft;
            if (replaces is not null)
            {
                // Names are the old ones, whatever the server would like in first requests.
                draft = new Pkcs10Builder { Subject = replaces.Subject, Extensions = replaces.AlternativeNames.IsEmpty ? [] : [replaces.Find(Oids.SubjectAltName)!] };
                demands = demands with { Subject = default, Extensions = [.. demands.Extensions.Where(e => e.Oid != Oids.SubjectAltName)] };
            }
            else
                draft = new Pkcs10Builder { Subject = Subject(state, options), Extensions = options.Extensions };
            var request = demands.Fill(draft) with { ChallengePassword = binding, Attributes = attributes };
            return (request.Sign(key, chance, "EST.csr"), key.Public.Encoded);
        }
        catch (PkiException e)
        {
            throw EstException.Of(e);
        }
    }

    /// <summary>A Full PKI Request around a PKCS#10: signed with the channel's certificate, where there is one and no secret; else with the key that is asked for.</summary>
    /// <param name="identity">Item of the state that the channel shows; null: none.</param>
    /// <returns>DER.</returns>
    public static ReadOnlyMemory<byte> Wrap(ReadOnlyMemory<byte> csr, SecretBytes pkcs8, EstDeviceState state, string? identity, CmcIdentity cmc, Chance chance, DateTimeOffset? at, out byte[] senderNonce)
    {
        var builder = new CmcRequestBuilder { Requests = [csr], Identification = cmc.Secret is null ? null : cmc.Name, Secret = cmc.Secret };
        bool certified = cmc.Secret is null && identity is not null;
        var signer = certified ? state.Identity(identity!)!.Value : (Key: pkcs8, Chain: []);
        return builder.Sign(PrivateKeys.FromPkcs8(signer.Key.Reveal()), [.. signer.Chain.Select(c => (ReadOnlyMemory<byte>)c)], chance, at, out senderNonce);
    }

    private static SignatureKey Key(SecretBytes pkcs8, CsrDemands demands)
    {
        HashAlgorithmName? hash = (demands.Signature ?? demands.Digest) switch
        {
            Oids.EcdsaWithSha256 or Oids.Sha256 => HashAlgorithmName.SHA256,
            Oids.EcdsaWithSha384 or Oids.Sha384 => HashAlgorithmName.SHA384,
            Oids.EcdsaWithSha512 or Oids.Sha512 => HashAlgorithmName.SHA512,
            _ => null,
        };
        var key = PrivateKeys.FromPkcs8(pkcs8.Reveal());
        return hash is { } wanted && !key.Public.IsRsa ? new SignatureKey(SigningKeys.ImportPrivate(pkcs8.Reveal()), wanted) : key;
    }

    private static ReadOnlyMemory<byte> Subject(EstDeviceState state, EstDeviceOptions options)
    {
        if (!options.Subject.IsEmpty)
            return options.Subject;
        var name = new X500DistinguishedNameBuilder();
        if (state.User.Length > 0)
            name.AddCommonName(state.User);
        if (state.SerialNumber.Length > 0)
            name.Add(Oids.SerialNumber, state.SerialNumber, System.Formats.Asn1.UniversalTagNumber.PrintableString);
        return name.Build().RawData;
    }
}
