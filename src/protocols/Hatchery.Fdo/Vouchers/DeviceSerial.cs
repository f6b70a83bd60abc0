using System.Formats.Asn1;

namespace Hatchery.Fdo;

/// <summary>The serial number that a device's certificate attests: the attribute serialNumber of its subject (IEEE 802.1AR).</summary>
internal static class DeviceSerial
{
    private const string SerialNumber = "2.5.4.5";

    /// <summary>Empty if there is none.</summary>
    public static string Of(OwnershipVoucher voucher)
    {
        if (voucher.DevCertChain.IsEmpty)
            return "";
        try
        {
            var tbs = new AsnReader(voucher.DevCertChain[0], AsnEncodingRules.DER).ReadSequence().ReadSequence();
            if (tbs.PeekTag().HasSameClassAndValue(new Asn1Tag(TagClass.ContextSpecific, 0)))
                tbs.ReadEncodedValue();
            // serialNumber, signature, issuer, validity, then subject.
            for (int skip = 0; skip < 4; skip++)
                tbs.ReadEncodedValue();
            var subject = tbs.ReadSequence();
            while (subject.HasData)
            {
                var set = subject.ReadSetOf();
                while (set.HasData)
                {
                    var attribute = set.ReadSequence();
                    string type = attribute.ReadObjectIdentifier();
                    if (type == SerialNumber)
                        return attribute.ReadCharacterString((UniversalTagNumber)attribute.PeekTag().TagValue);
                    attribute.ReadEncodedValue();
                }
            }
            return "";
        }
        catch (Exception e) when (e is AsnContentException or ArgumentException or InvalidOperationException)
        {
            return "";
        }
    }
}
