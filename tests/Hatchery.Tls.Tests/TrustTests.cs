using System.Security.Cryptography;

namespace Hatchery.Tls.Tests;

public sealed class TrustTests
{
    private const byte BadCertificate = 42, Expired = 45, UnknownCa = 48, UnsupportedCertificate = 43, CertificateRequired = 116, HandshakeFailure = 40;
    private static readonly TestPki s_pki = new(1), s_other = new(2);
    private static readonly TlsIdentity s_identity = s_pki.Server();

    public static TheoryData<TlsVersions> Versions => [TlsVersions.Tls12, TlsVersions.Tls13];

    private static Pair Run(TlsVersions version, ChannelSecurity security, string? name = "server.example", TlsIdentity? identity = null, TlsIdentity? client = null,
        TlsServerOptions? server = null) =>
        new Pair(new() { Security = security, ServerName = name, Versions = version, Identity = client },
            (server ?? new()) with { Identity = identity ?? s_identity }).Run();

    private static void AssertRefused(Pair pair, byte alert)
    {
        using (pair)
        {
            Assert.Null(pair.Client.Connection);
            Assert.Equal(alert, pair.Client.Failure!.Alert);
            Assert.False(pair.Client.Failure.FromPeer);
            Assert.Equal(alert, pair.Server.Failure!.Alert);
            Assert.True(pair.Server.Failure.FromPeer);
        }
    }

    private static void AssertAccepted(Pair pair)
    {
        using (pair)
            pair.Talk();
    }

    [Theory, MemberData(nameof(Versions))]
    public void Anchors_decide(TlsVersions version)
    {
        AssertAccepted(Run(version, s_pki.Anchored));
        AssertRefused(Run(version, s_other.Anchored), UnknownCa);
        AssertRefused(Run(version, new ChannelSecurity.Certificates(null, [], false, [])), UnknownCa);
        AssertRefused(Run(version, s_pki.Anchored, name: "other.example"), BadCertificate);
        AssertAccepted(Run(version, s_pki.Anchored, name: "127.0.0.1"));
        AssertAccepted(Run(version, s_pki.Anchored, name: null));
        AssertRefused(Run(version, s_pki.Anchored, identity: s_pki.Server(expires: TestPki.Today.AddDays(-1))), Expired);
        AssertRefused(Run(version, s_pki.Anchored, identity: s_pki.Client("server.example")), UnsupportedCertificate);
    }

    [Fact]
    public void Without_a_clock_validity_periods_are_not_judged()
    {
        var expired = s_pki.Server(expires: TestPki.Today.AddDays(-1));
        var now = new Moment(TimeSpan.Zero, null);
        var client = new Side(new TlsClientEngine(new() { Security = s_pki.Anchored, ServerName = "server.example" }, new SeededChance(1), now));
        var server = new Side(new TlsServerEngine(new() { Identity = expired }, new SeededChance(2), now));
        for (int i = 0; i < 4; i++)
        {
            server.Engine.Receive(client.Transmit(), default, now, default);
            client.Engine.Receive(server.Transmit(), default, now, default);
        }
        client.Drain();
        Assert.NotNull(client.Connection);
    }

    [Theory, MemberData(nameof(Versions))]
    public void Pins_decide_and_names_do_not(TlsVersions version)
    {
        AssertAccepted(Run(version, TestPki.Pinned(s_identity.Chain[0]), name: "other.example"));
        AssertAccepted(Run(version, TestPki.Pinned(s_pki.Intermediate), name: "other.example"));
        AssertRefused(Run(version, TestPki.Pinned(s_other.Intermediate)), BadCertificate);
        // The pinned certificate is shown, but it did not issue the leaf.
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var leaf = s_other.Leaf("server.example", "1.3.6.1.5.5.7.3.1", null, null);
        var grafted = new TlsIdentity([leaf.Identity.Chain[0], s_pki.Intermediate], leaf.Key);
        AssertRefused(Run(version, TestPki.Pinned(s_pki.Intermediate), identity: grafted), UnknownCa);
    }

    [Theory, MemberData(nameof(Versions))]
    public void Provisional_accepts_any_certificate_whose_key_the_server_holds(TlsVersions version)
    {
        AssertAccepted(Run(version, TestPki.Provisional, name: "other.example"));
        AssertAccepted(Run(version, new ChannelSecurity.None(), name: "other.example"));
        using var stranger = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        foreach (ChannelSecurity security in (ChannelSecurity[])[TestPki.Provisional, new ChannelSecurity.None(), TestPki.Pinned(s_identity.Chain[0])])
        {
            using var pair = Run(version, security, identity: new TlsIdentity(s_identity.Chain, stranger));
            Assert.Equal((byte)51, pair.Client.Failure!.Alert);
            Assert.Null(pair.Client.Connection);
        }
    }

    [Theory, MemberData(nameof(Versions))]
    public void A_client_certificate_is_asked_for_as_the_mode_says(TlsVersions version)
    {
        var client = s_pki.Client();
        using (var none = Run(version, s_pki.Anchored, client: client))
        {
            none.Talk();
            Assert.Empty(none.Server.Connection!.PeerChain);
        }
        using (var allowed = Run(version, s_pki.Anchored, server: new() { ClientCertificates = ClientCertificates.Allow }))
        {
            allowed.Talk();
            Assert.Empty(allowed.Server.Connection!.PeerChain);
        }
        using (var shown = Run(version, s_pki.Anchored, client: s_other.Client(), server: new() { ClientCertificates = ClientCertificates.Allow }))
        {
            shown.Talk();
            Assert.Equal(2, shown.Server.Connection!.PeerChain.Length);
        }
        using (var required = Run(version, s_pki.Anchored, client: client, server: new() { ClientCertificates = ClientCertificates.Require, ClientAnchors = [s_pki.Root.RawData] }))
        {
            required.Talk();
            Assert.Equal(client.Chain[0], required.Server.Connection!.PeerChain[0]);
        }
        AssertServerRefuses(Run(version, s_pki.Anchored, server: new() { ClientCertificates = ClientCertificates.Require }),
            version == TlsVersions.Tls13 ? CertificateRequired : HandshakeFailure);
        AssertServerRefuses(Run(version, s_pki.Anchored, client: s_other.Client(), server: new() { ClientCertificates = ClientCertificates.Allow, ClientAnchors = [s_pki.Root.RawData] }),
            UnknownCa);
        AssertServerRefuses(Run(version, s_pki.Anchored, client: new TlsIdentity(client.Chain, s_other.Leaf("x", "1.3.6.1.5.5.7.3.2", null, null).Key),
            server: new() { ClientCertificates = ClientCertificates.Allow }), 51);
    }

    private static void AssertServerRefuses(Pair pair, byte alert)
    {
        using (pair)
        {
            Assert.Null(pair.Server.Connection);
            Assert.Equal(alert, pair.Server.Failure!.Alert);
            Assert.False(pair.Server.Failure.FromPeer);
            Assert.Equal(alert, pair.Client.Failure!.Alert);
        }
    }
}
