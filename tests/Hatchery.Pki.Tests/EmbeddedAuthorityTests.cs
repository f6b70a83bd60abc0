using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Hatchery.Cryptography;

namespace Hatchery.Pki.Tests;

public sealed class EmbeddedAuthorityTests : IAsyncDisposable
{
    private static readonly DateTimeOffset s_now = new(2030, 6, 1, 12, 0, 0, TimeSpan.Zero);
    private readonly Chance _chance = new SystemChance();
    private readonly MemoryBackend _backend = new(TimeProvider.System);
    private readonly RecordStore _store;
    private readonly EmbeddedAuthority _authority;
    private readonly AuthorityKeeper _keeper;
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public EmbeddedAuthorityTests()
    {
        _store = new RecordStore(_backend, new AesGcmSealer(new byte[32], _chance));
        _authority = new EmbeddedAuthority(_store, "test", _chance, new("http://ca.example/crl", "http://ca.example/ocsp"));
        _keeper = new AuthorityKeeper(_authority);
    }

    public ValueTask DisposeAsync() => _store.DisposeAsync();

    private static Caller At(TimeSpan after = default) => Caller.Local("test", new Moment(TimeSpan.Zero, s_now + after));

    private async Task<IssuedCertificate> Issue(EmbeddedAuthority authority, SignatureKey key, string subject = "CN=device", Action<IUnitOfWork, IssuedCertificate>? then = null)
    {
        var unit = _store.Begin(At());
        var request = Pkcs10.Parse(new Pkcs10Builder { Subject = DirectoryName.FromText(subject) }.Sign(key, _chance));
        var issued = await authority.IssueAsync(unit, request.Key, request, CertificateProfile.LDevId(), "device", "serial:1", s_now, s_now.AddDays(365), Cancel);
        then?.Invoke(unit, issued);
        await unit.CommitAsync(Cancel);
        return issued;
    }

    private async Task<AuthorityState> State() => await _authority.StateAsync(_store.Begin(At()), Cancel);

    private static void Put(OpenSsl openssl, string name, params IEnumerable<Certificate> certificates) =>
        openssl.Put(name, string.Concat(certificates.Select(c => PemFile.Write("CERTIFICATE", c.Encoded.Span))));

    private static readonly string s_at = s_now.ToUnixTimeSeconds().ToString(System.Globalization.CultureInfo.InvariantCulture);

    [Fact]
    public async Task What_it_issues_is_accepted_by_openssl_and_found_again()
    {
        Assert.Null(await _keeper.CreateAsync(new AuthoritySetup(), At(), Cancel));
        Assert.Null(await _keeper.CreateAsync(new AuthoritySetup { RootSubject = "CN=another" }, At(), Cancel));
        SignatureKey key = SigningKeys.Generate(ECCurve.NamedCurves.nistP256);
        var issued = await Issue(_authority, key);
        var state = await State();
        Assert.Equal(2, state.Published.Length);
        state.Trust.Verify([issued.Certificate], new PathOptions { At = s_now, Purpose = Oids.ClientAuth, KeyUsage = X509KeyUsageFlags.DigitalSignature });

        using var openssl = new OpenSsl();
        Put(openssl, "root.pem", state.Roots);
        Put(openssl, "between.pem", state.Published.Except(state.Roots));
        Put(openssl, "leaf.pem", issued.Certificate);
        Assert.Equal((0, "leaf.pem: OK\n"), openssl.Run("verify", "-x509_strict", "-purpose", "sslclient", "-attime", s_at, "-CAfile", "root.pem", "-untrusted", "between.pem", "leaf.pem"));
        string text = openssl.Run("x509", "-in", "leaf.pem", "-noout", "-text").Output;
        Assert.Contains("URI:http://ca.example/crl", text, StringComparison.Ordinal);
        Assert.Contains("OCSP - URI:http://ca.example/ocsp", text, StringComparison.Ordinal);

        var unit = _store.Begin(At());
        Assert.Equal(issued.Encoded.ToArray(), (await _authority.FindAsync(unit, issued.Certificate, Cancel))!.Value.Encoded.ToArray());
        foreach (var (index, value) in new[]
        {
            ("subject", IssuedCertificate.SubjectIndex(DirectoryName.FromText("CN=DEVICE"))), ("serial", issued.Certificate.SerialText),
            ("key", IssuedCertificate.KeyIndex(key.Public.Encoded.Span)), ("device", "serial:1"),
        })
            Assert.Equal(issued.Certificate, Assert.Single(await unit.FindAsync(IssuedCertificate.Schema, index, value, 10, Cancel)).Value.Certificate);
    }

