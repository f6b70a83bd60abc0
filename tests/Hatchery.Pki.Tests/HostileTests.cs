using System.Collections.Immutable;
using System.Diagnostics;
using System.Security.Cryptography;
using CsCheck;
using Hatchery.Cryptography;

namespace Hatchery.Pki.Tests;

/// <summary>Any bytes: what was asked for, or a <see cref="PkiException"/>; nothing else, and soon. HATCHERY_HOSTILE=1000000 makes that many attempts at each instead of some thousands.</summary>
public sealed class HostileTests
{
    private static readonly int s_attempts = int.TryParse(Environment.GetEnvironmentVariable("HATCHERY_HOSTILE"), out int asked) ? asked : 3000;
    private static readonly Chance s_chance = new SystemChance();
    private static readonly SignatureKey s_key = SigningKeys.Generate(ECCurve.NamedCurves.nistP256);
    private static readonly DateTimeOffset s_now = new(2030, 6, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly CertificateAuthority s_ca = CertificateAuthority.CreateRoot("CN=CA", s_key, s_now.AddDays(-1), TimeSpan.FromDays(100), s_chance);
    private static readonly TrustStore s_store = new([s_ca.Certificate]);
    private static readonly SecretBytes s_kek = new(new byte[32]);

    private static readonly AgreementKey s_agreement = Agreement();
    private static readonly Pkcs10Builder s_draft = new()
    {
        Subject = DirectoryName.FromText("CN=a"),
        Extensions = [CertificateExtension.ExtendedKeyUsage(Oids.ClientAuth), CertificateExtension.SubjectAltName([GeneralName.Dns("a"), GeneralName.Ip(System.Net.IPAddress.Loopback)])],
    };

    private static ReadOnlyMemory<byte> Csr() => new Pkcs10Builder
    {
        Subject = DirectoryName.FromText("CN=device,serialNumber=1"),
        ChallengePassword = "kaXKJBwEDx4wfbx3",
        Extensions = [CertificateExtension.SubjectAltName([GeneralName.Dns("device.example"), GeneralName.Directory(DirectoryName.FromText("CN=x"))]), CertificateExtension.KeyUsage(System.Security.Cryptography.X509Certificates.X509KeyUsageFlags.DigitalSignature)],
        Attributes =
        [
            RequestAttribute.ChangeSubjectName(new(DirectoryName.FromText("CN=y"), [GeneralName.Dns("y")])), RequestAttribute.DecryptKeyId(new byte[] { 1 }), RequestAttribute.AsymmetricDecryptKeyId(new byte[] { 2 }),
            RequestAttribute.SmimeCapabilities(Oids.Aes256Cbc),
        ],
    }.Sign(s_key, s_chance);

    private static ReadOnlyMemory<byte> Leaf() => s_ca.Issue(Pkcs10.Parse(Csr()), CertificateProfile.LDevId(), s_now, TimeSpan.FromDays(10), s_chance);

    /// <summary>What each parser is given before it is spoiled, and what is done with it.</summary>
    private static readonly Dictionary<string, (Func<ReadOnlyMemory<byte>> Good, Action<ReadOnlyMemory<byte>> Try)> s_parsers = new()
    {
        ["csr"] = (Csr, b =>
        {
            var request = Pkcs10.ParseUnproven(b);
            _ = DirectoryName.ToText(request.SubjectName);
            foreach (var name in request.AlternativeNames)
                _ = name.AsText();
            s_ca.Issue(request.Key, request.SubjectName, CertificateProfile.LDevId() with { Accepts = [Oids.SubjectAltName, Oids.KeyUsage, Oids.ExtendedKeyUsage] }, request.Extensions, s_now, s_now.AddDays(1), new byte[] { 1 }, s_chance);
            Pkcs10.Parse(b);
        }
        ),
        ["certificate"] = (Leaf, b =>
        {
            var certificate = Certificate.Parse(b);
            _ = certificate.ToString();
            _ = new IssuedCertificate("a", "b", b, null, "c", s_now, s_now, null, default, null).Certificate;
            _ = HostNames.Match(certificate, "host");
            s_store.Verify([certificate], new PathOptions { At = s_now });
        }
        ),
        ["certs-only"] = (() => CertsOnly.Encode([Leaf(), s_ca.Chain[0]], [RevocationList.Make(s_ca, 1, s_now, s_now, [], s_chance)]), b =>
        {
            var certificates = Certificate.ParseAll(CertsOnly.Parse(b));
            AnchorUpdate.Learn(s_store, certificates, s_now);
            AnchorUpdate.First(certificates, AnchorUpdate.Candidate(certificates), s_now);
        }
        ),
        ["csrattrs"] = (() => CsrAttributes.Of(new CsrDemands { ChallengePassword = true, Key = new(Oids.EcPublicKey, Oids.P256), Extensions = [new(Oids.SubjectAltName, true, null), new(Oids.KeyUsage, false, new byte[] { 3, 2, 7, 128 })] }, true).Encode(), b =>
        {
            var attributes = CsrAttributes.Parse(b);
            _ = attributes.ListDemands();
            var demands = attributes.Demands();
            CsrAttributes.Of(demands, true).Encode();
            demands.Missing(Pkcs10.Parse(Csr()));
            demands.Fill(s_draft);
        }
        ),
        ["template"] = (() => Vector.Load("csrattrs.json").List("items").Single(i => i.Text("name") == "template-as-rfc9908").Hex("der_hex"), b =>
        {
            var demands = CsrAttributes.Parse(b).Demands();
            CsrAttributes.Of(demands, true).Encode();
            demands.Missing(Pkcs10.Parse(Csr()));
            demands.Fill(s_draft);
        }
        ),
        ["crl"] = (() => RevocationList.Make(s_ca, 7, s_now, s_now, [new(new byte[] { 1 }, s_now, RevocationReason.KeyCompromise)], s_chance), b => new RevocationLists([RevocationList.Parse(b)], [s_ca.Certificate]).Revoked(s_ca.Certificate)),
        ["signed"] = (() => SignedData.Sign(Oids.PkiData, new byte[] { 5, 0 }, s_key, s_ca.Chain, s_chance, s_now), b => SignedData.Parse(b).Verify(s_store, new PathOptions { At = s_now })),
        ["kek"] = (() => EnvelopedData.Encrypt(Oids.Data, "text"u8, [EnvelopeRecipient.Kek(new byte[] { 1 }, s_kek)], s_chance), b => EnvelopedData.Parse(b).Decrypt([1], s_kek).Dispose()),
        ["kek-gcm"] = (() => EnvelopedData.Encrypt(Oids.Data, "text"u8, [EnvelopeRecipient.Kek(new byte[] { 1 }, s_kek)], s_chance, Oids.Aes256Gcm), b => EnvelopedData.Parse(b).Decrypt([1], s_kek).Dispose()),
        ["agreed"] = (() => EnvelopedData.Encrypt(Oids.Data, "text"u8, [EnvelopeRecipient.Ec(new byte[] { 1 }, s_key.Public)], s_chance), b => EnvelopedData.Parse(b).Decrypt(s_agreement).Dispose()),
        ["key-package"] = (() => SignedData.Sign(Oids.KeyPackage, new byte[] { 0x30, 2, 0x30, 0 }, s_key, s_ca.Chain, s_chance, bare: true), b => KeyPackage.Open(new SecretBytes(b.Span), s_store, new PathOptions { At = s_now }).Dispose()),
        ["cmc"] = (() => new CmcRequestBuilder
        {
            Requests = [Csr()],
            CrmfRequests = [CertReqMsg.Make(1000, new Pkcs10Builder { Subject = DirectoryName.FromText("CN=a"), Extensions = [CertificateExtension.KeyUsage(System.Security.Cryptography.X509Certificates.X509KeyUsageFlags.DigitalSignature)] }, s_key, s_chance)],
            TransactionId = 1,
            Identification = "device",
            Secret = new("secret"),
            Controls = [(CmcControls.RevokeRequest, new CmcRevokeRequest(s_ca.Certificate.Subject, new byte[] { 1 }, default, s_now, new SecretBytes([1]), "c").Encode()), (CmcControls.GetCrl, new CmcGetCrl(s_ca.Certificate.Subject, s_now).Encode())],
        }.Sign(s_key, s_ca.Chain, s_chance, s_now, out _), b =>
        {
            var request = CmcRequest.Parse(b);
            request.VerifyIdentity(_ => new("secret"));
            request.Authenticate();
            foreach (var tagged in request.Data.Requests)
                CmcRequest.Prove(tagged, KeyPolicy.Default, true);
        }
        ),
        // As in "cmc", but without the signature, which spoils nothing there.
        ["pkidata"] = (() => Vector.Load("cmc-full.json").GetProperty("identity_proof_example").Hex("pkidata_hex"), b =>
        {
            var data = CmcMessage.Parse(b, isResponse: false);
            foreach (var tagged in data.Requests)
                CmcRequest.Prove(tagged, KeyPolicy.Default, true);
            data.Encode();
        }
        ),
        ["crmf"] = (() => CertReqMsg.Make(1, new Pkcs10Builder { Subject = DirectoryName.FromText("CN=a"), Extensions = [CertificateExtension.KeyUsage(System.Security.Cryptography.X509Certificates.X509KeyUsageFlags.DigitalSignature)] }, s_key, s_chance), b => CertReqMsg.Parse(b).Prove(KeyPolicy.Default)),
        ["cmc-response"] = (() => new CmcResponseBuilder { Statuses = [new(CmcStatus.Pending, [1], "t", null, (new byte[] { 1 }, s_now)), new(CmcStatus.Failed, [2], null, CmcFailInfo.BadAlg)], TrustedAnchors = CmcTrustAnchors.Of(1, [s_ca.Certificate]) }.Sign(s_key, s_ca.Chain, s_chance, s_now),
            b => CmcResponse.Parse(b).Verify(s_store, new PathOptions { At = s_now }, [], null)),
        ["ocsp-request"] = (() => new OcspRequest([OcspCertId.Of(s_ca.Certificate, new byte[] { 1 })], new byte[] { 2 }).Encode(), b => OcspRequest.Parse(b).Certificates.Count(c => c.IsOf(s_ca.Certificate))),
        ["ocsp-response"] = (() => OcspResponse.Make([new(OcspCertId.Of(s_ca.Certificate, s_ca.Certificate.SerialNumber), OcspStatus.Revoked, s_now, s_now, s_now, RevocationReason.Superseded)], s_key, s_ca.Chain, s_now, new byte[] { 1 }, s_chance),
            b => OcspResponse.Parse(b, out _)?.Verify(s_ca.Certificate, s_ca.Certificate, s_now)),
        ["names"] = (() => CertificateExtension.SubjectAltName([GeneralName.Dns("a"), GeneralName.Ip(System.Net.IPAddress.Loopback)]).Value, b => GeneralName.ParseAll(b).Select(n => n.AsText()).ToList()),
    };

    private static AgreementKey Agreement()
    {
        using var key = ECDsa.Create();
        key.ImportPkcs8PrivateKey(s_key.ExportPkcs8(), out _);
        var parameters = key.ExportParameters(true);
        return EcAgreement.FromPrivate(parameters.Curve, parameters.D);
    }

    public static TheoryData<string> Parsers() => [.. s_parsers.Keys];

    [Theory, MemberData(nameof(Parsers))]
    public void What_is_spoiled_is_refused_in_words(string parser)
    {
        var (make, attempt) = s_parsers[parser];
        byte[] good = make().ToArray();
        int refused = 0;
        // The one that was never asked for.
        Assert.Equal(parser != "cmc-response", Declared(good, attempt));
        Mutate.Bytes(good).Sample(bytes =>
        {
            if (!Declared(bytes, attempt))
                Interlocked.Increment(ref refused);
        }, iter: s_attempts);
        // Every cut, which no generator finds all of.
        for (int length = 0; length < good.Length; length++)
            Assert.False(Declared(good[..length], attempt), $"{parser} was taken at {length} of {good.Length} bytes");
        Assert.True(refused > s_attempts / 3, $"{refused} of {s_attempts} were refused");
    }

    private static bool Declared(byte[] bytes, Action<ReadOnlyMemory<byte>> attempt)
    {
        try
        {
            attempt(bytes);
            return true;
        }
        catch (PkiException)
        {
            return false;
        }
    }

    [Theory, MemberData(nameof(Parsers))]
    public void Ten_thousand_levels_are_refused_at_once(string parser)
    {
        // Indefinite lengths, and definite ones as deep as three bytes of length allow.
        byte[] indefinite = [.. Enumerable.Repeat((byte[])[0x30, 0x80], 10000).SelectMany(b => b), .. new byte[20000]];
        byte[] definite = [];
        var levels = new List<byte[]>();
        for (int length = 0; levels.Count < 3000; length += levels[^1].Length)
            levels.Add(length < 0x80 ? [0x30, (byte)length] : [0x30, 0x82, (byte)(length >> 8), (byte)length]);
        levels.Reverse();
        definite = [.. levels.SelectMany(l => l)];
        var watch = Stopwatch.StartNew();
        foreach (byte[] deep in new[] { indefinite, definite, new byte[100_000], [.. Enumerable.Repeat((byte)0x30, 60_000)] })
            Assert.False(Declared(deep, s_parsers[parser].Try));
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(10));
    }
}
