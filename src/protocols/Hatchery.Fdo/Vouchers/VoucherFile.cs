using System.Security.Cryptography;
using System.Text;

namespace Hatchery.Fdo;

/// <summary>Vouchers as files: PEM with the label OWNERSHIP VOUCHER, or bare CBOR.</summary>
public static class VoucherFile
{
    private const string Label = "OWNERSHIP VOUCHER";
    private const int MaxSize = 1 << 20;

    /// <summary>Reads either form.</summary>
    /// <param name="ownerKey">PKCS#8 of a PRIVATE KEY block in the same PEM file; null if there is none.</param>
    /// <exception cref="FdoException">2.</exception>
    public static OwnershipVoucher Read(ReadOnlyMemory<byte> file, out SecretBytes? ownerKey)
    {
        ownerKey = null;
        if (file.Length > MaxSize)
            throw Refuse($"a voucher has at most {MaxSize} bytes.");
        if (file.Length > 0 && file.Span[0] is 0x85 or 0x9F)
            return OwnershipVoucher.Parse(file);
        string text = Encoding.ASCII.GetString(file.Span);
        OwnershipVoucher? voucher = null;
        var rest = text.AsSpan();
        while (PemEncoding.TryFind(rest, out var block))
        {
            var bytes = Convert.FromBase64String(rest[block.Base64Data].ToString());
            var label = rest[block.Label];
            if (label.SequenceEqual(Label))
                voucher = voucher is null ? OwnershipVoucher.Parse(bytes) : throw Refuse("the file has more than one voucher.");
            else if (label.SequenceEqual("PRIVATE KEY"))
            {
                ownerKey = new SecretBytes(bytes);
                CryptographicOperations.ZeroMemory(bytes);
            }
            rest = rest[block.Location.End..];
        }
        return voucher ?? throw Refuse($"neither CBOR nor PEM with the label {Label}.");
    }

    public static string ToPem(OwnershipVoucher voucher) => PemEncoding.WriteString(Label, voucher.Raw.Span) + "\n";

    private static FdoException Refuse(string sentence) => new(FdoErrorCode.InvalidOwnershipVoucher, "OwnershipVoucher", sentence);
}