    [Fact]
    public async Task Keys_are_sealed_in_the_store_and_a_root_may_be_elsewhere()
    {
        var rootKey = (await _keeper.CreateAsync(new AuthoritySetup { KeepRootKey = false }, At(), Cancel))!;
        using var root = SigningKeys.ImportPrivate(rootKey.Reveal());
        var state = await State();
        Assert.Equal(root.ExportSubjectPublicKeyInfo(), state.Roots[0].Key.Encoded.ToArray());
        using var issuerKey = ECDsa.Create();
        issuerKey.ImportPkcs8PrivateKey(state.Issuer.Key.ExportPkcs8(), out _);
        byte[] scalar = issuerKey.ExportParameters(true).D!;
        foreach (var document in await _backend.ListAsync("pki.authority-key", null, 10, Cancel))
        {
            string json = System.Text.Encoding.UTF8.GetString(document.Json.Span);
            Assert.Equal(document.Key.EndsWith("issuer-1", StringComparison.Ordinal), json.Contains("sealed", StringComparison.Ordinal));
            for (int at = 0; at < 3; at++)
                Assert.DoesNotContain(Convert.ToBase64String(scalar.AsSpan(at, 24)), json, StringComparison.Ordinal);
        }
        Assert.Equal("authority", (await Assert.ThrowsAsync<PkiException>(async () => await _keeper.BeginRolloverAsync(new AuthoritySetup(), null, At(), Cancel))).FieldName);
        await _keeper.BeginRolloverAsync(new AuthoritySetup(), root, At(), Cancel);
    }

    [Fact]
    public async Task A_rollover_goes_through_its_stages_and_openssl_follows_the_links()
    {
        await _keeper.CreateAsync(new AuthoritySetup(), At(), Cancel);
        SignatureKey key = SigningKeys.Generate(ECCurve.NamedCurves.nistP256);
        var before = await Issue(_authority, key);
        var old = (await State()).Roots[0];
        await _keeper.BeginRolloverAsync(new AuthoritySetup { RootLife = TimeSpan.FromDays(9000) }, null, At(), Cancel);
        var soak = await State();
        Assert.Equal(2, soak.Roots.Length);
        // NewWithNew, NewWithOld, OldWithNew, OldWithOld, two issuers.
        Assert.Equal(6, soak.Published.Length);
        Assert.NotNull(soak.Next);
        var during = await Issue(_authority, key);
        Assert.Equal(before.Issuer, during.Issuer);
        await _keeper.CompleteRolloverAsync(At(), Cancel);
        var after = await Issue(_authority, key);
        Assert.NotEqual(before.Issuer, after.Issuer);
        var state = await State();
        var at = s_now.AddDays(2);
        using var openssl = new OpenSsl();
        string time = at.ToUnixTimeSeconds().ToString(System.Globalization.CultureInfo.InvariantCulture);
        Put(openssl, "between.pem", state.Published.Except(state.Roots));
        for (int holder = 0; holder < 2; holder++)
            for (int which = 0; which < 2; which++)
            {
                // Who holds only one root accepts what is issued under either, over the link.
                var leaf = (which == 0 ? before : after).Certificate;
                new TrustStore([state.Roots[holder]], state.Published.Except(state.Roots)).Verify([leaf], new PathOptions { At = at });
                Put(openssl, "root.pem", state.Roots[holder]);
                Put(openssl, "leaf.pem", leaf);
                Assert.Equal((0, "leaf.pem: OK\n"), openssl.Run("verify", "-x509_strict", "-attime", time, "-CAfile", "root.pem", "-untrusted", "between.pem", "leaf.pem"));
            }

        // A device that holds the old root learns the new one, and not without the link.
        var learned = AnchorUpdate.Learn(new TrustStore([old]), state.Published, at);
        Assert.Equal([state.Roots[1]], learned.Added);
        Assert.Equal(2, learned.Store.Anchors.Length);
        Assert.Empty(learned.Dropped);
        Assert.Empty(AnchorUpdate.Learn(new TrustStore([old]), [.. state.Published.Where(p => !(p.Key.Encoded.Span.SequenceEqual(state.Roots[1].Key.Encoded.Span) && p.IsSignedBy(old.Key)))], at).Added);
        Assert.Equal(state.Roots[1], AnchorUpdate.Candidate(state.Published));

        await _keeper.RetireOldRootsAsync(At(), Cancel);
        state = await State();
        Assert.Equal(2, state.Published.Length);
        Assert.Throws<PkiException>(() => state.Trust.Verify([before.Certificate], new PathOptions { At = at }));
        state.Trust.Verify([after.Certificate], new PathOptions { At = at });
        await _keeper.RenewIssuerAsync(new AuthoritySetup(), null, At(), Cancel);
        var renewed = await Issue(_authority, key);
        Assert.NotEqual(after.Issuer, renewed.Issuer);
        (await State()).Trust.Verify([renewed.Certificate], new PathOptions { At = at });
        await Assert.ThrowsAsync<PkiException>(async () => await _keeper.CompleteRolloverAsync(At(), Cancel));
    }

