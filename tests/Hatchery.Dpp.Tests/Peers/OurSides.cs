using System.Net;
using System.Net.Sockets;
using Hatchery.Cryptography;
using Hatchery.Dpp.Configurator;
using Hatchery.Dpp.Device;
using Hatchery.Transports;

namespace Hatchery.Dpp.Tests.Peers;

/// <summary>Our Controller on loopback.</summary>
internal sealed class OurController : IAsyncDisposable
{
    public static readonly SystemClock Clock = new();
    private readonly TcpEngineListener _listener;
    private readonly ConfiguratorOptions _options;
    private readonly List<BootstrappingKey> _peers;
    private readonly Func<ConfigurationAsked, ConfigurationDecision> _decide;
    private readonly System.Threading.Channels.Channel<Outcome> _outcomes = System.Threading.Channels.Channel.CreateUnbounded<Outcome>();

    public OurController(ConfiguratorOptions options, IEnumerable<BootstrappingKey> peers, Func<ConfigurationAsked, ConfigurationDecision> decide)
    {
        (_options, _peers, _decide) = (options, [.. peers], decide);
        _listener = new TcpEngineListener(new IPEndPoint(IPAddress.Loopback, 0), ServeAsync, e => _outcomes.Writer.TryWrite(new Outcome(false, e.ToString())));
    }

    public int Port => _listener.EndPoint.Port;
    public List<ConfiguratorQuestion.Finished> Journal { get; } = [];
    public async Task<Outcome> EndedAsync()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        return await _outcomes.Reader.ReadAsync(limit.Token);
    }

    private Task ServeAsync(Socket socket, CancellationToken cancel) => RunAsync(socket, new ControllerConnection(_options, new SystemChance(), Clock.Now), cancel);

    /// <summary>Connects to an Enrollee that listens.</summary>
    public async Task<Outcome> InitiateAsync(int port, BootstrappingKey enrollee)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, port);
        var connection = new ControllerConnection(_options, new SystemChance(), Clock.Now);
        connection.Initiate(enrollee, Clock.Now);
        await RunAsync(socket, connection, CancellationToken.None);
        return await EndedAsync();
    }

    private async Task RunAsync(Socket socket, ControllerConnection connection, CancellationToken cancel)
    {
        using var _ = connection;
        TcpEnginePump<ControllerEvent> pump = null!;
        pump = new TcpEnginePump<ControllerEvent>(connection, (in ControllerEvent happened) =>
        {
            switch (happened.Question)
            {
                case ConfiguratorQuestion.Peer(var hash):
                    connection.SupplyPeer(_peers.Find(p => p.Hash.Span.SequenceEqual(hash.Span)), Clock.Now);
                    break;
                case ConfiguratorQuestion.Chirper(var hash):
                    connection.SupplyPeer(_peers.Find(p => p.ChirpHash.Span.SequenceEqual(hash.Span)), Clock.Now);
                    break;
                case ConfiguratorQuestion.Configure(var asked):
                    connection.SupplyDecision(_decide(asked), Clock.Now);
                    break;
                case ConfiguratorQuestion.Finished finished:
                    lock (Journal)
                        Journal.Add(finished);
                    break;
            }
            if (happened.Ended is { } outcome)
            {
                _outcomes.Writer.TryWrite(outcome);
                pump.Close();
            }
        });
        if (await pump.RunAsync(socket, cancel) != PumpEnd.Closed)
        {
            connection.Lost();
            while (connection.TryEvent(out var left))
                if (left.Ended is { } outcome)
                    _outcomes.Writer.TryWrite(outcome);
        }
    }

    public ValueTask DisposeAsync() => _listener.DisposeAsync();
}

/// <summary>Our Enrollee, as client or as the one that is connected to.</summary>
internal static class OurEnrollee
{
    public static async Task<(Outcome Outcome, ReceivedConfiguration? Received)> RunAsync(Socket socket, EnrolleeSession session, Action begin, Func<ReadOnlyMemory<byte>, BootstrappingKey?>? find = null, IWitness? witness = null)
    {
        var connection = new EnrolleeConnection(session, witness);
        Outcome? outcome = null;
        ReceivedConfiguration? received = null;
        TcpEnginePump<EnrolleeEvent> pump = null!;
        pump = new TcpEnginePump<EnrolleeEvent>(connection, (in EnrolleeEvent happened) =>
        {
            switch (happened.Move)
            {
                case EnrolleeMove.Save(var saved):
                    received = saved;
                    connection.Saved();
                    break;
                case EnrolleeMove.FindPeer(var hash):
                    session.SupplyPeer(find?.Invoke(hash), OurController.Clock.Now);
                    connection.Drain();
                    break;
                case EnrolleeMove.TryNetwork:
                    session.Connected(new DppConnectionStatus((int)DppStatus.NoAp, "net1"u8.ToArray(), null));
                    connection.Drain();
                    break;
                case EnrolleeMove.End(var end):
                    outcome = end;
                    pump.Close();
                    break;
            }
        });
        begin();
        connection.Drain();
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        var ended = await pump.RunAsync(socket, limit.Token);
        return (outcome ?? new Outcome(false, $"The connection ended: {ended}"), received);
    }

    public static async Task<Socket> ConnectAsync(int port)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, port);
        return socket;
    }

    public static EnrolleeSession Session(BootstrappingKeyPair own, int version = 2, string netRole = "sta", int? capabilities = null, bool mutual = false) => new(new EnrolleeSessionOptions
    {
        Exchange = new ExchangeOptions { Own = [own], Capabilities = DppCapabilities.Enrollee, Version = version, RequiresMutual = mutual },
        Request = new ConfigurationRequestObject { Name = "duckling", NetRole = netRole, Capabilities = capabilities },
    }, new SystemChance());
}
