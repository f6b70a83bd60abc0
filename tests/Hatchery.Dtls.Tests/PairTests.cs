using Hatchery.Cryptography;

namespace Hatchery.Dtls.Tests;

/// <summary>Our client and our server.</summary>
public sealed class PairTests
{
    public static TheoryData<DtlsCipherSuite> Suites() => [.. Enum.GetValues<DtlsCipherSuite>()];

    internal static readonly SecretBytes Password = new("J01NME"u8);

    internal static (DtlsClientOptions Client, DtlsServerOptions Server) For(DtlsCipherSuite suite)
    {
        var info = SuiteInfo.Find((int)suite)!;
        var client = TestPki.PskClient(suite) with { Password = Password };
        var server = TestPki.PskServer(suite) with { Password = Password };
        if (info.HasCertificates)
        {
            client = client with { Trust = TestPki.Trust, ServerName = "server.example" };
            server = server with { Identity = TestPki.Leaf("server.example").Identity };
        }
        return (client, server);
    }

    [Theory, MemberData(nameof(Suites))]
    public void Every_suite_works(DtlsCipherSuite suite)
    {
        var (client, server) = For(suite);
        using var pair = new Pair(server);
        var side = pair.Works(client);
        var (here, there) = (side.Engine.Connection!, pair.Connected[0].Connection!);
        Assert.Equal(suite, here.Suite);
        Assert.Equal(suite, there.Suite);
        Assert.True(here.ExtendedMasterSecret && there.ExtendedMasterSecret);
        Assert.Equal(SuiteInfo.Find((int)suite)!.IsCbc, here.EncryptThenMac);
        Assert.Equal(here.Export("EXPORTER-test", null, 32), there.Export("EXPORTER-test", null, 32));
        Assert.NotEqual(here.Export("EXPORTER-test", null, 32), here.Export("EXPORTER-test", [], 32));
        side.Engine.Close(pair.Now);
        pair.Drain();
        pair.Run(TimeSpan.FromSeconds(1));
        Assert.Equal("Closed", pair.ServerEvents[^1]);
        Assert.Equal(0, pair.Server.Sessions);
    }

    [Theory, MemberData(nameof(Suites))]
    public void Every_suite_works_without_extensions(DtlsCipherSuite suite)
    {
        var (client, server) = For(suite);
        using var pair = new Pair(server);
        var side = pair.Works(client with { ExtendedMasterSecret = DtlsUse.Off, EncryptThenMac = DtlsUse.Off });
        Assert.False(side.Engine.Connection!.ExtendedMasterSecret || side.Engine.Connection.EncryptThenMac);
    }
}
