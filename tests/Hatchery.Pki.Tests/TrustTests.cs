using System.Collections.Immutable;
using System.Diagnostics;
using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Hatchery.Cryptography;

namespace Hatchery.Pki.Tests;

public sealed class TrustTests
{
    private static readonly Chance s_chance = new SystemChance();
    private static readonly DateTimeOffset s_now = new(2030, 6, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly PathOptions s_options = new() { At = s_now };
    private static readonly SignatureKey s_key = SigningKeys.Generate(ECCurve.NamedCurves.nistP256);

    private static CertificateAuthority Root(string name = "CN=root", int pathLength = 5) =>
        CertificateAuthority.CreateRoot(name, SigningKeys.Generate(ECCurve.NamedCurves.nistP256), s_now.AddDays(-1), TimeSpan.FromDays(1000), s_chance, pathLength);

    private static Certificate Issue(CertificateAuthority by, CertificateProfile profile, SignatureKey? key = null, TimeSpan? life = null) =>
        Certificate.Parse(by.Issue((key ?? s_key).Public, profile.Subject?.RawData ?? DirectoryName.FromText("CN=device"), profile, [], s_now, s_now + (life ?? TimeSpan.FromDays(100)), CertificateAuthority.NewSerial(s_chance), s_chance));

    private static CertificateAuthority Below(CertificateAuthority by, string name, int pathLength = 0, params ImmutableArray<CertificateExtension> more)
    {
        SignatureKey key = SigningKeys.Generate(ECCurve.NamedCurves.nistP256);
        return new CertificateAuthority(key, [Issue(by, CertificateProfile.Subordinate(name, pathLength) with { Extensions = more }, key).Encoded, .. by.Chain]);
    }

    private static string Field(TrustStore store, PathOptions options, params ImmutableArray<Certificate> chain) => Assert.Throws<PkiException>(() => store.Verify(chain, options)).FieldName;

    /// <summary>The same question to openssl.</summary>
    private static bool OpenSslAccepts(Certificate root, IEnumerable<Certificate> between, Certificate leaf, params string[] more)
    {
        using var openssl = new OpenSsl();
        openssl.Put("root.pem", PemFile.Write("CERTIFICATE", root.Encoded.Span));
        openssl.Put("between.pem", string.Concat(between.Append(root).Select(b => PemFile.Write("CERTIFICATE", b.Encoded.Span))));
        openssl.Put("leaf.pem", PemFile.Write("CERTIFICATE", leaf.Encoded.Span));
        string at = s_now.ToUnixTimeSeconds().ToString(System.Globalization.CultureInfo.InvariantCulture);
        return openssl.Run(["verify", "-attime", at, "-CAfile", "root.pem", "-untrusted", "between.pem", .. more, "leaf.pem"]).Code == 0;
    }

    [Fact]
    public void Paths_are_found_in_any_order_and_each_rule_has_its_name()
    {
        var root = Root();
        var middle = Below(root, "CN=middle", 1);
        var issuer = Below(middle, "CN=issuer");
        var leaf = Issue(issuer, CertificateProfile.LDevId());
        var store = new TrustStore([root.Certificate]);
        var path = store.Verify([leaf, root.Certificate, middle.Certificate, issuer.Certificate], s_options);
        Assert.Equal([leaf, issuer.Certificate, middle.Certificate], path.Certificates);
        store.With([], [middle.Certificate, issuer.Certificate]).Verify([leaf], s_options);
        Assert.Equal("anchor", Field(store, s_options, leaf, issuer.Certificate));
        Assert.Equal("anchor", Field(new TrustStore([Root().Certificate]), s_options, leaf, issuer.Certificate, middle.Certificate));
        Assert.Equal("anchor", Field(TrustStore.Empty, s_options, leaf));
        ImmutableArray<Certificate> chain = [leaf, issuer.Certificate, middle.Certificate];
        Assert.Equal("extendedKeyUsage", Field(store, s_options with { Purpose = Oids.ServerAuth }, chain));
        store.Verify(chain, s_options with { Purpose = Oids.ClientAuth });
        Assert.Equal("keyUsage", Field(store, s_options with { KeyUsage = X509KeyUsageFlags.KeyEncipherment }, chain));
        Assert.Equal("validity", Field(store, s_options with { At = s_now.AddDays(101) }, chain));
        Assert.Equal("validity", Field(store, s_options with { At = s_now.AddDays(-0.5) }, chain));
        store.Verify(chain, s_options with { At = null });
        Assert.Equal("revocation", Field(store, s_options with { Revoked = c => c.Equals(middle.Certificate) ? "keyCompromise" : null }, chain));
        // Below an issuer of path length 0, which openssl refuses too.
        var deep = Below(issuer, "CN=deep");
        var low = Issue(deep, CertificateProfile.LDevId());
        Assert.Equal("basicConstraints", Field(store, s_options, low, deep.Certificate, issuer.Certificate, middle.Certificate));
        Assert.False(OpenSslAccepts(root.Certificate, [deep.Certificate, issuer.Certificate, middle.Certificate], low));
        Assert.True(OpenSslAccepts(root.Certificate, [issuer.Certificate, middle.Certificate], leaf));
        // A device's certificate makes no issuer.
        var device = Issue(root, CertificateProfile.LDevId());
        SignatureKey deviceKey = s_key;
        var forged = Certificate.Parse(new CertificateAuthority(deviceKey, [Issue(root, CertificateProfile.Subordinate("CN=device")).Encoded]).Issue(s_key.Public, DirectoryName.FromText("CN=forged"),
            CertificateProfile.LDevId(), [], s_now, s_now.AddDays(1), CertificateAuthority.NewSerial(s_chance), s_chance));
        Assert.Equal("anchor", Field(store, s_options, forged, device));
        var critical = Issue(root, CertificateProfile.LDevId() with { Extensions = [new("1.2.3.4", true, new byte[] { 5, 0 })] });
        Assert.Equal("extensions", Field(store, s_options, critical));
        Assert.False(OpenSslAccepts(root.Certificate, [], critical));
    }

    [Fact]
    public void An_IDevID_without_end_is_valid_and_one_that_expired_only_by_policy()
    {
        var root = Root();
        var idevid = Certificate.Parse(root.Issue(s_key.Public, CertificateProfile.Device("SN-1").Subject!.RawData, CertificateProfile.IDevId("SN-1", "1.3.6.1.4.1.99999.1"), [], s_now, CertificateProfile.NoEnd,
            CertificateAuthority.NewSerial(s_chance), s_chance));
        Assert.Equal(CertificateProfile.NoEnd, idevid.NotAfter);
        var store = new TrustStore([root.Certificate]);
        store.Verify([idevid], s_options);
        Assert.True(OpenSslAccepts(root.Certificate, [], idevid, "-x509_strict"));
        using var openssl = new OpenSsl();
        openssl.Put("leaf.der", idevid.Encoded.Span);
        string text = openssl.Run("x509", "-in", "leaf.der", "-inform", "DER", "-noout", "-text").Output;
        Assert.Contains("9999", text, StringComparison.Ordinal);
        Assert.Contains("othername", text, StringComparison.Ordinal);
        var shortLived = Issue(root, CertificateProfile.IDevId("SN-2"), life: TimeSpan.FromDays(1));
        var later = s_options with { At = s_now.AddDays(2) };
        Assert.Equal("validity", Field(store, later, shortLived));
        store.Verify([shortLived], later with { AllowExpired = true });
    }

    [Theory]
    [InlineData("dns:example.com", "dns:host.example.com", true)]
    [InlineData("dns:example.com", "dns:example.org", false)]
    [InlineData("dns:example.com", "dns:notexample.com", false)]
    [InlineData("!dns:example.com", "dns:host.example.com", false)]
    [InlineData("!dns:example.com", "dns:example.org", true)]
    [InlineData("ip:10.0.0.0/255.0.0.0", "ip:10.1.2.3", true)]
    [InlineData("ip:10.0.0.0/255.0.0.0", "ip:11.1.2.3", false)]
    [InlineData("dir:O=Example", "dir:O=Example,CN=device", true)]
    [InlineData("dir:O=Example", "dir:O=Another,CN=device", false)]
    [InlineData("email:example.com", "email:a@example.com", true)]
    [InlineData("email:example.com", "email:a@mail.example.com", false)]
    [InlineData("uri:.example.com", "uri:https://host.example.com/x", true)]
    [InlineData("uri:.example.com", "uri:https://example.org/x", false)]
    public void Name_constraints_hold_as_openssl_holds_them(string constraint, string name, bool holds)
    {
        bool excluded = constraint.StartsWith('!');
        var extension = new CertificateExtension(Oids.NameConstraints, true, Der.Write(w =>
        {
            using (w.PushSequence())
            using (w.PushSequence(excluded ? Der.Context1 : Der.Context0))
            using (w.PushSequence())
                w.WriteEncodedValue(Named(constraint.TrimStart('!'), true).Encoded.Span);
        }));
        var root = Root();
        var issuer = Below(root, "CN=issuer", 0, extension);
        var given = Named(name, false);
        var profile = given.Kind == GeneralNameKind.DirectoryName ? CertificateProfile.LDevId(new X500DistinguishedName(given.Contents.Span))
            : CertificateProfile.LDevId(new X500DistinguishedName(DirectoryName.Empty.Span)) with { AlternativeNames = [given] };
        var leaf = Issue(issuer, profile);
        var store = new TrustStore([root.Certificate]);
        if (holds)
            store.Verify([leaf, issuer.Certificate], s_options);
        else
            Assert.Equal("nameConstraints", Field(store, s_options, leaf, issuer.Certificate));
        Assert.Equal(holds, OpenSslAccepts(root.Certificate, [issuer.Certificate], leaf));

        static GeneralName Named(string text, bool isConstraint)
        {
            string value = text[(text.IndexOf(':') + 1)..];
            return text[..text.IndexOf(':')] switch
            {
                "dns" => GeneralName.Dns(value),
                "email" => GeneralName.Email(value),
                "uri" => GeneralName.OfUri(value),
                "dir" => GeneralName.Directory(new X500DistinguishedName(value, X500DistinguishedNameFlags.None).RawData),
                _ when isConstraint => new(GeneralNameKind.IpAddress, Der.Write(w => w.WriteOctetString([.. value.Split('/').SelectMany(a => System.Net.IPAddress.Parse(a).GetAddressBytes())], new Asn1Tag(TagClass.ContextSpecific, 7)))),
                _ => GeneralName.Ip(System.Net.IPAddress.Parse(value)),
            };
        }
    }

    /// <summary>RFC 7030, section 3.6, and lines 8 to 10 of the dossier's matrix.</summary>
    [Theory]
    [InlineData("explicit", "server", "est.example", TrustSource.Explicit)]
    [InlineData("explicit", "server", "other.example", TrustSource.None)]
    [InlineData("explicit", "ra", "other.example", TrustSource.Explicit)]
    [InlineData("implicit", "server", "est.example", TrustSource.Implicit)]
    [InlineData("implicit", "ra", "other.example", TrustSource.None)]
    [InlineData("implicit", "ra", "est.example", TrustSource.Implicit)]
    [InlineData("disabled", "server", "est.example", TrustSource.None)]
    [InlineData("none", "ra", "est.example", TrustSource.None)]
    [InlineData("explicit", "device", "est.example", TrustSource.None)]
    public void A_server_is_authorized_by_the_right_database(string database, string kind, string host, TrustSource expected)
    {
        var root = Root();
        var leaf = Issue(root, kind switch
        {
            "server" => CertificateProfile.TlsServer("est.example"),
            "ra" => CertificateProfile.CmcRa("est.example"),
            _ => CertificateProfile.LDevId() with { AlternativeNames = [GeneralName.Dns("est.example")] },
        });
        TrustStore with = new([root.Certificate]), without = new([Root("CN=other").Certificate]);
        var databases = new TrustDatabases(database == "explicit" ? with : without, database is "implicit" or "disabled" ? with : without, database != "disabled");
        var verdict = databases.AuthorizeServer([leaf], host, s_options);
        Assert.Equal(expected, verdict.Source);
        Assert.Equal(expected == TrustSource.None, verdict.Refusal is not null);
    }

    [Theory]
    [InlineData("host.example", "host.example", true)]
    [InlineData("HOST.example.", "host.example", true)]
    [InlineData("host.example", "*.example", false)]
    [InlineData("a.host.example", "*.host.example", true)]
    [InlineData("a.b.host.example", "*.host.example", false)]
    [InlineData("host.example", "h*.example", false)]
    [InlineData("127.0.0.1", "127.0.0.1", true)]
    [InlineData("127.0.0.2", "127.0.0.1", false)]
    [InlineData("::1", "::1", true)]
    public void Hosts_are_matched_by_RFC_9525(string host, string name, bool matches)
    {
        var certificate = Issue(Root(), CertificateProfile.TlsServer("x") with
        {
            AlternativeNames = [System.Net.IPAddress.TryParse(name, out var address) ? GeneralName.Ip(address) : GeneralName.Dns(name)],
        });
        Assert.Equal(matches, HostNames.Match(certificate, host));
        Assert.False(HostNames.Match(certificate, "x"));
        Assert.True(HostNames.Match(Issue(Root(), CertificateProfile.LDevId(new X500DistinguishedName("CN=host"))), "host", commonNameToo: true));
        Assert.False(HostNames.Match(Issue(Root(), CertificateProfile.LDevId(new X500DistinguishedName("CN=host"))), "host"));
    }

    [Fact]
    public void Look_alikes_cost_a_bounded_number_of_verifications()
    {
        // Twenty issuers of one name without key identifiers, each of which may have signed each.
        SignatureKey[] keys = [.. Enumerable.Range(0, 19).Select(_ => (SignatureKey)SigningKeys.Generate(ECCurve.NamedCurves.nistP256))];
        var same = keys.Select(k => CertificateAuthority.CreateRoot("CN=same", k, s_now.AddDays(-1), TimeSpan.FromDays(100), s_chance, 9)).ToList();
        ImmutableArray<Certificate> chain = [Issue(Root("CN=same"), CertificateProfile.LDevId()), .. same.Select(s => Strip(s.Certificate))];
        var ledger = new Dictionary<string, int>();
        var before = OperationMeter.Charge(ledger);
        Assert.Equal("anchor", Field(new TrustStore([Root().Certificate]), s_options, chain));
        OperationMeter.Charge(before);
        Assert.InRange(ledger.GetValueOrDefault("verify P-256"), 0, 40);

        // Without the identifier by which the search passes over a certificate unverified.
        static Certificate Strip(Certificate certificate)
        {
            byte[] der = certificate.Encoded.ToArray();
            int at = der.AsSpan().IndexOf((ReadOnlySpan<byte>)[0x06, 3, 0x55, 0x1D, 0x0E]);
            der[at + 4] = 0x7F;
            return Certificate.Parse(der);
        }
    }

    [Fact]
    public void Anchors_are_learned_from_the_certificates_of_RFC_7030()
    {
        var certificates = Certificate.ParseAll(CertsOnly.Parse(Vector.Load("rfc7030-appendix-a.json").GetProperty("cacerts_response").Hex("der_hex")));
        // Signed over SHA-1, which vouches for nobody today.
        Assert.Empty(AnchorUpdate.Learn(new TrustStore([certificates[0]]), certificates, new DateTimeOffset(2013, 6, 1, 0, 0, 0, TimeSpan.Zero)).Added);
        var first = AnchorUpdate.First(certificates, AnchorUpdate.Candidate(certificates), null);
        Assert.Equal([certificates[3]], first.Store.Anchors);
    }

    [Fact]
    public void An_anchor_that_expired_goes_unless_it_is_the_last()
    {
        var old = CertificateAuthority.CreateRoot("CN=old", SigningKeys.Generate(ECCurve.NamedCurves.nistP256), s_now.AddDays(-100), TimeSpan.FromDays(150), s_chance, 1);
        var root = Root("CN=new");
        var link = Certificate.Parse(old.Link(root.Certificate, CertificateAuthority.NewSerial(s_chance), s_chance));
        var learned = AnchorUpdate.Learn(new TrustStore([old.Certificate]), [root.Certificate, link, old.Certificate], s_now);
        Assert.Equal([old.Certificate, root.Certificate], learned.Store.Anchors);
        var later = AnchorUpdate.Learn(learned.Store, [root.Certificate], s_now.AddDays(60));
        Assert.Equal([old.Certificate], later.Removed);
        Assert.Equal([old.Certificate], AnchorUpdate.Learn(new TrustStore([old.Certificate]), [root.Certificate, link], s_now.AddDays(60)).Store.Anchors);
    }

    [Fact]
    public void Names_are_compared_as_RFC_5280_says()
    {
        Assert.True(DirectoryName.AreEqual(DirectoryName.FromText("CN=My  Device,O=Ex"), DirectoryName.FromText("CN=my device,O=EX")));
        Assert.False(DirectoryName.AreEqual(DirectoryName.FromText("CN=a,O=b"), DirectoryName.FromText("O=b,CN=a")));
        var utf8 = Der.Write(w => { using (w.PushSequence()) using (w.PushSetOf()) using (w.PushSequence()) { w.WriteObjectIdentifier(Oids.CommonName); w.WriteCharacterString(UniversalTagNumber.UTF8String, "device"); } });
        var printable = Der.Write(w => { using (w.PushSequence()) using (w.PushSetOf()) using (w.PushSequence()) { w.WriteObjectIdentifier(Oids.CommonName); w.WriteCharacterString(UniversalTagNumber.PrintableString, "Device"); } });
        Assert.True(DirectoryName.AreEqual(utf8, printable));
        Assert.Equal("CN=a\\,b", DirectoryName.ToText(new X500DistinguishedName("CN=\"a,b\"").RawData));
        Assert.Throws<PkiException>(() => DirectoryName.FromText("no name"));
    }
}
