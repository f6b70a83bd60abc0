using System.Security.Cryptography;
using Hatchery.Est.Device;
using Hatchery.Est.Server;
using Hatchery.Pki;

namespace Hatchery.Est.Tests.Loopback;

/// <summary>Generated keys that travel encrypted, opened by us and by openssl.</summary>
public sealed class KeyGenerationTests
{
    private static readonly byte[] s_identifier = "kek-01"u8.ToArray();
    private static readonly byte[] s_kek = [.. Enumerable.Range(0, 32).Select(i => (byte)i)];

    private static Task<EstHost> StartAsync(Certificate? known = null) => EstHost.StartAsync(prepare: async (host, label) =>
    {
        // Signed by a certificate of the EST CA, which the client's anchors validate.
        var (key, chain) = await host.IssueAsync(new CertificateProfile(null, System.Security.Cryptography.X509Certificates.X509KeyUsageFlags.DigitalSignature));
        return label with
        {
            KeyGeneration = new KeyGenerationOptions
            {
                Clear = false,
                SymmetricKeyOf = id => id.Span.SequenceEqual(s_identifier) ? new SecretBytes(s_kek) : null,
                CertificateOf = id => known is not null && id.Span.SequenceEqual(known.SubjectKeyIdentifier!.Value.Span) ? known : null,
                Signer = key,
                SignerChain = chain,
            },
        };
    });

    [Fact]
    public async Task To_a_symmetric_key_that_both_know()
    {
        await using var host = await StartAsync();
        var device = new DeviceRun(host).With(host.MakeIdentity("A-1"), "A-1").Anchored(host.Root.Encoded);
        device.Options = EncryptedKey.By(device.Options with { Goal = EstGoal.ServerKeyGen }, s_identifier, new SecretBytes(s_kek));
        var outcome = await device.RunAsync();
        Assert.True(outcome.Succeeded, outcome.Reason + string.Join("", host.Failures));
        Assert.Equal(PrivateKeys.FromPkcs8(device.State.Key!.Reveal()).Public.Encoded.ToArray(), Certificate.Parse(device.State.Chain[0]).Key.Encoded.ToArray());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task To_a_public_key_that_the_server_knows(bool rsa)
    {
        using var ec = SigningKeysFor(out var ecCertificate);
        using var rsaKey = RSA.Create(2048);
        var known = rsa ? CertificateFor(rsaKey, System.Security.Cryptography.X509Certificates.X509KeyUsageFlags.KeyEncipherment) : ecCertificate;
        await using var host = await StartAsync(known);
        var device = new DeviceRun(host).With(host.MakeIdentity("A-1"), "A-1").Anchored(host.Root.Encoded);
        var options = device.Options with { Goal = EstGoal.ServerKeyGen };
        var identifier = known.SubjectKeyIdentifier!.Value;
        device.Options = rsa ? EncryptedKey.By(options, identifier, rsaKey) : EncryptedKey.By(options, identifier, ec);
        var outcome = await device.RunAsync();
        Assert.True(outcome.Succeeded, outcome.Reason + string.Join("", host.Failures));
        Assert.Equal(PrivateKeys.FromPkcs8(device.State.Key!.Reveal()).Public.Encoded.ToArray(), Certificate.Parse(device.State.Chain[0]).Key.Encoded.ToArray());
    }

    [Fact]
    public async Task A_key_that_cannot_be_encrypted_is_not_made()
    {
        await using var host = await StartAsync();
        var device = new DeviceRun(host).With(host.MakeIdentity("A-1"), "A-1").Anchored(host.Root.Encoded);
        var options = device.Options with { Goal = EstGoal.ServerKeyGen };
        device.Options = EncryptedKey.By(options, "unknown"u8.ToArray(), new SecretBytes(s_kek));
        var outcome = await device.RunAsync();
        Assert.Equal("400", outcome.ProtocolError);
        Assert.Contains("not known", outcome.Reason, StringComparison.Ordinal);
        device.Options = options;
        Assert.Equal("400", (await device.RunAsync()).ProtocolError);
        Assert.Equal(0, await host.IssuedCountAsync());
    }

    private static ECDsa SigningKeysFor(out Certificate certificate)
    {
        var key = EstHost.Chance.NewSigningKey(ECCurve.NamedCurves.nistP256, "recipient");
        certificate = CertificateFor(key, System.Security.Cryptography.X509Certificates.X509KeyUsageFlags.KeyAgreement);
        return key;
    }

    private static Certificate CertificateFor(SignatureKey key, System.Security.Cryptography.X509Certificates.X509KeyUsageFlags usage)
    {
        var ca = CertificateAuthority.CreateRoot("CN=recipients", EstHost.Chance.NewSigningKey(ECCurve.NamedCurves.nistP256, "ca"), DateTimeOffset.UtcNow.AddDays(-1), TimeSpan.FromDays(30), EstHost.Chance);
        var csr = Pkcs10.Parse(new Pkcs10Builder { Subject = DirectoryName.FromText("CN=recipient") }.Sign(key, EstHost.Chance));
        return Certificate.Parse(ca.Issue(csr, new CertificateProfile(null, usage), DateTimeOffset.UtcNow, TimeSpan.FromDays(10), EstHost.Chance));
    }
}
