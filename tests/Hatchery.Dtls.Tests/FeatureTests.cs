using System.Security.Cryptography;
using Hatchery.Cryptography;

namespace Hatchery.Dtls.Tests;

/// <summary>Extensions and options, between our client and our server.</summary>
public sealed class FeatureTests
{
    private static readonly DtlsCipherSuite s_ecdsa = DtlsCipherSuite.EcdheEcdsaAes128Ccm8;

    [Theory, InlineData(false), InlineData(true)]
    public void Sessions_are_resumed(bool tickets)
    {
        foreach (var suite in new[] { DtlsCipherSuite.PskAes128Ccm8, s_ecdsa, DtlsCipherSuite.PskAes256GcmSha384 })
        {
            var (client, server) = PairTests.For(suite);
            client = client with { Tickets = tickets };
            server = server with { ClientCertificates = suite == s_ecdsa ? DtlsClientCertificates.Require : DtlsClientCertificates.None, Trust = TestPki.Trust };
            if (suite == s_ecdsa)
                client = client with { Identity = TestPki.Leaf("client.example").Identity };
            using var pair = new Pair(server);
            var first = pair.Works(client, "a");
            Assert.False(first.Engine.Connection!.Resumed);
            Assert.Equal(tickets, first.Engine.Connection.Resumption!.IsTicket);
            var second = pair.Works(client with { Resume = first.Engine.Connection.Resumption }, "b");
            Assert.True(second.Engine.Connection!.Resumed);
            var there = pair.Connected[1].Connection!;
            Assert.True(there.Resumed);
            Assert.Equal(pair.Connected[0].Connection!.PskIdentity?.ToArray(), there.PskIdentity?.ToArray());
            Assert.Equal(pair.Connected[0].Connection!.Peer?.PublicKey.ToArray(), there.Peer?.PublicKey.ToArray());
            Assert.Equal(second.Engine.Connection.Export("x", null, 16), there.Export("x", null, 16));
            // And once more from what the resumed one gave.
            Assert.True(pair.Works(client with { Resume = second.Engine.Connection.Resumption }, "c").Engine.Connection!.Resumed);
        }
    }

    [Fact]
    public void What_is_unknown_too_old_or_of_another_server_name_is_not_resumed()
    {
        var (client, server) = PairTests.For(DtlsCipherSuite.PskAes128Ccm8);
        foreach (bool tickets in new[] { false, true })
        {
            using var pair = new Pair(server with { ResumptionLifetime = TimeSpan.FromHours(1) });
            var first = pair.Works(client with { Tickets = tickets }, "a");
            var resume = first.Engine.Connection!.Resumption;
            pair.Now = pair.Now with { Elapsed = pair.Now.Elapsed + TimeSpan.FromHours(2) };
            Assert.False(pair.Works(client with { Resume = resume, Tickets = tickets }, "b").Engine.Connection!.Resumed);
            Assert.False(pair.Works(client with { Resume = resume, Tickets = tickets, ServerName = "other.example" }, "c").Engine.Connection!.Resumed);
            using var stranger = new Pair(server, "stranger");
            Assert.False(stranger.Works(client with { Resume = resume, Tickets = tickets }, "a").Engine.Connection!.Resumed);
        }
    }

    [Fact]
    public void Resumption_keeps_the_extended_master_secret_and_forgets_the_private_suites()
    {
        var (client, server) = PairTests.For(DtlsCipherSuite.PskAes128Ccm8);
        using var pair = new Pair(server);
        var resume = pair.Works(client, "a").Engine.Connection!.Resumption;
        var without = pair.Connect(client with { Resume = resume, ExtendedMasterSecret = DtlsUse.Off }, "b");
        pair.RunUntil(() => without.Failure is not null);
        Assert.Equal(DtlsAlert.HandshakeFailure, without.Failure!.Alert);
        var old = pair.WorksAfterFailure(client with { ExtendedMasterSecret = DtlsUse.Off }, "c").Engine.Connection!.Resumption;
        Assert.False(pair.WorksAfterFailure(client with { Resume = old }, "d").Engine.Connection!.Resumed);
        foreach (var suite in new[] { DtlsCipherSuite.EcjpakeAes128Ccm8, DtlsCipherSuite.EcdhAnonAes128CbcSha256 })
        {
            var (c, s) = PairTests.For(suite);
            using var other = new Pair(s);
            Assert.Null(other.Works(c).Engine.Connection!.Resumption);
        }
    }

