using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Hatchery.Cryptography;
using Hatchery.Fdo;
using Hatchery.Fdo.Device;
using Hatchery.Pki;

namespace Hatchery.Bench.Fdo;

/// <summary>Devices made in bulk, and the vouchers that name one owner: what a factory and a sale leave, without running DI.</summary>
internal static class To2Fleet
{
    public static ECCurve Curve(string name) => name == "p384" ? ECCurve.NamedCurves.nistP384 : ECCurve.NamedCurves.nistP256;

    /// <summary>Writes owner.key, vouchers.bin and devices.bin into the folder.</summary>
    public static void Make(string folder, string curve, int count, int port)
    {
        var chance = new SystemChance();
        using var manufacturer = ECDsa.Create(Curve(curve));
        using var owner = ECDsa.Create(Curve(curve));
        using var ca = ECDsa.Create(Curve(curve));
        var authority = CertificateAuthority.CreateRoot("CN=Device CA", ca, DateTimeOffset.UtcNow.AddDays(-1), TimeSpan.FromDays(3650), chance);
        var rendezvous = RendezvousText.Parse($"http://127.0.0.1:{port};bypass");
        var manufacturerKey = FdoPublicKey.From(manufacturer);
        var ownerKey = FdoPublicKey.From(owner);
        File.WriteAllText(Path.Combine(folder, "owner.key"), owner.ExportPkcs8PrivateKeyPem());
        using var vouchers = new BinaryWriter(File.Create(Path.Combine(folder, "vouchers.bin")));
        using var devices = new BinaryWriter(File.Create(Path.Combine(folder, "devices.bin")));
        using var sealer = new AesGcmSealer(new byte[32], chance);
        for (int i = 0; i < count; i++)
        {
            using var attestation = ECDsa.Create(Curve(curve));
            var csr = new CertificateRequest("CN=bench", attestation, HashAlgorithmName.SHA256).CreateSigningRequest();
            ImmutableArray<ReadOnlyMemory<byte>> chain =
                [authority.Issue(Pkcs10.Parse(csr), CertificateProfile.Device($"bench-{i}"), DateTimeOffset.UtcNow, TimeSpan.FromDays(3000), chance), .. authority.Chain];
            var type = FdoPublicKey.TypeOf(attestation.ExportSubjectPublicKeyInfo())!.Value;
            var secret = new SecretBytes(chance.Bytes(32, "bench"));
            var header = VoucherExtension.NewHeader(Guid.NewGuid(), rendezvous, "bench", manufacturerKey, chain);
            var voucher = new OwnershipVoucher(header, VoucherHmac.Compute(VoucherHmac.MacFor(type, manufacturerKey.Type), secret, header), chain);
            voucher = VoucherExtension.Extend(voucher, manufacturer, ownerKey, chance);
            Write(vouchers, voucher.Raw.ToArray());
            var credential = DeviceCredential.Blank with
            {
                ProtocolVersion = FdoVersion.Protocol,
                HmacSecret = secret,
                DeviceInfo = "bench",
                Guid = header.Guid,
                RendezvousInfo = rendezvous.Raw,
                PublicKeyHash = FdoHash.Of(VoucherHmac.HashFor(type, manufacturerKey.Type), manufacturerKey.Raw.Span).Raw,
                AttestationKey = new SecretBytes(attestation.ExportPkcs8PrivateKey()),
                SerialNumber = $"bench-{i}",
                OwnerKeyType = (int)manufacturerKey.Type,
            };
            Write(devices, DeviceCredential.Schema.Write(credential, sealer, new("device")));
        }
    }

    public static List<byte[]> Read(string file)
    {
        var all = new List<byte[]>();
        using var reader = new BinaryReader(File.OpenRead(file));
        while (reader.BaseStream.Position < reader.BaseStream.Length)
            all.Add(reader.ReadBytes(reader.ReadInt32()));
        return all;
    }

    private static void Write(BinaryWriter writer, byte[] bytes)
    {
        writer.Write(bytes.Length);
        writer.Write(bytes);
    }
}
