using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Hatchery;
using Hatchery.Cryptography;
using Hatchery.Fdo;

namespace Product.Tests.Cli;

/// <summary>Vouchers and keys as files.</summary>
internal sealed class Vouchers : IDisposable
{
    public string Folder { get; } = Running.NewFolder();
    public string File(string name) => Path.Combine(Folder, name);

    /// <summary>made.pem, of manufacturer.key.</summary>
    public Guid Make()
    {
        var chance = new SystemChance();
        using var manufacturer = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var device = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=SN-1", device, HashAlgorithmName.SHA256);
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddYears(10));
        var guid = Guid.NewGuid();
        var header = VoucherExtension.NewHeader(guid, RendezvousText.Parse("http://rendezvous.example:8080"), "duck", FdoPublicKey.From(manufacturer), [certificate.RawData]);
        using var secret = new SecretBytes(chance.Bytes(32, "secret"));
        var voucher = new OwnershipVoucher(header, VoucherHmac.Compute(HashType.HmacSha256, secret, header), [certificate.RawData]);
        System.IO.File.WriteAllText(File("made.pem"), VoucherFile.ToPem(voucher));
        System.IO.File.WriteAllText(File("manufacturer.key"), manufacturer.ExportPkcs8PrivateKeyPem());
        return guid;
    }

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}
