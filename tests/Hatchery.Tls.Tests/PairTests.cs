using System.Net.Security;
using System.Security.Cryptography;
using System.Text;
using CsCheck;
using Hatchery.Tls.Bouncy;
using Org.BouncyCastle.Tls;

namespace Hatchery.Tls.Tests;

public sealed class PairTests
{
    private static readonly TestPki s_pki = new(1);
    private static readonly TlsServerOptions s_server = new() { Identity = s_pki.Server() };
    private static readonly TlsClientOptions s_client = new() { Security = s_pki.Anchored, ServerName = "server.example" };

    [Theory]
    [InlineData(TlsVersions.Tls12, TlsVersions.Tls12)]
    [InlineData(TlsVersions.Tls13, TlsVersions.Tls13)]
    [InlineData(TlsVersions.All, TlsVersions.Tls13)]
    public void Both_sides_agree_on_everything(TlsVersions offered, TlsVersions expected)
    {
        using var pair = new Pair(s_client with { Versions = offered, ApplicationProtocols = ["x", "est"] }, s_server with { ApplicationProtocols = ["est"] }).Run();
        pair.AssertConnected();
        pair.Talk();
        foreach (var connection in (TlsConnection[])[pair.Client.Connection!, pair.Server.Connection!])
        {
            Assert.Equal(expected, connection.Version);
            Assert.Equal("est", connection.ApplicationProtocol);
            Assert.True(connection.CanExport);
            Assert.Equal(expected == TlsVersions.Tls12 ? 12 : 0, connection.TlsUnique.Length);
        }
        Assert.Equal("server.example", pair.Server.Connection!.ServerName);
        Assert.Equal(s_server.Identity!.Chain.Select(Convert.ToHexString), pair.Client.Connection!.PeerChain.Select(Convert.ToHexString));
        Assert.Empty(pair.Server.Connection.PeerChain);
        Assert.True(pair.Client.Connection.TlsUnique.Span.SequenceEqual(pair.Server.Connection.TlsUnique.Span));
        Assert.Equal(expected == TlsVersions.Tls13 ? "TLS 1.3" : "TLS 1.2", pair.Client.Connection.Layer.Name);
    }

    [Theory]
    [InlineData(TlsVersions.Tls12)]
    [InlineData(TlsVersions.Tls13)]
    public void Exported_keys_are_equal_on_both_sides_and_depend_on_label_context_and_length(TlsVersions version)
    {
        using var pair = new Pair(s_client with { Versions = version }, s_server).Run();
        byte[] Client(string label, byte[]? context, int length) => pair.Client.Connection!.Export(label, context, length);
        byte[] Server(string label, byte[]? context, int length) => pair.Server.Connection!.Export(label, context, length);
        foreach (var context in (byte[]?[])[null, [], [1, 2, 3]])
            Assert.Equal(Client("EXPERIMENTAL test", context, 48), Server("EXPERIMENTAL test", context, 48));
        Assert.NotEqual(Client("a", null, 32), Client("b", null, 32));
        Assert.NotEqual(Client("a", [1], 32), Client("a", [2], 32));
        Assert.Equal(version == TlsVersions.Tls13, Client("a", null, 32).SequenceEqual(Client("a", [], 32)));
        pair.Client.Engine.Dispose();
        Assert.Throws<InvalidOperationException>(() => Client("a", null, 32));
    }

    /// <summary>Exports by BouncyCastle's own code, which works only at the end of the handshake.</summary>
    private sealed class Exporting(ChanceCrypto crypto, TlsServerOptions options, Progress progress) : ServerPeer(crypto, options, progress)
    {
        public List<string> Keys { get; } = [];

        public override void NotifyHandshakeComplete()
        {
            base.NotifyHandshakeComplete();
            Keys.AddRange(s_contexts.Select(c => Convert.ToHexString(m_context.ExportKeyingMaterial("EXPERIMENTAL test", c, 48))));
        }
    }

    private static readonly byte[]?[] s_contexts = [null, [], [1, 2, 3], new byte[300]];

    [Theory]
    [InlineData(TlsVersions.Tls12)]
    [InlineData(TlsVersions.Tls13)]
    public void Keys_exported_late_are_those_of_the_end_of_the_handshake(TlsVersions version)
    {
        var progress = new Progress { Now = Pair.Start };
        var peer = new Exporting(new ChanceCrypto(new SeededChance(2), "server", progress), s_server, progress);
        var server = new TlsServerProtocol();
        server.Accept(peer);
        var client = new Side(new TlsClientEngine(s_client with { Versions = version }, new SeededChance(1), Pair.Start));
        for (int i = 0; i < 3; i++)
        {
            server.OfferInput(client.Transmit());
            byte[] bytes = new byte[server.GetAvailableOutputBytes()];
            server.ReadOutput(bytes, 0, bytes.Length);
            client.Engine.Receive(bytes, default, Pair.Start, default);
            client.Drain();
        }
        Assert.Equal(s_contexts.Length, peer.Keys.Count);
        Assert.Equal(peer.Keys, s_contexts.Select(c => Convert.ToHexString(client.Connection!.Export("EXPERIMENTAL test", c, 48))));
    }

