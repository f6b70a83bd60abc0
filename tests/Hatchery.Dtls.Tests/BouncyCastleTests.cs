using System.Net;
using System.Net.Sockets;
using Org.BouncyCastle.Tls;
using Org.BouncyCastle.Tls.Crypto.Impl.BC;

namespace Hatchery.Dtls.Tests;

/// <summary>BouncyCastle's DTLS in process, with pre-shared keys, over loopback; it blocks a thread of its own.</summary>
public sealed class BouncyCastleTests
{
    public static TheoryData<DtlsCipherSuite> Suites() =>
        [DtlsCipherSuite.PskAes128Ccm8, DtlsCipherSuite.PskAes128Ccm, DtlsCipherSuite.PskAes128GcmSha256, DtlsCipherSuite.PskAes128CbcSha256, DtlsCipherSuite.EcdhePskAes128CbcSha256, DtlsCipherSuite.EcdhePskAes128GcmSha256];

    private static readonly byte[] s_key = TestPki.Key.Reveal().ToArray();

    private sealed class BcClient(int suite) : PskTlsClient(new BcTlsCrypto(), new BasicTlsPskIdentity("Client_identity", s_key))
    {
        protected override ProtocolVersion[] GetSupportedVersions() => ProtocolVersion.DTLSv12.Only();
        protected override int[] GetSupportedCipherSuites() => [suite];
    }

    private sealed class BcServer(int suite) : PskTlsServer(new BcTlsCrypto(), new Manager())
    {
        protected override ProtocolVersion[] GetSupportedVersions() => ProtocolVersion.DTLSv12.Only();
        protected override int[] GetSupportedCipherSuites() => [suite];

        private sealed class Manager : TlsPskIdentityManager
        {
            public byte[]? GetHint() => null;
            public byte[]? GetPsk(byte[] identity) => identity.AsSpan().SequenceEqual("Client_identity"u8) ? [.. s_key] : null;
        }
    }

    private sealed class Wire(Socket socket, EndPoint peer) : DatagramTransport
    {
        public int GetReceiveLimit() => 1500;
        public int GetSendLimit() => 1200;
        public int Receive(byte[] buf, int off, int len, int waitMillis) => Receive(buf.AsSpan(off, len), waitMillis);

        public int Receive(Span<byte> buffer, int waitMillis)
        {
            if (!socket.Poll(waitMillis * 1000, SelectMode.SelectRead))
                return -1;
            var from = peer;
            return socket.ReceiveFrom(buffer, ref from);
        }

        public void Send(byte[] buf, int off, int len) => Send(buf.AsSpan(off, len));
        public void Send(ReadOnlySpan<byte> buffer) => socket.SendTo(buffer, peer);
        public void Close() { }
    }

    private static Socket NewSocket()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return socket;
    }

    /// <summary>Sends a word, and gives what came back.</summary>
    private static string Talk(DtlsTransport transport)
    {
        transport.Send("from bouncy castle"u8);
        byte[] buffer = new byte[1500];
        int n = transport.Receive(buffer, 0, buffer.Length, 20_000);
        transport.Close();
        return System.Text.Encoding.ASCII.GetString(buffer, 0, Math.Max(0, n));
    }

    private static async Task MeetAsync(OnUdp udp, Task<string> theirs, CancellationToken cancel)
    {
        await udp.ConnectedAsync(cancel);
        udp.Send("from hatchery");
        await udp.ReceivedAsync("from bouncy castle", cancel);
        Assert.Equal("from hatchery", await theirs);
    }

    [Theory, MemberData(nameof(Suites))]
    public async Task Its_client_and_our_server(DtlsCipherSuite suite)
    {
        using var patience = Peer.Patience();
        using var udp = new OnUdp();
        udp.Serve(TestPki.PskServer(suite));
        using var socket = NewSocket();
        var theirs = Task.Run(() => Talk(new DtlsClientProtocol().Connect(new BcClient((int)suite), new Wire(socket, new IPEndPoint(IPAddress.Loopback, udp.Port)))), patience.Token);
        await MeetAsync(udp, theirs, patience.Token);
        Assert.Equal(suite, udp.Connection.Suite);
    }

    [Theory, MemberData(nameof(Suites))]
    public async Task Our_client_and_its_server(DtlsCipherSuite suite)
    {
        using var patience = Peer.Patience();
        using var udp = new OnUdp();
        using var socket = NewSocket();
        var theirs = Task.Run(() => Talk(new DtlsServerProtocol().Accept(new BcServer((int)suite), new Wire(socket, new IPEndPoint(IPAddress.Loopback, udp.Port)))), patience.Token);
        udp.Connect(TestPki.PskClient(suite), ((IPEndPoint)socket.LocalEndPoint!).Port);
        await MeetAsync(udp, theirs, patience.Token);
        Assert.Equal(suite, udp.Connection.Suite);
    }
}
