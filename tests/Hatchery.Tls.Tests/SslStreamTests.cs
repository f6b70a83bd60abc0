using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Hatchery.Tls.Tests;

/// <summary>Against .NET's own TLS (OpenSSL under it), both roles.</summary>
public sealed class SslStreamTests
{
    private static readonly TestPki s_pki = new(1);

    public static TheoryData<TlsVersions, bool> Cases => new() { { TlsVersions.Tls12, false }, { TlsVersions.Tls12, true }, { TlsVersions.Tls13, false }, { TlsVersions.Tls13, true } };

    private static SslProtocols Protocols(TlsVersions version) => version == TlsVersions.Tls12 ? SslProtocols.Tls12 : SslProtocols.Tls13;

    private static SslStreamCertificateContext Context((TlsIdentity Identity, System.Security.Cryptography.ECDsa Key) leaf)
    {
        using var bare = X509CertificateLoader.LoadCertificate(leaf.Identity.Chain[0]);
        return SslStreamCertificateContext.Create(bare.CopyWithPrivateKey(leaf.Key), [X509CertificateLoader.LoadCertificate(s_pki.Intermediate)], offline: true);
    }

    private static async Task<string> ReadAsync(SslStream stream, int length, CancellationToken cancel)
    {
        byte[] bytes = new byte[length];
        await stream.ReadExactlyAsync(bytes, cancel);
        return Encoding.ASCII.GetString(bytes);
    }

    [Theory, MemberData(nameof(Cases))]
    public async Task Our_client_and_its_server(TlsVersions version, bool mutual)
    {
        using var patience = Driven.Patience();
        var (near, far) = await Driven.LoopbackAsync(patience.Token);
        await using var ssl = new SslStream(far);
        X509Certificate2? shown = null;
        var accepting = ssl.AuthenticateAsServerAsync(new SslServerAuthenticationOptions
        {
            ServerCertificateContext = Context(s_pki.Leaf("server.example", "1.3.6.1.5.5.7.3.1", null, null)),
            EnabledSslProtocols = Protocols(version),
            ClientCertificateRequired = mutual,
            ApplicationProtocols = [new SslApplicationProtocol("est")],
            RemoteCertificateValidationCallback = (_, certificate, _, _) =>
            {
                shown = certificate is null ? null : X509CertificateLoader.LoadCertificate(certificate.GetRawCertData());
                return true;
            },
        }, patience.Token);
        using var client = new Driven(new TlsClientEngine(new()
        {
            Security = s_pki.Anchored,
            ServerName = "server.example",
            Versions = version,
            Identity = mutual ? s_pki.Client() : null,
            ApplicationProtocols = ["est"],
        }, new SeededChance(1), Pair.Start), near);
        await client.ConnectAsync(patience.Token);
        await accepting;
        Assert.Null(client.Side.Failure);
        client.Send("ping");
        await client.UntilAsync(_ => true, patience.Token);
        Assert.Equal("ping", await ReadAsync(ssl, 4, patience.Token));
        await ssl.WriteAsync("pong"u8.ToArray(), patience.Token);
        await client.ExpectAsync("pong", patience.Token);
        Assert.Equal("pong", client.Text);
        Assert.Equal(version, client.Side.Connection!.Version);
        Assert.Equal("est", client.Side.Connection.ApplicationProtocol);
        Assert.Equal((int)ssl.NegotiatedCipherSuite, (int)client.Side.Connection.CipherSuite);
        Assert.Equal(mutual, shown is not null);
        Assert.Equal("server.example", ssl.TargetHostName);
        if (version == TlsVersions.Tls12)
            Assert.Equal(Convert.ToHexString(Unique(ssl)), Convert.ToHexString(client.Side.Connection.TlsUnique.Span));
        await ssl.ShutdownAsync();
        await client.UntilAsync(_ => false, patience.Token);
        Assert.True(client.Side.End!.Value is { Kind: TlsEventKind.Closed, ByPeer: true });
    }

    [Theory, MemberData(nameof(Cases))]
    public async Task Our_server_and_its_client(TlsVersions version, bool mutual)
    {
        using var patience = Driven.Patience();
        var (near, far) = await Driven.LoopbackAsync(patience.Token);
        await using var ssl = new SslStream(far);
        var clientLeaf = s_pki.Leaf("client", "1.3.6.1.5.5.7.3.2", null, null);
        var connecting = ssl.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
        {
            TargetHost = "server.example",
            EnabledSslProtocols = Protocols(version),
            ApplicationProtocols = [new SslApplicationProtocol("est")],
            ClientCertificateContext = mutual ? Context(clientLeaf) : null,
            CertificateChainPolicy = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                CustomTrustStore = { s_pki.Root },
                RevocationMode = X509RevocationMode.NoCheck,
                DisableCertificateDownloads = true,
                VerificationTime = TestPki.Today.UtcDateTime,
            },
        }, patience.Token);
        using var server = new Driven(new TlsServerEngine(new()
        {
            Identity = s_pki.Server(),
            Versions = version,
            ApplicationProtocols = ["est"],
            ClientCertificates = mutual ? ClientCertificates.Require : ClientCertificates.None,
            ClientAnchors = [s_pki.Root.RawData],
        }, new SeededChance(1), Pair.Start), near);
        await server.ConnectAsync(patience.Token);
        Assert.Null(server.Side.Failure);
        await connecting;
        await ssl.WriteAsync("ping"u8.ToArray(), patience.Token);
        await server.ExpectAsync("ping", patience.Token);
        Assert.Equal("ping", server.Text);
        server.Send("pong");
        await server.UntilAsync(_ => true, patience.Token);
        Assert.Equal("pong", await ReadAsync(ssl, 4, patience.Token));
        Assert.Equal("server.example", server.Side.Connection!.ServerName);
        Assert.Equal("est", ssl.NegotiatedApplicationProtocol.ToString());
        if (mutual)
            Assert.Equal(clientLeaf.Identity.Chain[0], server.Side.Connection.PeerChain[0]);
        if (version == TlsVersions.Tls12)
            Assert.Equal(Convert.ToHexString(Unique(ssl)), Convert.ToHexString(server.Side.Connection.TlsUnique.Span));
        await server.CloseAsync(patience.Token);
        Assert.Equal(0, await ssl.ReadAsync(new byte[1], patience.Token));
    }

    /// <summary>SEC_CHANNEL_BINDINGS: a header of 32 bytes and "tls-unique:" come before the value.</summary>
    private static byte[] Unique(SslStream ssl)
    {
        using var binding = ssl.TransportContext.GetChannelBinding(System.Security.Authentication.ExtendedProtection.ChannelBindingKind.Unique)!;
        byte[] all = new byte[binding.Size];
        System.Runtime.InteropServices.Marshal.Copy(binding.DangerousGetHandle(), all, 0, all.Length);
        return all[43..];
    }
}
