using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Hatchery.Dpp.Configurator;
using Hatchery.Pki;

namespace Hatchery.Dpp.Tests.Sessions;

public class SessionTests
{
    public static TheoryData<string, int, bool> Kinds() => [.. from curve in DppCurve.All from version in (int[])[1, 2, 3] from mutual in (bool[])[false, true] select (curve.Name, version, mutual)];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Either_side_initiates_on_every_curve_and_version(string curve, int version, bool mutual)
    {
        foreach (bool fromConfigurator in (bool[])[false, true])
        {
            using var pair = new Pair(DppCurve.ByName(curve), version);
            if (mutual)
                pair.Known = hash => fromConfigurator ? pair.ConfiguratorKey.Public : pair.DeviceKey.Public;
            if (fromConfigurator)
                pair.Configurator.Initiate(pair.DeviceKey.Public, pair.Now);
            else
                pair.Enrollee.Initiate(pair.ConfiguratorKey.Public, pair.Now);
            pair.Run().AssertProvisioned();
            Assert.Equal(mutual, pair.Enrollee.Authenticated!.IsMutual);
            Assert.Equal(pair.Received!.Connector, pair.Journal[0].Connector);
        }
    }

    [Theory]
    [InlineData(1, 3), InlineData(3, 1), InlineData(2, 3), InlineData(3, 2), InlineData(1, 2)]
    public void Versions_meet(int configurator, int enrollee)
    {
        using var pair = new Pair(version: configurator, enrolleeVersion: enrollee);
        pair.Enrollee.Initiate(pair.ConfiguratorKey.Public, pair.Now);
        pair.Run().AssertProvisioned();
    }

    [Fact]
    public void An_announcement_is_answered_if_the_device_is_known()
    {
        using var pair = new Pair();
        pair.Known = hash => hash.Span.SequenceEqual(pair.DeviceKey.Public.ChirpHash.Span) ? pair.DeviceKey.Public : null;
        pair.Enrollee.Chirp(pair.Now);
        pair.Run().AssertProvisioned();
        using var stranger = new Pair();
        stranger.Enrollee.Chirp(stranger.Now);
        stranger.Run();
        Assert.Equal("UNKNOWN_PEER", stranger.Configurator.Outcome!.ProtocolError);
        Assert.Single(stranger.Passed);
    }

    [Fact]
    public void A_responder_that_wants_to_know_the_initiator_waits()
    {
        using var pair = new Pair(mutual: true);
        pair.Enrollee.Initiate(pair.ConfiguratorKey.Public, pair.Now);
        // Somebody scans while it waits.
        for (int i = 0; i < 4 && pair.Configurator.PendingPeer is null; i++)
            Step(pair);
        Assert.True(pair.Configurator.PendingPeer!.Value.Span.SequenceEqual(pair.DeviceKey.Public.Hash.Span));
        Step(pair);
        Assert.NotNull(pair.Enrollee.ToBeScanned);
        pair.Configurator.SupplyPeer(pair.DeviceKey.Public, pair.Now);
        pair.Run().AssertProvisioned();
        Assert.True(pair.Journal[0].Asked.IsMutual);
    }

    private static void Step(Pair pair)
    {
        while (pair.Enrollee.TryMove(out var move))
            if (move is Device.EnrolleeMove.Send(var m))
                pair.Configurator.Receive(DppMessage.Parse(m.Body, true), pair.Now);
        while (pair.Configurator.TryQuestion(out _))
            pair.Configurator.SupplyPeer(null, pair.Now);
        while (pair.Configurator.TrySend(out var m))
            pair.Enrollee.Receive(DppMessage.Parse(m!.Body, false), pair.Now);
    }

    [Fact]
    public void A_code_is_good_for_one_exchange_and_five_mistakes()
    {
        var (mine, theirs) = (PkexCode.FromText("open sesame", "door"), PkexCode.FromText("open sesame", "door"));
        using (var pair = new Pair(pkexC: mine, pkexE: theirs))
        {
            pair.Enrollee.InitiatePkex(pair.Now);
            pair.Run().AssertProvisioned();
            Assert.True(pair.Journal[0].Asked.IsMutual);
        }
        Assert.False(mine.IsUsable || theirs.IsUsable);
        using (var again = new Pair(pkexC: mine, pkexE: PkexCode.FromText("open sesame", "door")))
        {
            again.Enrollee.InitiatePkex(again.Now);
            again.Run();
            Assert.Null(again.Received);
        }
        var code = PkexCode.FromText("the right one", null);
        for (int i = 0; i < PkexCode.MaxFailures; i++)
        {
            Assert.True(code.IsUsable);
            using var guess = new Pair(pkexC: code, pkexE: PkexCode.FromText($"guess {i}", null));
            guess.Enrollee.InitiatePkex(guess.Now);
            guess.Run();
            Assert.Null(guess.Received);
        }
        Assert.False(code.IsUsable);
    }

    [Fact]
    public void A_device_that_must_wait_comes_back()
    {
        using var pair = new Pair();
        int asked = 0;
        pair.Decide = a => asked++ < 3 ? new ConfigurationDecision.NotYet(TimeSpan.FromMilliseconds(512)) : new ConfigurationDecision.Provide([Pair.Network().For(pair.Keys, a, pair.Now.Wall)]);
        pair.Enrollee.Initiate(pair.ConfiguratorKey.Public, pair.Now);
        pair.Run().AssertProvisioned();
        Assert.Equal(4, asked);
        Assert.Equal(3, pair.Passed.Count(m => m is GasMessage { Action: DppMessage.GasComebackRequest }));
    }

