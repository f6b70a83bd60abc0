using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Hatchery.Cryptography;

namespace Hatchery.Dpp;

/// <summary>The PKCS#10 of enterprise enrollment, with the challengePassword that binds it to this exchange (DPP §6.4.5).</summary>
internal static class CsrForm
{
    private const string ChallengePassword = "1.2.840.113549.1.9.7";
    public const int MaxLength = 8 * 1024;

    /// <summary>CsrAttrs that ask for the challengePassword and nothing else, DER.</summary>
    public static readonly byte[] MinimalAttributes = Convert.FromBase64String("MAsGCSqGSIb3DQEJBw==");

    public static byte[] Make(Authenticated session, string commonName, AgreementKey key, Chance chance)
    {
        using var scalar = key.ExportScalar();
        using var signer = SigningKeys.ImportScalar(session.Curve.Curve, scalar.Reveal());
        var name = new X500DistinguishedNameBuilder();
        name.AddCommonName(commonName.Length == 0 ? "device" : commonName);
        var request = new CertificateRequest(name.Build(), chance.Signer(signer, "CSR"), session.Curve.Hash);
        byte[] cp = KeySchedule.CsrChallengePassword(session.Curve, session.Bk);
        var value = new AsnWriter(AsnEncodingRules.DER);
        value.WriteCharacterString(UniversalTagNumber.UTF8String, Convert.ToBase64String(cp));
        CryptographicOperations.ZeroMemory(cp);
        request.OtherRequestAttributes.Add(new AsnEncodedData(new Oid(ChallengePassword), value.Encode()));
        return request.CreateSigningRequest();
    }

    /// <summary>That it is signed by its own key and holds this exchange's challengePassword.</summary>
    /// <exception cref="DppException">CsrBad.</exception>
    public static void Check(Authenticated session, ReadOnlyMemory<byte> der)
    {
        if (der.Length > MaxLength)
            throw Bad("pkcs10", "is too long.");
        CertificateRequest request;
        try
        {
            request = CertificateRequest.LoadSigningRequest(der.ToArray(), session.Curve.Hash, out int read, CertificateRequestLoadOptions.Default, RSASignaturePadding.Pkcs1);
            if (read != der.Length)
                throw Bad("pkcs10", "is followed by something.");
        }
        catch (Exception e) when (e is CryptographicException or AsnContentException or ArgumentException or NotSupportedException)
        {
            throw Bad("pkcs10", "is no signing request that verifies.");
        }
        byte[] cp = KeySchedule.CsrChallengePassword(session.Curve, session.Bk);
        foreach (var attribute in request.OtherRequestAttributes)
            if (attribute.Oid?.Value == ChallengePassword && Password(attribute.RawData) is { } text && CryptographicOperations.FixedTimeEquals(text, cp))
                return;
        throw Bad("challengePassword", "is missing or not of this exchange.");
    }

    private static byte[]? Password(byte[] value)
    {
        try
        {
            var reader = new AsnReader(value, AsnEncodingRules.DER);
            var tag = (UniversalTagNumber)reader.PeekTag().TagValue;
            if (tag is not (UniversalTagNumber.UTF8String or UniversalTagNumber.PrintableString or UniversalTagNumber.IA5String))
                return null;
            string text = reader.ReadCharacterString(tag);
            byte[] bytes = new byte[text.Length];
            return Convert.TryFromBase64String(text, bytes, out int length) ? bytes[..length] : null;
        }
        catch (AsnContentException)
        {
            return null;
        }
    }

    private static DppException Bad(string field, string sentence) => new(DppStatus.CsrBad, field, $"{field}: {sentence}");
}