    [Fact]
    public void Raw_public_keys_both_ways()
    {
        var (clientKey, serverKey) = (SigningKeys.Generate(ECCurve.NamedCurves.nistP256), SigningKeys.Generate(ECCurve.NamedCurves.nistP256));
        var client = new DtlsClientOptions
        {
            Identity = DtlsIdentity.FromRawKey(clientKey),
            AcceptRawKeys = true,
            AcceptCertificates = false,
            Trust = DtlsTrusts.Keys(serverKey.ExportSubjectPublicKeyInfo()),
        };
        var server = new DtlsServerOptions
        {
            Identity = DtlsIdentity.FromRawKey(serverKey),
            AcceptRawKeys = true,
            ClientCertificates = DtlsClientCertificates.Require,
            Trust = DtlsTrusts.Keys(clientKey.ExportSubjectPublicKeyInfo()),
        };
        using var pair = new Pair(server);
        pair.Works(client);
        Assert.True(pair.Connected[0].Connection!.Peer!.IsRawKey);
        Assert.Equal(clientKey.ExportSubjectPublicKeyInfo(), pair.Connected[0].Connection!.Peer!.PublicKey.ToArray());

        var other = pair.Connect(client with { Trust = DtlsTrusts.Keys(clientKey.ExportSubjectPublicKeyInfo()) }, "other");
        pair.RunUntil(() => other.Failure is not null);
        Assert.Equal(DtlsAlert.BadCertificate, other.Failure!.Alert);

        using var strict = new Pair(server with { AcceptRawKeys = false });
        var refused = strict.Connect(client);
        strict.RunUntil(() => refused.Failure is not null);
        Assert.Equal(DtlsAlert.UnsupportedCertificate, refused.Failure!.Alert);
    }

    [Fact]
    public void Certificates_that_are_not_trusted_have_their_alerts()
    {
        var (client, server) = PairTests.For(s_ecdsa);
        DtlsAlert? Refused(DtlsClientOptions c, DtlsServerOptions s)
        {
            using var pair = new Pair(s);
            var side = pair.Connect(c);
            pair.RunUntil(() => side.Failure is not null && pair.ServerFailures.Count > 0 || side.IsConnected);
            Assert.Equal(side.Failure!.Alert, pair.ServerFailures.Single().Alert);
            return side.Failure.Alert;
        }
        using var stranger = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var self = new System.Security.Cryptography.X509Certificates.CertificateRequest("CN=server.example", stranger, HashAlgorithmName.SHA256).CreateSelfSigned(TestPki.Today.AddDays(-1), TestPki.Today.AddDays(1));
        Assert.Equal(DtlsAlert.UnknownCa, Refused(client with { ServerName = null }, server with { Identity = DtlsIdentity.FromChain([self.RawData], stranger) }));
        Assert.Equal(DtlsAlert.BadCertificate, Refused(client with { ServerName = "other.example" }, server));
        Assert.Equal(DtlsAlert.CertificateExpired, Refused(client, server with { Identity = TestPki.Leaf("server.example", expires: TestPki.Today.AddDays(-1)).Identity }));
        Assert.Equal(DtlsAlert.HandshakeFailure, Refused(client, server with { ClientCertificates = DtlsClientCertificates.Require, Trust = TestPki.Trust }));
        Assert.Equal(DtlsAlert.UnknownCa, Refused(client with { Identity = DtlsIdentity.FromChain([self.RawData], stranger) }, server with { ClientCertificates = DtlsClientCertificates.Allow, Trust = TestPki.Trust }));
        Assert.Equal(DtlsAlert.HandshakeFailure, Refused(client with { Groups = [DtlsGroup.X25519] }, server));
        // Without a clock validity is not looked at.
        using var clockless = new Pair(server with { Identity = TestPki.Leaf("server.example", expires: TestPki.Today.AddDays(-1)).Identity }) { Now = Pair.Start with { Wall = null } };
        clockless.Works(client);
    }

    [Theory, InlineData(DtlsGroup.P256), InlineData(DtlsGroup.P384), InlineData(DtlsGroup.P521), InlineData(DtlsGroup.X25519)]
    public void Groups(DtlsGroup group)
    {
        var (client, server) = PairTests.For(DtlsCipherSuite.EcdhePskAes128GcmSha256);
        using var pair = new Pair(server with { Groups = [group] });
        pair.Works(client with { Groups = [DtlsGroup.X25519, DtlsGroup.P521, DtlsGroup.P384, DtlsGroup.P256] });
        using var none = new Pair(server with { Groups = [group] });
        var side = none.Connect(client with { Groups = [group == DtlsGroup.P256 ? DtlsGroup.P384 : DtlsGroup.P256] });
        none.RunUntil(() => side.Failure is not null);
        Assert.Equal(DtlsAlert.HandshakeFailure, side.Failure!.Alert);
    }