    [Fact]
    public void A_new_key_is_made_where_the_network_wants_another_curve()
    {
        using var pair = new Pair();
        pair.Decide = a => a.NetAccessCurve == DppCurve.P384 ? new ConfigurationDecision.Provide([Pair.Network().For(pair.Keys, a, pair.Now.Wall)]) : new ConfigurationDecision.NeedNewKey(DppCurve.P384);
        pair.Enrollee.Initiate(pair.ConfiguratorKey.Public, pair.Now);
        pair.Run().AssertProvisioned();
        Assert.Equal(20, pair.Received!.Credentials[0].NetAccessKeyGroup);
    }

    [Fact]
    public void A_device_says_how_it_connected()
    {
        using var pair = new Pair();
        pair.Decide = a => new ConfigurationDecision.Provide([Pair.Network().For(pair.Keys, a, pair.Now.Wall)], AskStatus: true);
        pair.Enrollee.Initiate(pair.ConfiguratorKey.Public, pair.Now);
        pair.Run().AssertProvisioned();
        Assert.Equal(0, pair.Journal[0].Status!.Result);
    }

    [Fact]
    public void Several_networks_and_a_password_identifier()
    {
        using var pair = new Pair();
        pair.Decide = a => new ConfigurationDecision.Provide([Pair.Network().For(pair.Keys, a, pair.Now.Wall), (Pair.Network(DppAkm.Sae) with { PasswordIdentifier = "id" }).For(pair.Keys, a, pair.Now.Wall)]);
        pair.Enrollee.Initiate(pair.ConfiguratorKey.Public, pair.Now);
        pair.Run().AssertProvisioned();
        Assert.Equal("id", pair.Received!.Credentials[1].PasswordIdentifier);
        using var old = new Pair(capabilities: null);
        old.Decide = pair.Decide;
        old.Enrollee.Initiate(old.ConfiguratorKey.Public, old.Now);
        old.Run();
        Assert.Equal(nameof(DppStatus.ConfigureFailure), old.EnrolleeOutcome!.ProtocolError);
    }

    [Fact]
    public void A_Configurator_backs_itself_up_into_another()
    {
        using var pair = new Pair(netRole: "configurator");
        pair.Known = _ => pair.DeviceKey.Public;
        pair.Decide = _ => new ConfigurationDecision.Provide([], Backup: new ConfiguratorBackup(pair.Keys.Curve, pair.Keys.CSignScalar, pair.Keys.PpScalar, "{}", null));
        pair.Enrollee.Initiate(pair.ConfiguratorKey.Public, pair.Now);
        pair.Run().AssertProvisioned();
        Assert.Equal(pair.Keys.CSignScalar, pair.Received!.Backup!.CSign);
    }

    [Fact]
    public void A_certificate_is_issued_for_the_devices_key()
    {
        using var ca = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var now = new DateTimeOffset(2026, 11, 27, 0, 0, 0, TimeSpan.Zero);
        using var root = new CertificateRequest("CN=Root", ca, HashAlgorithmName.SHA256).CreateSelfSigned(now, now.AddYears(1));
        using var pair = new Pair();
        pair.Decide = a =>
        {
            if (a.Request.Pkcs10.IsEmpty)
                return new ConfigurationDecision.NeedCsr();
            var request = CertificateRequest.LoadSigningRequest(a.Request.Pkcs10.ToArray(), HashAlgorithmName.SHA256);
            using var leaf = request.Create(root.SubjectName, X509SignatureGenerator.CreateForECDsa(ca), now, now.AddDays(90), [1, 2, 3]);
            var enterprise = new EnterpriseCredential(CertsOnly.Encode([leaf.RawData, root.RawData]), [root.RawData], "radius.example.org", [13]);
            return new ConfigurationDecision.Provide([Pair.Network(DppAkm.Dot1x).For(pair.Keys, a, pair.Now.Wall, enterprise)]);
        };
        pair.Enrollee.Initiate(pair.ConfiguratorKey.Public, pair.Now);
        pair.Run().AssertProvisioned();
        Assert.Equal(DppAkm.Dot1x, pair.Received!.Credentials[0].Akm);
    }

    [Fact]
    public void A_device_is_reconfigured_with_or_without_a_new_key()
    {
        using var first = new Pair();
        first.Enrollee.Initiate(first.ConfiguratorKey.Public, first.Now);
        first.Run().AssertProvisioned();
        using var again = new Pair(keys: first.Keys);
        again.Enrollee.AnnounceReconfiguration(first.Received!.Credentials[0], again.Now);
        again.Run().AssertProvisioned();
        Assert.NotEqual(first.Received.Credentials[0].NetAccessKey, again.Received!.Credentials[0].NetAccessKey);
        Assert.Equal(first.Received.Connector, again.Journal[0].Asked.ReconfigurationOf!.Text);
        using var stranger = new Pair();
        stranger.Enrollee.AnnounceReconfiguration(first.Received.Credentials[0], stranger.Now);
        stranger.Run();
        Assert.Null(stranger.Received);
    }
}
