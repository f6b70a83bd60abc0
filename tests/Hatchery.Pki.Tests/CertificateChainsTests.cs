using System.Collections.Immutable;
using System.Security.Cryptography;
using Hatchery.Cryptography;
using System.Security.Cryptography.X509Certificates;
using CsCheck;

namespace Hatchery.Pki.Tests;

public sealed class CertificateChainsTests
{
    private static readonly DateTimeOffset s_now = CertificateAuthorityTests.Now;

    private sealed record Family(ReadOnlyMemory<byte> Root, ReadOnlyMemory<byte> Middle, ReadOnlyMemory<byte> Leaf);

    /// <summary>Root, intermediate and leaf, made by the base library.</summary>
    private static Family Made(string rootName = "root", bool middleIsCa = true)
    {
        using ECDsa rootKey = ECDsa.Create(ECCurve.NamedCurves.nistP256), middleKey = ECDsa.Create(ECCurve.NamedCurves.nistP256), leafKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var rootRequest = Request(rootName, rootKey, true);
        using var root = rootRequest.CreateSelfSigned(s_now.AddYears(-1), s_now.AddYears(5));
        var middleRequest = Request("middle", middleKey, middleIsCa);
        using var middle = middleRequest.Create(root.SubjectName, X509SignatureGenerator.CreateForECDsa(rootKey), s_now.AddYears(-1), s_now.AddYears(4), [1]);
        using var leaf = Request("leaf", leafKey, false).Create(middle.SubjectName, X509SignatureGenerator.CreateForECDsa(middleKey), s_now.AddDays(-1), s_now.AddYears(1), [2]);
        return new Family(root.RawData, middle.RawData, leaf.RawData);

        static CertificateRequest Request(string name, ECDsa key, bool isCa)
        {
            var request = new CertificateRequest("CN=" + name, key, HashAlgorithmName.SHA256);
            request.CertificateExtensions.Add(new X509BasicConstraintsExtension(isCa, false, 0, true));
            request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
            return request;
        }
    }

    private static string Refused(ImmutableArray<ReadOnlyMemory<byte>> chain, ImmutableArray<ReadOnlyMemory<byte>> anchors, DateTimeOffset? at) =>
        Assert.Throws<PkiException>(() => CertificateChains.Verify(chain, anchors, at)).Message;

    [Fact]
    public void A_chain_leads_to_its_anchor_with_or_without_it()
    {
        var f = Made();
        CertificateChains.Verify([f.Leaf, f.Middle], [f.Root], s_now);
        CertificateChains.Verify([f.Leaf, f.Middle, f.Root], [Made("other").Root, f.Root], s_now);
    }

    [Fact]
    public void Another_anchor_even_of_the_same_name_is_not_enough()
    {
        var f = Made();
        var impostor = Made();
        Refused([f.Leaf, f.Middle], [impostor.Root], s_now);
        Refused([f.Leaf, f.Middle, f.Root], [impostor.Root], s_now);
        Refused([f.Leaf, impostor.Middle], [f.Root], s_now);
        Refused([f.Leaf, impostor.Middle, impostor.Root], [f.Root], s_now);
    }

    [Fact]
    public void A_missing_link_and_a_link_that_is_no_CA_are_refused()
    {
        var f = Made();
        Refused([f.Leaf], [f.Root], s_now);
        var bad = Made(middleIsCa: false);
        Refused([bad.Leaf, bad.Middle], [bad.Root], s_now);
        Refused([bad.Leaf, bad.Middle], [bad.Root], null);
    }

    [Fact]
    public void Validity_is_judged_at_the_time_given_and_not_without_one()
    {
        var f = Made();
        Assert.Contains("NotTimeValid", Refused([f.Leaf, f.Middle], [f.Root], s_now.AddYears(2)), StringComparison.Ordinal);
        Assert.Contains("NotTimeValid", Refused([f.Leaf, f.Middle], [f.Root], s_now.AddDays(-2)), StringComparison.Ordinal);
        CertificateChains.Verify([f.Leaf, f.Middle], [f.Root], null);
        Refused([f.Leaf, f.Middle], [Made().Root], null);
    }

    [Fact]
    public void A_changed_signature_is_refused()
    {
        var f = Made();
        byte[] leaf = f.Leaf.ToArray();
        leaf[^1] ^= 1;
        Refused([leaf, f.Middle], [f.Root], s_now);
    }

    [Fact]
    public void Empty_long_and_unusable_chains_are_named()
    {
        var f = Made();
        Refused([], [f.Root], s_now);
        Refused([f.Leaf, f.Middle], [], s_now);
        Refused([.. Enumerable.Repeat(f.Leaf, 11)], [f.Root], s_now);
        Assert.Equal("anchor", Assert.Throws<PkiException>(() => CertificateChains.Verify([f.Leaf], [f.Middle], s_now)).FieldName);
        Refused([new byte[20000]], [f.Root], s_now);
        Refused([System.Text.Encoding.ASCII.GetBytes(PemFile.Write("CERTIFICATE", f.Leaf.Span)), f.Middle], [f.Root], s_now);
        Refused([(byte[])[.. f.Leaf.Span, 0], f.Middle], [f.Root], s_now);
    }

    [Fact]
    public void Any_bytes_give_a_verdict_or_a_PkiException()
    {
        var f = Made();
        int refused = 0;
        Mutate.Bytes(f.Leaf.ToArray()).Sample(der =>
        {
            try
            {
                CertificateChains.Verify([der, f.Middle], [f.Root], s_now);
                Assert.Equal(f.Leaf.ToArray(), der);
            }
            catch (PkiException)
            {
                refused++;
            }
        }, iter: 1000, threads: 1);
        Assert.True(refused > 900);
        using var key = SigningKeys.Generate(ECCurve.NamedCurves.nistP256);
        Mutate.Bytes(CertificateAuthorityTests.Csr(key)).Sample(der =>
        {
            try
            {
                Pkcs10.Parse(der);
            }
            catch (PkiException)
            {
                // Declared.
            }
        }, iter: 2000, threads: 1);
        Mutate.Bytes(f.Leaf.ToArray()).Sample(der =>
        {
            try
            {
                Assert.True(der.AsSpan().IndexOf(LeafKey.SubjectPublicKeyInfo(der).Span) > 0);
            }
            catch (PkiException)
            {
                // Declared.
            }
        }, iter: 5000, threads: 1);
    }

    [Fact]
    public void The_leaf_s_key_is_the_one_that_the_base_library_finds()
    {
        var f = Made();
        foreach (var der in new[] { f.Root, f.Middle, f.Leaf })
        {
            using var certificate = X509CertificateLoader.LoadCertificate(der.Span);
            Assert.Equal(certificate.PublicKey.ExportSubjectPublicKeyInfo(), LeafKey.SubjectPublicKeyInfo(der).ToArray());
        }
        Assert.Equal("Certificate", Assert.Throws<PkiException>(() => LeafKey.SubjectPublicKeyInfo(new byte[] { 1 })).FieldName);
        Assert.Equal("serialNumber", Assert.Throws<PkiException>(() => LeafKey.SubjectPublicKeyInfo(new byte[] { 0x30, 2, 0x30, 0 })).FieldName);
    }
}