    [Fact]
    public async Task An_authority_of_openssl_is_imported_from_PEM_and_PKCS12()
    {
        using var openssl = new OpenSsl();
        Assert.Equal(0, openssl.Run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "root.key", "-out", "root.pem", "-subj", "/CN=Their root", "-days", "3650").Code);
        openssl.Put("ca.ext", "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n");
        Assert.Equal(0, openssl.Run("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384", "-nodes", "-keyout", "ca.key", "-out", "ca.csr", "-subj", "/CN=Their issuer").Code);
        Assert.Equal(0, openssl.Run("x509", "-req", "-in", "ca.csr", "-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial", "-extfile", "ca.ext", "-days", "3000", "-out", "ca.pem").Code);
        Assert.Equal(0, openssl.Run("pkcs12", "-export", "-in", "ca.pem", "-inkey", "ca.key", "-certfile", "root.pem", "-passout", "pass:secret", "-out", "ca.p12").Code);
        var (key, chain) = PrivateKeys.FromPkcs12(openssl.GetBytes("ca.p12"), new("secret"));
        Assert.Equal(2, chain.Length);
        Assert.Equal("PKCS#12", Assert.Throws<PkiException>(() => PrivateKeys.FromPkcs12(openssl.GetBytes("ca.p12"), new("wrong"))).FieldName);
        var (fromPem, chainOfPem) = PrivateKeys.FromPem(openssl.Get("root.pem") + openssl.Get("ca.pem") + openssl.Get("ca.key"));
        Assert.Equal(key.Public.Encoded.ToArray(), fromPem.Public.Encoded.ToArray());
        Assert.Equal(chain.Select(c => Convert.ToHexString(c.Span)), chainOfPem.Select(c => Convert.ToHexString(c.Span)));
        Assert.Equal(0, openssl.Run("pkcs8", "-topk8", "-in", "root.key", "-passout", "pass:secret", "-out", "enc.key").Code);
        Assert.Equal(2048, PrivateKeys.FromPem(openssl.Get("root.pem") + openssl.Get("enc.key"), new("secret")).Key.Public.Bits);
        Assert.Throws<PkiException>(() => PrivateKeys.FromPem(openssl.Get("root.pem") + openssl.Get("enc.key"), new("wrong")));

