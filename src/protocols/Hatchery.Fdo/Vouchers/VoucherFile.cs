using System.Collections.Immutable;
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

    /// <summary>A file of many vouchers: PEM blocks one behind the other, or CBOR items one behind the other; what a seller sends with a pallet of devices.</summary>
    /// <param name="max">More are refused.</param>
    /// <exception cref="FdoException">2, naming the first voucher that cannot be read.</exception>
    public static ImmutableArray<OwnershipVoucher> ReadAll(ReadOnlyMemory<byte> file, int max = 10_000)
    {
        var vouchers = ImmutableArray.CreateBuilder<OwnershipVoucher>();
        void Add(ReadOnlyMemory<byte> raw)
        {
            if (vouchers.Count == max)
                throw Refuse($"more than {max} vouchers in one file.");
            try
            {
                vouchers.Add(OwnershipVoucher.Parse(raw));
            }
            catch (FdoException e)
            {
                throw new FdoException(FdoErrorCode.InvalidOwnershipVoucher, e.FieldName, $"voucher {vouchers.Count}: {e.Message}", e);
            }
        }
        if (file.Length > 0 && file.Span[0] is 0x85 or 0x9F)
            while (!file.IsEmpty)
            {
                int length = Hatchery.Cryptography.Cose.CborScan.Measure(file.Span, 16, out _);
                if (length == 0)
                    throw Refuse($"voucher {vouchers.Count}: not CBOR, or cut off.");
                Add(file[..length]);
                file = file[length..];
            }
        else
        {
            string text = Encoding.ASCII.GetString(file.Span);
            for (var rest = text.AsSpan(); PemEncoding.TryFind(rest, out var block); rest = rest[block.Location.End..])
                if (rest[block.Label].SequenceEqual(Label))
                    Add(Convert.FromBase64String(rest[block.Base64Data].ToString()));
        }
        return vouchers.Count > 0 ? vouchers.ToImmutable() : throw Refuse($"neither CBOR nor PEM with the label {Label}.");
    }

    /// <summary>PEM blocks one behind the other.</summary>
    public static string ToPem(IEnumerable<OwnershipVoucher> vouchers) => string.Concat(vouchers.Select(ToPem));

    public static string ToPem(OwnershipVoucher voucher) => PemEncoding.WriteString(Label, voucher.Raw.Span) + "\n";

    private static FdoException Refuse(string sentence) => new(FdoErrorCode.InvalidOwnershipVoucher, "OwnershipVoucher", sentence);
}
