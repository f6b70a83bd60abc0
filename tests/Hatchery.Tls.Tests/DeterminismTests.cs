namespace Hatchery.Tls.Tests;

public sealed class DeterminismTests
{
    private static readonly TestPki s_pki = new(1);
    private static readonly TlsIdentity s_server = s_pki.Server(), s_client = s_pki.Client();

    public static TheoryData<string> Kinds => ["certificates 1.2", "certificates 1.3", "PSK 1.2 CBC", "PSK 1.3", "SRP"];

    private static Pair Run(string kind, int seed)
    {
        var server = new TlsServerOptions
        {
            Identity = s_server,
            ClientCertificates = ClientCertificates.Require,
            PskOf = _ => new SecretBytes("0123456789abcdef"u8),
            SrpVerifierOf = user => SrpVerifier.Create(user, new SecretText("pw"), new SeededChance(3)),
        };
        ChannelSecurity security = kind[..3] switch
        {
            "PSK" => new ChannelSecurity.Psk([.. "id"u8], new SecretBytes("0123456789abcdef"u8)),
            "SRP" => new SrpSecurity("alice", new SecretText("pw")),
            _ => s_pki.Anchored,
        };
        var client = new TlsClientOptions
        {
            Security = security,
            Identity = s_client,
            Versions = kind.EndsWith('3') ? TlsVersions.Tls13 : TlsVersions.Tls12,
            CipherSuites = kind == "PSK 1.2 CBC" ? [System.Net.Security.TlsCipherSuite.TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256] : [],
        };
        var pair = new Pair(client, server, seed).Run().Talk();
        pair.Client.Engine.Close(pair.Now);
        return pair.Run();
    }

    [Theory, MemberData(nameof(Kinds))]
    public void The_same_chance_gives_the_same_flights_to_the_byte(string kind)
    {
        using Pair first = Run(kind, 1), again = Run(kind, 1), other = Run(kind, 2);
        Assert.True(first.Client.Sent.Count > 200);
        Assert.Equal(Convert.ToHexString([.. first.Client.Sent]), Convert.ToHexString([.. again.Client.Sent]));
        Assert.Equal(Convert.ToHexString([.. first.Server.Sent]), Convert.ToHexString([.. again.Server.Sent]));
        Assert.NotEqual(Convert.ToHexString([.. first.Client.Sent]), Convert.ToHexString([.. other.Client.Sent]));
        Assert.DoesNotContain(first.ClientChance.Draws.Keys.Concat(first.ServerChance.Draws.Keys), use => use.EndsWith(".other", StringComparison.Ordinal));
        Assert.Contains("TLS.client.random", first.ClientChance.Draws.Keys);
        Assert.Contains("TLS.server.random", first.ServerChance.Draws.Keys);
        Assert.Contains(kind == "SRP" ? "TLS.client.srp" : "TLS.client.key_share", first.ClientChance.Draws.Keys);
    }
}