    [Fact]
    public void Bytes_may_arrive_in_pieces_of_any_size()
    {
        Gen.Select(Gen.Int[1, 3000].Array[1, 20], Gen.Byte.Array[0, 40_000], Gen.Bool).Sample((sizes, data, is13) =>
        {
            int i = 0;
            using var pair = new Pair(s_client with { Versions = is13 ? TlsVersions.Tls13 : TlsVersions.Tls12 }, s_server) { Chunk = () => sizes[i++ % sizes.Length] };
            pair.Run().AssertConnected();
            Assert.Equal(Accepted.Yes, pair.Client.Engine.Send(data, new Tag(1), pair.Now));
            Assert.Equal(Accepted.Yes, pair.Server.Engine.Send(data, new Tag(2), pair.Now));
            pair.Client.Engine.Close(pair.Now);
            pair.Run();
            Assert.Equal(data, pair.Server.Data);
            Assert.Equal(TlsEventKind.Closed, pair.Server.End!.Value.Kind);
            Assert.True(pair.Server.End.Value.ByPeer);
            Assert.False(pair.Client.End!.Value.ByPeer);
        }, iter: 40, threads: 1);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    public void Single_bytes_suffice(int size)
    {
        using var pair = new Pair(s_client, s_server) { Chunk = () => size };
        pair.Run().Talk();
    }

    [Theory]
    [InlineData(TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256)]
    [InlineData(TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384)]
    [InlineData(TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256)]
    [InlineData(TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_CCM)]
    [InlineData(TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8)]
    [InlineData(TlsCipherSuite.TLS_AES_128_GCM_SHA256)]
    [InlineData(TlsCipherSuite.TLS_AES_256_GCM_SHA384)]
    [InlineData(TlsCipherSuite.TLS_CHACHA20_POLY1305_SHA256)]
    [InlineData(TlsCipherSuite.TLS_AES_128_CCM_SHA256)]
    public void Every_suite_with_certificates_works(TlsCipherSuite suite)
    {
        using var pair = new Pair(s_client with { CipherSuites = [suite] }, s_server).Run().Talk();
        Assert.Equal(suite, pair.Client.Connection!.CipherSuite);
        Assert.Equal(suite, pair.Server.Connection!.CipherSuite);
    }

    [Theory]
    [InlineData(TlsCipherSuite.TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256)]
    [InlineData(TlsCipherSuite.TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256)]
    [InlineData(TlsCipherSuite.TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256)]
    [InlineData(TlsCipherSuite.TLS_PSK_WITH_AES_128_GCM_SHA256)]
    [InlineData(TlsCipherSuite.TLS_PSK_WITH_AES_128_CCM)]
    [InlineData(TlsCipherSuite.TLS_PSK_WITH_AES_128_CCM_8)]
    [InlineData(TlsCipherSuite.TLS_AES_128_GCM_SHA256)]
    [InlineData(TlsCipherSuite.TLS_CHACHA20_POLY1305_SHA256)]
    public void Every_suite_with_a_shared_key_works_and_only_with_the_right_one(TlsCipherSuite suite)
    {
        byte[] key = RandomNumberGenerator.GetBytes(16);
        var server = new TlsServerOptions { PskOf = id => id.Span.SequenceEqual("dev-1"u8) ? new SecretBytes(key) : null };
        TlsClientOptions Client(string identity, byte[] k) =>
            new() { Security = new ChannelSecurity.Psk([.. Encoding.ASCII.GetBytes(identity)], new SecretBytes(k)), CipherSuites = [suite] };
        using (var pair = new Pair(Client("dev-1", key), server).Run().Talk())
        {
            Assert.Equal(suite, pair.Client.Connection!.CipherSuite);
            Assert.Equal("dev-1"u8, pair.Server.Connection!.PskIdentity.Span);
            Assert.Equal(pair.Client.Connection.Export("x", null, 16), pair.Server.Connection.Export("x", null, 16));
        }
        foreach (var client in (TlsClientOptions[])[Client("dev-1", new byte[16]), Client("dev-2", key)])
        {
            using var pair = new Pair(client, server).Run();
            Assert.NotNull(pair.Client.Failure);
            Assert.NotNull(pair.Server.Failure);
            Assert.Null(pair.Server.Connection);
        }
    }

    [Fact]
    public void A_client_with_a_shared_key_accepts_no_certificate_instead()
    {
        var client = new TlsClientOptions { Security = new ChannelSecurity.Psk([.. "dev-1"u8], new SecretBytes(new byte[16])) };
        foreach (var version in (TlsVersions[])[TlsVersions.Tls12, TlsVersions.Tls13])
        {
            using var pair = new Pair(client with { Versions = version }, s_server).Run();
            Assert.NotNull(pair.Client.Failure);
            Assert.Null(pair.Client.Connection);
        }
    }

    [Theory]
    [InlineData(2048)]
    [InlineData(3072)]
    public void A_password_is_proven_by_SRP(int bits)
    {
        var verifier = SrpVerifier.Create("alice", new SecretText("password123"), new SeededChance(5), bits);
        var server = new TlsServerOptions { SrpVerifierOf = user => user == "alice" ? verifier : null };
        TlsClientOptions Client(string user, string password) => new() { Security = new SrpSecurity(user, new SecretText(password)) };
        using (var pair = new Pair(Client("alice", "password123"), server).Run().Talk())
        {
            Assert.Equal("alice", pair.Server.Connection!.SrpUser);
            Assert.Equal(TlsVersions.Tls12, pair.Client.Connection!.Version);
            Assert.True(pair.Client.Connection.TlsUnique.Span.SequenceEqual(pair.Server.Connection.TlsUnique.Span));
        }
        using var wrong = new Pair(Client("alice", "password124"), server).Run();
        Assert.Null(wrong.Server.Connection);
        Assert.Null(wrong.Client.Connection);
        Assert.NotNull(wrong.Server.Failure);
        using var unknown = new Pair(Client("bob", "password123"), server).Run();
        Assert.Equal((byte)115, unknown.Server.Failure!.Alert);
        Assert.Equal((byte)115, unknown.Client.Failure!.Alert);
        Assert.True(unknown.Client.Failure.FromPeer);
    }

    [Fact]
    public void One_server_serves_certificates_keys_and_passwords()
    {
        var verifier = SrpVerifier.Create("alice", new SecretText("pw"), new SeededChance(5));
        var server = s_server with { PskOf = _ => new SecretBytes("0123456789abcdef"u8), SrpVerifierOf = _ => verifier };
        foreach (ChannelSecurity security in (ChannelSecurity[])
            [s_pki.Anchored, new ChannelSecurity.Psk([.. "x"u8], new SecretBytes("0123456789abcdef"u8)), new SrpSecurity("alice", new SecretText("pw"))])
            foreach (var version in (TlsVersions[])[TlsVersions.Tls12, TlsVersions.All])
            {
                using var pair = new Pair(new() { Security = security, Versions = version }, server).Run().Talk();
                Assert.Equal(security is ChannelSecurity.Certificates, !pair.Client.Connection!.PeerChain.IsEmpty);
            }
    }

    [Fact]
    public void Keys_on_P384_work()
    {
        foreach (var version in (TlsVersions[])[TlsVersions.Tls12, TlsVersions.Tls13])
        {
            using var pair = new Pair(s_client with { Versions = version, Identity = s_pki.Client(curve: ECCurve.NamedCurves.nistP384) },
                new() { Identity = s_pki.Server(curve: ECCurve.NamedCurves.nistP384), ClientCertificates = ClientCertificates.Require }).Run().Talk();
            Assert.Equal(2, pair.Server.Connection!.PeerChain.Length);
        }
    }

    [Fact]
    public void Tags_run_from_data_to_records_and_back()
    {
        using var pair = new Pair(s_client, s_server).Run();
        pair.Client.Frames.Clear();
        pair.Client.Engine.Send(new byte[3000], new Tag(21), pair.Now);
        pair.Client.Engine.Send("x"u8, new Tag(22), pair.Now);
        pair.Run();
        Assert.Equal([new Tag(21), new Tag(22)], pair.Client.Frames.Select(f => f.Tag).Distinct());
        Assert.Equal(3000 + 22, pair.Client.Frames.Where(f => f.Tag.Value == 21).Sum(f => f.Length));
        Assert.All(pair.Server.DataTags, t => Assert.Equal(new Tag(7), t));
    }

    [Fact]
    public void Options_that_leave_nothing_to_offer_are_refused_at_once()
    {
        Assert.Throws<ArgumentException>(() => new TlsServerEngine(new(), new SeededChance(1), Pair.Start));
        Assert.Throws<ArgumentException>(() => new TlsClientEngine(new() { Security = new SrpSecurity("a", new SecretText("b")), Versions = TlsVersions.Tls13 }, new SeededChance(1), Pair.Start));
        Assert.Throws<ArgumentException>(() => new TlsClientEngine(s_client with { CipherSuites = [TlsCipherSuite.TLS_RSA_WITH_AES_128_CBC_SHA] }, new SeededChance(1), Pair.Start));
    }
}