    [Fact]
    public void Certificates_on_other_curves()
    {
        foreach (var curve in new[] { ECCurve.NamedCurves.nistP384, ECCurve.NamedCurves.nistP521 })
        {
            var (client, server) = PairTests.For(DtlsCipherSuite.EcdheEcdsaAes256GcmSha384);
            using var pair = new Pair(server with { Identity = TestPki.Leaf("server.example", curve).Identity, ClientCertificates = DtlsClientCertificates.Require, Trust = TestPki.Trust });
            pair.Works(client with { Identity = TestPki.Leaf("client.example", curve).Identity, Groups = [DtlsGroup.P256, DtlsGroup.P384, DtlsGroup.P521] });
        }
    }

    [Theory]
    [InlineData(DtlsCipherSuite.PskAes128Ccm8, 6, 6)]
    [InlineData(DtlsCipherSuite.PskAes128Ccm8, 0, 6)]
    [InlineData(DtlsCipherSuite.PskAes128Ccm8, 4, 0)]
    [InlineData(DtlsCipherSuite.PskAes128CbcSha256, 8, 8)]
    [InlineData(DtlsCipherSuite.EcdheEcdsaAes128GcmSha256, 1, 4)]
    public void Connection_ids(DtlsCipherSuite suite, int ofClient, int ofServer)
    {
        foreach (var etm in new[] { DtlsUse.Allow, DtlsUse.Off })
        {
            var (client, server) = PairTests.For(suite);
            using var pair = new Pair(server with { ConnectionIdLength = ofServer, EncryptThenMac = etm, Shard = 7 });
            var side = pair.Works(client with { ConnectionIdLength = ofClient });
            Assert.Equal((ofClient, ofServer), (side.Engine.Connection!.OwnConnectionId.Length, side.Engine.Connection.PeerConnectionId.Length));
            if (ofServer > 0)
                Assert.Equal(7, side.Engine.Connection.PeerConnectionId.Span[0]);
            // The client's address changes: with an id its records are still known.
            side.Name = "elsewhere";
            side.Engine.Send("from afar"u8, default, pair.Now);
            pair.Drain();
            pair.Run(TimeSpan.FromSeconds(1));
            Assert.Equal(ofServer > 0, pair.ServerEvents.Contains("Data from afar"));
            Assert.Equal(ofServer > 0, pair.ServerEvents.Contains("Moved"));
            if (ofServer == 0)
                continue;
            pair.Exchange(side, pair.Connected[0]);
            Assert.Equal("elsewhere", ((DtlsSession<string>)pair.Connected[0]).Path);
        }
    }

    [Fact]
    public void An_old_record_from_the_old_address_moves_nobody_back()
    {
        var (client, server) = PairTests.For(DtlsCipherSuite.PskAes128Ccm8);
        using var pair = new Pair(server with { ConnectionIdLength = 6 });
        var side = pair.Works(client with { ConnectionIdLength = 0 });
        byte[] late = Captured(pair, side, "late");
        side.Name = "elsewhere";
        pair.Exchange(side, pair.Connected[0]);
        pair.Put(late, "client", "server");
        pair.Run(TimeSpan.FromSeconds(1));
        Assert.Contains("Data late", pair.ServerEvents);
        Assert.Equal("elsewhere", ((DtlsSession<string>)pair.Connected[0]).Path);
        // And somebody who only repeats what he heard moves nobody either.
        pair.Put(late, "attacker", "server");
        pair.Run(TimeSpan.FromSeconds(1));
        Assert.Equal("elsewhere", ((DtlsSession<string>)pair.Connected[0]).Path);
    }

    internal static byte[] Captured(Pair pair, Pair.Side side, string text)
    {
        side.Engine.Send(System.Text.Encoding.ASCII.GetBytes(text), default, pair.Now);
        byte[] buffer = new byte[2048];
        Assert.True(side.Engine.TryTransmit(buffer, out var transmit));
        return buffer[..transmit.Length];
    }

