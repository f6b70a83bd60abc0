using System.Collections.Immutable;
using System.Net.Security;
using System.Security.Cryptography;
using System.Text;
using Hatchery.Est.Device;
using Hatchery.Est.Server;
using Hatchery.Pki;

namespace Hatchery.Est.Tests.Loopback;

/// <summary>/fullcmc: our client, and messages made by hand.</summary>
public sealed class FullCmcTests
{
    private static Task<EstHost> StartAsync(bool linking = false) => EstHost.StartAsync(prepare: async (host, label) =>
    {
        var (key, chain) = await host.IssueAsync(CertificateProfile.CmcRa("localhost"));
        return label with
        {
            RenewalWindow = 1,
            Demands = label.Demands with { ChallengePassword = linking },
            FullCmc = new CmcOptions { Signer = key, SignerChain = chain, SecretOf = name => name == "device-4711" ? new SecretText("correct horse") : null },
        };
    });

    [Fact]
    public async Task An_IDevID_signs_for_a_new_key_and_its_certificate_for_the_next()
    {
        await using var host = await StartAsync();
        var device = new DeviceRun(host).With(host.MakeIdentity("A-1"), "A-1").Anchored(host.Root.Encoded);
        device.Options = device.Options with { FullCmc = new CmcIdentity() };
        var outcome = await device.RunAsync();
        Assert.True(outcome.Succeeded, outcome.Reason + string.Join("", host.Failures));
        byte[] first = device.State.Chain[0];
        device.Options = device.Options with { Goal = EstGoal.Reenroll };
        outcome = await device.RunAsync();
        Assert.True(outcome.Succeeded, outcome.Reason + string.Join("", host.Failures));
        Assert.NotEqual(first, device.State.Chain[0]);
    }

    [Theory]
    [InlineData("correct horse", true)]
    [InlineData("wrong horse", false)]
    public async Task A_shared_secret_proves_who_asks_without_any_other_authentication(string secret, bool right)
    {
        await using var host = await StartAsync(linking: true);
        var device = new DeviceRun(host).Anchored(host.Root.Encoded);
        device.State = device.State with { User = "device-4711" };
        device.Options = device.Options with { FullCmc = new CmcIdentity("device-4711", new SecretText(secret)) };
        var outcome = await device.RunAsync();
        Assert.True(outcome.Succeeded == right, outcome.Reason + string.Join("", host.Failures));
        Assert.Equal(right ? 1 : 0, await host.IssuedCountAsync());
        if (!right)
            Assert.Equal("BadIdentity", outcome.ProtocolError);
    }

    private static async Task<(int Status, CmcResponse Answer)> PostAsync(EstHost host, ReadOnlyMemory<byte> der, (ECDsa, ImmutableArray<ReadOnlyMemory<byte>>)? identity = null)
    {
        using var handler = new SocketsHttpHandler { SslOptions = new SslClientAuthenticationOptions { RemoteCertificateValidationCallback = (_, _, _, _) => true, ClientCertificateContext = identity is { } i ? EstHost.ContextOf(i) : null } };
        using var client = new HttpClient(handler);
        using var content = new ByteArrayContent(Encoding.ASCII.GetBytes(Convert.ToBase64String(der.Span)));
        content.Headers.TryAddWithoutValidation("Content-Type", "application/pkcs7-mime; smime-type=CMC-request");
        using var response = await client.PostAsync($"https://127.0.0.1:{host.Port}/.well-known/est/fullcmc", content, TestContext.Current.CancellationToken);
        Assert.Contains("CMC-response", response.Content.Headers.NonValidated["Content-Type"].ToString(), StringComparison.Ordinal);
        return ((int)response.StatusCode, CmcResponse.Parse(Convert.FromBase64String(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))));
    }

    [Fact]
    public async Task A_holder_revokes_his_certificate_gets_the_list_and_openssl_reads_the_answer()
    {
        await using var host = await StartAsync();
        var own = await host.IssueAsync(CertificateProfile.LDevId());
        var other = await host.IssueAsync(CertificateProfile.LDevId());
        ReadOnlyMemory<byte> Revoke(ReadOnlyMemory<byte> certificate) => new CmcRequestBuilder
        {
            Controls =
            [
                (CmcControls.RevokeRequest, new CmcRevokeRequest(Certificate.Parse(certificate).Issuer, Certificate.Parse(certificate).SerialNumber, RevocationReason.Superseded).Encode()),
                (CmcControls.GetCrl, new CmcGetCrl(Certificate.Parse(certificate).Issuer).Encode()),
            ],
        }.Sign(own.Key, own.Chain, EstHost.Chance, DateTimeOffset.UtcNow, out _);
        var (status, answer) = await PostAsync(host, Revoke(other.Chain[0]), own);
        Assert.Equal((403, CmcFailInfo.BadIdentity), (status, answer.Failure!.FailInfo));
        (status, answer) = await PostAsync(host, Revoke(own.Chain[0]), own);
        Assert.Equal(200, status);
        Assert.Null(answer.Failure);
        Assert.Single(answer.Lists);
        Assert.NotNull(answer.TrustedAnchors);
        // From now on nobody by this certificate.
        Assert.Equal(403, (await PostOrRefusedAsync(host, Revoke(own.Chain[0]), own)));
    }

    private static async Task<int> PostOrRefusedAsync(EstHost host, ReadOnlyMemory<byte> der, (ECDsa, ImmutableArray<ReadOnlyMemory<byte>>) identity)
    {
        try
        {
            return (await PostAsync(host, der, identity)).Status;
        }
        catch (Xunit.Sdk.ContainsException)
        {
            return 403;
        }
    }

    [Fact]
    public async Task What_is_no_CMC_request_is_told_so_in_CMC()
    {
        await using var host = await StartAsync();
        var key = EstHost.Chance.NewSigningKey(ECCurve.NamedCurves.nistP256, "k");
        var csr = new Pkcs10Builder { Subject = DirectoryName.FromText("CN=device-4711") }.Sign(key, EstHost.Chance);
        byte[] broken = csr.ToArray();
        broken[^1] ^= 1;
        var (status, answer) = await PostAsync(host, csr);
        Assert.Equal((400, CmcFailInfo.BadRequest), (status, answer.Failure!.FailInfo));
        // Nobody.
        (status, answer) = await PostAsync(host, new CmcRequestBuilder { Requests = [csr] }.Sign(key, [], EstHost.Chance, null, out _));
        Assert.Equal((403, CmcFailInfo.BadIdentity), (status, answer.Failure!.FailInfo));
        // A proof of possession that fails.
        (status, answer) = await PostAsync(host, new CmcRequestBuilder { Requests = [broken], Identification = "device-4711", Secret = new SecretText("correct horse") }.Sign(key, [], EstHost.Chance, null, out byte[] nonce));
        Assert.Equal((400, CmcFailInfo.PopFailed), (status, answer.Failure!.FailInfo));
        Assert.Equal(nonce, answer.RecipientNonce);
        Assert.Equal(0, await host.IssuedCountAsync());
    }
}