        var today = Caller.Local("test", new Moment(TimeSpan.Zero, DateTimeOffset.UtcNow.AddMinutes(1)));
        await _keeper.ImportAsync(key, chain, today, Cancel);
        await Assert.ThrowsAsync<PkiException>(async () => await _keeper.ImportAsync(key, chain, today, Cancel));
        var unit = _store.Begin(today);
        SignatureKey device = SigningKeys.Generate(ECCurve.NamedCurves.nistP256);
        var request = Pkcs10.Parse(new Pkcs10Builder { Subject = DirectoryName.FromText("CN=device") }.Sign(device, _chance));
        var issued = await _authority.IssueAsync(unit, request.Key, request, CertificateProfile.LDevId(), "device", null, today.Wall, today.Wall.AddDays(30), Cancel);
        Put(openssl, "leaf.pem", issued.Certificate);
        Assert.Equal((0, "leaf.pem: OK\n"), openssl.Run("verify", "-CAfile", "root.pem", "-untrusted", "ca.pem", "leaf.pem"));
    }

    [Fact]
    public async Task An_issuer_is_certified_by_a_root_that_is_elsewhere()
    {
        var root = CertificateAuthority.CreateRoot("CN=Elsewhere", SigningKeys.Generate(ECCurve.NamedCurves.nistP384), s_now.AddDays(-1), TimeSpan.FromDays(4000), _chance, pathLength: 1);
        await Assert.ThrowsAsync<PkiException>(async () => await _keeper.InstallIssuerAsync(root.Chain, At(), Cancel));
        var request = Pkcs10.Parse(await _keeper.RequestIssuerAsync(new AuthoritySetup(), At(), Cancel));
        var certificate = root.Issue(request, CertificateProfile.Subordinate("CN=Ours"), s_now, TimeSpan.FromDays(1000), _chance);
        await _keeper.InstallIssuerAsync([certificate, root.Chain[0]], At(), Cancel);
        var issued = await Issue(_authority, SigningKeys.Generate(ECCurve.NamedCurves.nistP256));
        Assert.Equal("CN=Elsewhere", (await State()).Trust.Verify([issued.Certificate], new PathOptions { At = s_now }).Anchor.SubjectText);
    }

    /// <summary>Draws the same serial number again and again, as no generator would.</summary>
    private sealed class Stuck(Chance real) : Chance
    {
        public override void Fill(Span<byte> destination, string use)
        {
            if (use == "CA.serialNumber")
                destination.Fill(7);
            else
                real.Fill(destination, use);
        }
        public override AgreementKey NewAgreementKey(ECCurve curve, string use) => real.NewAgreementKey(curve, use);
        public override ECDsa NewSigningKey(ECCurve curve, string use) => real.NewSigningKey(curve, use);
    }

    [Fact]
    public async Task A_serial_number_is_not_issued_twice()
    {
        await _keeper.CreateAsync(new AuthoritySetup(), At(), Cancel);
        var stuck = new EmbeddedAuthority(_store, "test", new Stuck(_chance));
        SignatureKey key = SigningKeys.Generate(ECCurve.NamedCurves.nistP256);
        await Issue(stuck, key);
        Assert.Equal("pki.issued", (await Assert.ThrowsAsync<ConflictException>(() => Issue(stuck, key))).Schema);
        await Issue(_authority, key);
    }

    [Fact]
    public async Task Revoked_certificates_are_on_the_list_and_openssl_refuses_them()
    {
        await _keeper.CreateAsync(new AuthoritySetup(), At(), Cancel);
        SignatureKey key = SigningKeys.Generate(ECCurve.NamedCurves.nistP256);
        var good = await Issue(_authority, key, "CN=good");
        var bad = await Issue(_authority, key, "CN=bad");
        var empty = RevocationList.Parse((await _authority.RevocationListAsync(At(), null, TimeSpan.FromMinutes(1), TimeSpan.FromDays(7), Cancel))!.Value);
        Assert.Empty(empty.Entries);
        Assert.Equal(1, empty.Number);
        var unit = _store.Begin(At());
        Assert.True(EmbeddedAuthority.Revoke(unit, (await _authority.FindAsync(unit, bad.Certificate, Cancel))!, RevocationReason.KeyCompromise, s_now));
        await unit.CommitAsync(Cancel);
        unit = _store.Begin(At());
        Assert.False(EmbeddedAuthority.Revoke(unit, (await _authority.FindAsync(unit, bad.Certificate, Cancel))!, RevocationReason.Superseded, s_now));

        var same = RevocationList.Parse((await _authority.RevocationListAsync(At(), null, TimeSpan.FromMinutes(1), TimeSpan.FromDays(7), Cancel))!.Value);
        Assert.Equal(empty.Encoded.ToArray(), same.Encoded.ToArray());
        var der = (await _authority.RevocationListAsync(At(TimeSpan.FromMinutes(1)), null, TimeSpan.FromMinutes(1), TimeSpan.FromDays(7), Cancel))!.Value;
        var list = RevocationList.Parse(der);
        Assert.Equal(2, list.Number);
        Assert.Equal(RevocationReason.KeyCompromise, list.Find(bad.Certificate)!.Value.Reason);
        Assert.Null(list.Find(good.Certificate));
        var state = await State();
        Assert.True(list.IsSignedBy(state.Issuer.Key.Public));
        var lists = new RevocationLists([list], state.Published);
        var options = new PathOptions { At = s_now.AddMinutes(2), Revoked = lists.Revoked };
        state.Trust.Verify([good.Certificate], options);
        Assert.Equal("revocation", Assert.Throws<PkiException>(() => state.Trust.Verify([bad.Certificate], options)).FieldName);

        using var openssl = new OpenSsl();
        Put(openssl, "ca.pem", state.Published);
        openssl.Put("crl.pem", PemFile.Write("X509 CRL", der.Span));
        Put(openssl, "good.pem", good.Certificate);
        Put(openssl, "bad.pem", bad.Certificate);
        string time = s_now.AddMinutes(2).ToUnixTimeSeconds().ToString(System.Globalization.CultureInfo.InvariantCulture);
        string[] verify = ["verify", "-x509_strict", "-crl_check", "-attime", time, "-CAfile", "ca.pem", "-CRLfile", "crl.pem"];
        Assert.Equal((0, "good.pem: OK\n"), openssl.Run([.. verify, "good.pem"]));
        var (code, output) = openssl.Run([.. verify, "bad.pem"]);
        Assert.True(code != 0 && output.Contains("certificate revoked", StringComparison.Ordinal), output);
        Assert.Contains("Key Compromise", openssl.Run("crl", "-in", "crl.pem", "-noout", "-text").Output, StringComparison.Ordinal);
        Assert.Null(await _authority.RevocationListAsync(At(), "ff", TimeSpan.Zero, TimeSpan.FromDays(1), Cancel));
    }
}