    [Fact]
    public void Names_protocols_and_sizes_are_agreed_on()
    {
        var (client, server) = PairTests.For(DtlsCipherSuite.PskAes128Ccm8);
        using var pair = new Pair(server with { ApplicationProtocols = ["coap", "x"] });
        var side = pair.Works(client with { ApplicationProtocols = ["y", "coap"], ServerName = "server.example", MaxFragmentLength = 512 });
        Assert.Equal("coap", side.Engine.Connection!.ApplicationProtocol);
        Assert.Equal("server.example", pair.Connected[0].Connection!.ServerName);
        Assert.Equal((512, 512), (side.Engine.Connection.MaxData, pair.Connected[0].Connection!.MaxData));
        Assert.Equal(Accepted.TooLarge, side.Engine.Send(new byte[513], default, pair.Now));
        Assert.Equal(Accepted.Yes, side.Engine.Send(new byte[512], default, pair.Now));

        using var limited = new Pair(server with { RecordSizeLimit = 300 });
        var other = limited.Works(client with { RecordSizeLimit = 200, MaxFragmentLength = 1024 });
        Assert.Equal((300, 200), (other.Engine.Connection!.MaxData, limited.Connected[0].Connection!.MaxData));

        using var none = new Pair(server with { ApplicationProtocols = ["x"] });
        var refused = none.Connect(client with { ApplicationProtocols = ["y"] });
        none.RunUntil(() => refused.Failure is not null);
        Assert.Equal(DtlsAlert.NoApplicationProtocol, refused.Failure!.Alert);
    }

    [Fact]
    public void Data_fills_a_datagram_and_no_more()
    {
        foreach (var suite in Enum.GetValues<DtlsCipherSuite>())
            foreach (int? id in new int?[] { null, 6 })
            {
                var (client, server) = PairTests.For(suite);
                using var pair = new Pair(server with { ConnectionIdLength = id });
                var side = pair.Works(client with { ConnectionIdLength = id, Mtu = 500 });
                int most = side.Engine.Session.MaxData;
                byte[] buffer = new byte[2048];
                Assert.Equal(Accepted.TooLarge, side.Engine.Send(new byte[most + 1], default, pair.Now));
                Assert.Equal(Accepted.Yes, side.Engine.Send(new byte[most], new Tag(77), pair.Now));
                Assert.True(side.Engine.TryTransmit(buffer, out var transmit));
                Assert.InRange(transmit.Length, 500 - 15, 500);
                Assert.Equal(new Tag(77), transmit.Tag);
                Assert.Equal(Accepted.Yes, side.Engine.Send([], default, pair.Now));
                pair.Drain();
                pair.Run(TimeSpan.FromSeconds(1));
                Assert.Equal("Data ", pair.ServerEvents[^1]);
            }
    }

    [Fact]
    public void Questions_are_asked_and_answers_awaited()
    {
        var (_, key, certificate) = TestPki.Leaf("server.example");
        var server = new DtlsServerOptions
        {
            AskPsk = true,
            AskTrust = true,
            Identity = DtlsIdentity.FromChain([certificate.RawData], null),
            ClientCertificates = DtlsClientCertificates.Require,
        };
        DtlsAnswer Answer(DtlsQuestion question, ECDsa signer) => question switch
        {
            DtlsQuestion.FindPsk => new DtlsAnswer.Psk(TestPki.Psk),
            DtlsQuestion.Sign sign => new DtlsAnswer.Signed(signer.SignHash(sign.Hash.ToArray(), DSASignatureFormat.Rfc3279DerSequence)),
            _ => new DtlsAnswer.Judged(null),
        };
        using var pair = new Pair(server) { AnswerServer = q => Answer(q, key) };
        pair.Works(TestPki.PskClient(DtlsCipherSuite.PskAes128Ccm8), "psk");
        var (_, clientKey, clientCertificate) = TestPki.Leaf("client.example");
        var asking = new DtlsClientOptions { AskTrust = true, AskPsk = true, Identity = DtlsIdentity.FromChain([clientCertificate.RawData], null), Suites = [s_ecdsa] };
        // The client's answers come late, and its peer's retransmissions meanwhile do no harm.
        var side = pair.Connect(asking, "late");
        var asked = new List<(int, DtlsQuestion)>();
        for (int i = 0; i < 2; i++)
        {
            pair.RunUntil(() => side.Engine.TryNeed(out int t, out var q) && Keep(t, q), TimeSpan.FromSeconds(5));
            pair.Run(TimeSpan.FromSeconds(3));
            side.Engine.Supply(asked[i].Item1, Answer(asked[i].Item2, clientKey), pair.Now);
            pair.Drain();
        }
        pair.RunUntil(() => side.IsConnected && pair.Connected.Count == 2);
        pair.Exchange(side, pair.Connected[1]);
        Assert.Equal(["Judge", "Sign"], asked.Select(a => a.Item2.GetType().Name));

        bool Keep(int ticket, DtlsQuestion question)
        {
            asked.Add((ticket, question));
            return true;
        }
    }

