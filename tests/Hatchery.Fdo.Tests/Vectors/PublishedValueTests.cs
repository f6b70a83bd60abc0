using System.Security.Cryptography;
using System.Text.Json;

namespace Hatchery.Fdo.Tests;

public sealed class PublishedValueTests
{
    private static JsonElement Read(string file)
    {
        using var document = JsonDocument.Parse(File.ReadAllBytes(Transcript.VectorPath(file)));
        return document.RootElement.Clone();
    }

    private static byte[] Hex(JsonElement at, string name) => Convert.FromHexString(at.GetProperty(name).GetString()!);

    [Fact]
    public void Key_derivation_gives_the_published_keys_for_both_PRFs_and_all_lengths()
    {
        int checkedValues = 0, layouts = 0;
        foreach (var v in Read("kdf.json").GetProperty("vectors").EnumerateArray())
        {
            var prf = v.GetProperty("prf").GetString() == "HMAC-SHA384" ? HashAlgorithmName.SHA384 : HashAlgorithmName.SHA256;
            byte[] secret = Hex(v, "shse"), context = Hex(v, "context_rand");
            if (v.TryGetProperty("sevk", out _))
            {
                Assert.Equal(Hex(v, "sevk"), KeySchedule.Derive(prf, secret, context, v.GetProperty("L_bits").GetInt32()));
                if (CipherSuite.Find(v.GetProperty("cipher_suite").GetInt32()) is { } suite)
                    Assert.Equal(Hex(v, "sevk"), suite.Derive(secret, context).Material.Reveal().ToArray());
                checkedValues++;
            }
            else
            {
                var layout = v.GetProperty("layout_reference");
                byte[] expected = [.. Hex(layout, "sek"), .. Hex(layout, "svk")];
                Assert.Equal(expected, KeySchedule.Derive(prf, secret, context, expected.Length * 8));
                checkedValues++;
                var suite = CipherSuite.Require(v.GetProperty("cipher_suite").GetInt32());
                foreach (var (profile, name) in new[] { (EncryptThenMacProfile.Strict, "layout_reference"), (EncryptThenMacProfile.Java, "layout_reference"),
                    (EncryptThenMacProfile.GoFdo, "layout_go"), (EncryptThenMacProfile.ConformanceTool, "layout_svk_first") })
                {
                    byte[] material = [(byte)profile, .. Hex(v.GetProperty(name), "sek"), .. Hex(v.GetProperty(name), "svk")];
                    using var keys = suite.As(profile).Derive(secret, context);
                    Assert.Equal(material, keys.Material.Reveal().ToArray());
                    layouts++;
                }
            }
        }
        Assert.Equal(36, checkedValues);
        Assert.True(layouts >= 24, $"{layouts} layouts");
    }

    [Fact]
    public void Sealed_messages_are_the_published_ones()
    {
        int known = 0;
        foreach (var v in Read("cose-encryption.json").GetProperty("vectors").EnumerateArray())
        {
            var suite = CipherSuite.Require(v.GetProperty("cipher_suite").GetInt32());
            byte[] message = Hex(v, "message"), iv = Hex(v, "iv");
            bool hasMac = v.TryGetProperty("svk", out _);
            using var keys = suite.Restore(new SecretBytes(hasMac ? [(byte)EncryptThenMacProfile.Strict, .. Hex(v, "sek"), .. Hex(v, "svk")] : Hex(v, "sevk")));
            Assert.Equal(Hex(v, "plaintext"), keys.Open(message, "test"));
            // The first bit of a CCM nonce tells the sender; AES-CTR draws 12 bytes and counts in the rest.
            var drawn = suite.Name is CipherSuiteName.CoseAes128Ctr or CipherSuiteName.CoseAes256Ctr ? iv.AsMemory(0, 12) : iv;
            Assert.Equal(message, keys.Seal(Hex(v, "plaintext"), fromOwner: true, new RecordedRandomness().Value("TO2.IV", drawn)).ToArray());
            using var other = CipherSuite.Require(2).Restore(new SecretBytes(new byte[24]));
            Assert.Equal("100", Assert.Throws<FdoException>(() => other.Open(message, "test")).Error);
            known++;
        }
        Assert.Equal(8, known);
    }

    [Fact]
    public void The_published_conformance_voucher_is_valid_and_belongs_to_the_published_key()
    {
        var v = Read("voucher-fido-conformance-example.json");
        var raw = Hex(v, "voucher");
        var voucher = OwnershipVoucher.Parse(raw);
        using var owner = FdoPrivateKey.Import(Hex(v, "owner_key_pkcs8"));
        var diagnosis = VoucherVerifier.Verify(voucher, new VoucherPolicy { Owner = FdoPublicKey.From(owner) });
        Assert.Null(diagnosis.FirstFailure);
        Assert.Equal(3, voucher.Entries.Length);
        Assert.Equal(v.GetProperty("decoded").GetProperty("device_info").GetString(), voucher.Header.DeviceInfo);
        Assert.Equal(v.GetProperty("decoded").GetProperty("guid").GetString(), voucher.Guid.ToString("N"));
        Assert.Equal(3 * 4, diagnosis.Findings.Count(f => f.Entry is not null));
        var read = VoucherFile.Read(System.Text.Encoding.ASCII.GetBytes(VoucherFile.ToPem(voucher) + PemEncoding.WriteString("PRIVATE KEY", owner.ExportPkcs8())), out var key);
        Assert.Equal(raw, read.Raw.ToArray());
        Assert.Equal(owner.ExportPkcs8(), key!.Reveal().ToArray());
    }
}