    [Fact]
    public void Refusing_answers_end_the_handshake()
    {
        using var pair = new Pair(new DtlsServerOptions { AskPsk = true }) { AnswerServer = _ => new DtlsAnswer.Psk(null) };
        var side = pair.Connect(TestPki.PskClient(DtlsCipherSuite.PskAes128Ccm8));
        pair.RunUntil(() => side.Failure is not null);
        Assert.Equal(DtlsAlert.BadRecordMac, side.Failure!.Alert);
        // Nobody answers at all.
        using var silent = new Pair(new DtlsServerOptions { AskPsk = true });
        var waiting = silent.Connect(TestPki.PskClient(DtlsCipherSuite.PskAes128Ccm8));
        silent.Run();
        Assert.Single(silent.ServerQuestions);
        Assert.NotNull(waiting.Failure);
        Assert.Equal(0, silent.Server.Sessions);
    }

    [Fact]
    public void Hints_choose_the_key()
    {
        var server = TestPki.PskServer(DtlsCipherSuite.PskAes128Ccm8, DtlsCipherSuite.EcdhePskAes128CbcSha256) with { PskHint = "gateway"u8.ToArray() };
        foreach (var suite in server.Suites)
        {
            using var pair = new Pair(server);
            pair.Works(new DtlsClientOptions { Suites = [suite], PskFor = hint => hint.Span.SequenceEqual("gateway"u8) ? TestPki.Psk : null });
        }
    }

    [Fact]
    public void Unknown_identities_look_like_wrong_keys_unless_told()
    {
        var client = TestPki.PskClient(DtlsCipherSuite.PskAes128Ccm8) with { Psk = new("nobody", TestPki.Key) };
        foreach (var (reveal, alert) in new[] { (false, DtlsAlert.BadRecordMac), (true, DtlsAlert.UnknownPskIdentity) })
        {
            using var pair = new Pair(TestPki.PskServer() with { RevealUnknownIdentities = reveal });
            var side = pair.Connect(client);
            pair.RunUntil(() => side.Failure is not null);
            Assert.Equal(alert, side.Failure!.Alert);
        }
        using var wrong = new Pair(TestPki.PskServer());
        var guesser = wrong.Connect(client with { Psk = new("Client_identity", new SecretBytes(new byte[16])) });
        wrong.RunUntil(() => guesser.Failure is not null);
        Assert.Equal(DtlsAlert.BadRecordMac, guesser.Failure!.Alert);
    }

    [Fact]
    public void A_wrong_password_is_one_guess()
    {
        var (client, server) = PairTests.For(DtlsCipherSuite.EcjpakeAes128Ccm8);
        using var pair = new Pair(server);
        var side = pair.Connect(client with { Password = new SecretBytes("J01NMF"u8) });
        pair.RunUntil(() => side.Failure is not null);
        Assert.Equal(DtlsAlert.BadRecordMac, side.Failure!.Alert);
        Assert.True(side.Failure.FromPeer);
        Assert.Single(pair.ServerFailures);
    }

    [Fact]
    public void Contradicting_options_are_refused()
    {
        Assert.Throws<ArgumentException>(() => new DtlsServer<string>(new(), new SystemChance(), Pair.Start));
        Assert.Throws<ArgumentException>(() => new DtlsClient<string>(TestPki.PskClient(s_ecdsa), "server", new SystemChance(), Pair.Start));
        Assert.Throws<ArgumentException>(() => new DtlsClient<string>(TestPki.PskClient() with { Mtu = 100 }, "server", new SystemChance(), Pair.Start));
        Assert.Throws<ArgumentException>(() => new DtlsClient<string>(TestPki.PskClient() with { ConnectionIdLength = 9 }, "server", new SystemChance(), Pair.Start));
        // The anonymous suite is nobody's default.
        Assert.DoesNotContain(DtlsCipherSuite.EcdhAnonAes128CbcSha256, TestPki.PskServer().UsableSuites().Select(s => s.Id));
    }
}
