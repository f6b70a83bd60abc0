using System.Buffers.Binary;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Threading.Channels;

namespace Hatchery.Transports;

/// <summary>Runs an engine on one network interface of Linux, for frames of one EtherType; needs CAP_NET_RAW. The engine sees what follows the link's header.</summary>
public sealed class EthernetEnginePump<TEvent> : IAsyncDisposable where TEvent : struct
{
    private const int MaxFrame = 1600;
    private readonly IEngine<EthernetPath, TEvent> _engine;
    private readonly EngineEventHandler<TEvent> _happened;
    private readonly PumpOptions _options;
    private readonly Medium _medium;
    private readonly Socket _socket;
    private readonly SocketAddress _to;
    private readonly Channel<Action> _mail = Channel.CreateUnbounded<Action>(new UnboundedChannelOptions { SingleReader = true });
    private readonly CancellationTokenSource _stop = new();
    private Task _running = Task.CompletedTask;

    /// <param name="network">The interface's name: "eth0".</param>
    /// <param name="group">A group address whose frames are received too; null: none.</param>
    /// <param name="medium">As captures name it: "EAPOL".</param>
    /// <exception cref="IOException">No such interface, or no right to open it.</exception>
    public EthernetEnginePump(string network, ushort etherType, EthernetPath? group, Medium medium, IEngine<EthernetPath, TEvent> engine, EngineEventHandler<TEvent> happened,
        PumpOptions? options = null)
    {
        (_engine, _happened, _medium, _options) = (engine, happened, medium, options ?? new());
        if (!OperatingSystem.IsLinux())
            throw new PlatformNotSupportedException("Packet sockets are Linux's.");
        uint index = PacketSocket.IndexOf(network);
        Address = PacketSocket.AddressOf(network);
        try
        {
            _socket = new Socket(AddressFamily.Packet, SocketType.Dgram, (ProtocolType)BinaryPrimitives.ReverseEndianness(etherType));
            _socket.Bind(new PacketSocket.EndPointOf(PacketSocket.NewAddress(index, etherType, default)));
            if (group is { } multicast)
                PacketSocket.Join(_socket, index, multicast);
        }
        catch (SocketException e)
        {
            _socket?.Dispose();
            throw new IOException($"{network} cannot be opened for packets: {e.Message}. That takes CAP_NET_RAW.", e);
        }
        _to = PacketSocket.NewAddress(index, etherType, default);
    }

    /// <summary>The interface's own.</summary>
    public EthernetPath Address { get; }
    /// <summary>Ends when the pump was disposed; faulted if the interface or the handler failed.</summary>
    public Task Completion => _running;

    public void Start() => _running = Task.Run(RunAsync);

    /// <summary>Runs something on the pump's thread (an engine's <c>Start</c>, say); from any thread.</summary>
    public void Post(Action action) => _mail.Writer.TryWrite(action);

    private async Task RunAsync()
    {
        var clock = _options.Clock;
        var input = new byte[MaxFrame];
        var output = new byte[MaxFrame];
        var from = PacketSocket.NewReceiver();
        await using var timer = clock.Provider.CreateTimer(static p => ((EthernetEnginePump<TEvent>)p!).Post(static () => { }), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        Task<int>? read = null;
        Task? mail = null;
        var ticked = Moment.Never;
        try
        {
            while (!_stop.IsCancellationRequested)
            {
                Drain(output);
                var due = _engine.Deadline;
                if (due <= clock.Elapsed && due != ticked)
                {
                    ticked = due;
                    _engine.Tick(clock.Now);
                    continue;
                }
                timer.Change(due == ticked ? Timeout.InfiniteTimeSpan : clock.Until(due), Timeout.InfiniteTimeSpan);
                if (read is null)
                {
                    from.Size = PacketSocket.ReceiverSize;
                    read = _socket.ReceiveFromAsync(input, SocketFlags.None, from, _stop.Token).AsTask();
                }
                mail ??= _mail.Reader.WaitToReadAsync(_stop.Token).AsTask();
                await Task.WhenAny(read, mail);
                if (read.IsCompleted)
                {
                    var task = read;
                    read = null;
                    int length = await task;
                    if (PacketSocket.IsIncoming(from))
                        Receive(input.AsSpan(0, length), PacketSocket.PathOf(from));
                }
                if (mail.IsCompleted)
                {
                    mail = null;
                    while (_mail.Reader.TryRead(out var action))
                        action();
                }
            }
        }
        catch (Exception e) when (_stop.IsCancellationRequested && e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // Disposed.
        }
    }

    private void Receive(Span<byte> frame, EthernetPath from)
    {
        var tag = default(Tag);
        if ((_options.Witness.Watching & Watch.Frames) != 0)
        {
            tag = _options.Witness.NewTag();
            Report(frame, from, Way.Received, tag, false);
        }
        _engine.Receive(frame, in from, _options.Clock.Now, tag);
    }

    private void Drain(byte[] output)
    {
        while (_engine.TryEvent(out var what))
            _happened(in what);
        while (_engine.TryTransmit(output, out var piece))
        {
            var bytes = output.AsSpan(0, piece.Length);
            if ((_options.Witness.Watching & Watch.Frames) != 0)
                Report(bytes, piece.Path, Way.Sent, piece.Tag, piece.Repeats);
            PacketSocket.Write(_to, piece.Path);
            try
            {
                _socket.SendTo(bytes, SocketFlags.None, _to);
            }
            catch (SocketException)
            {
                // As if the link had lost it: it may be down.
            }
        }
    }

    private void Report(ReadOnlySpan<byte> bytes, EthernetPath peer, Way way, Tag tag, bool repeats) =>
        new CapturePoint(_options.Witness, _options.Clock, _options.Session, $"{Address}", $"{peer}").Report(bytes, way, tag, _medium, repeats);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _socket.Dispose();
        _stop.Dispose();
    }
}

/// <summary>Linux's packet(7): sockaddr_ll is family (2), protocol (2, big endian), interface (4), hardware type (2), packet type (1), address length (1), address (8).</summary>
internal static partial class PacketSocket
{
    private const int Size = 20, LevelPacket = 263, AddMembership = 1;
    private const byte Outgoing = 4;

    [LibraryImport("libc", EntryPoint = "if_nametoindex", StringMarshalling = StringMarshalling.Utf8)]
    private static partial uint NameToIndex(string name);

    public static uint IndexOf(string network) => NameToIndex(network) is > 0 and var index ? index : throw new IOException($"There is no network interface {network}.");

    /// <summary>Asked of the kernel, not of /sys, which may show another network namespace.</summary>
    public static EthernetPath AddressOf(string network) =>
        NetworkInterface.GetAllNetworkInterfaces().FirstOrDefault(i => i.Name == network)?.GetPhysicalAddress().GetAddressBytes() is { Length: 6 } bytes
            ? new EthernetPath(BinaryPrimitives.ReadUInt16BigEndian(bytes) * 0x1_0000_0000UL + BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(2)))
            : throw new IOException($"{network} is no Ethernet interface.");

    public static SocketAddress NewAddress(uint index, ushort etherType, EthernetPath path)
    {
        var address = new SocketAddress(AddressFamily.Packet, Size);
        var bytes = address.Buffer.Span;
        BinaryPrimitives.WriteUInt16BigEndian(bytes[2..], etherType);
        MemoryMarshal.Write(bytes[4..], in index);
        bytes[11] = 6;
        Write(address, path);
        return address;
    }

    /// <summary>What .NET wants to receive into, for families that it does not know.</summary>
    public const int ReceiverSize = 128;

    public static SocketAddress NewReceiver() => new(AddressFamily.Packet, ReceiverSize);

    public static void Write(SocketAddress address, EthernetPath path)
    {
        var bytes = address.Buffer.Span;
        BinaryPrimitives.WriteUInt64BigEndian(bytes[12..], path.Address << 16);
    }

    public static EthernetPath PathOf(SocketAddress address) => new(BinaryPrimitives.ReadUInt64BigEndian(address.Buffer.Span[12..]) >> 16);

    /// <summary>The kernel shows a socket what others on this machine send, too.</summary>
    public static bool IsIncoming(SocketAddress address) => address.Buffer.Span[10] != Outgoing;

    /// <summary>packet_mreq: interface (4), type (2, multicast is 0), address length (2), address (8).</summary>
    public static void Join(Socket socket, uint index, EthernetPath group)
    {
        Span<byte> request = stackalloc byte[16];
        request.Clear();
        MemoryMarshal.Write(request, in index);
        ushort length = 6;
        MemoryMarshal.Write(request[6..], in length);
        BinaryPrimitives.WriteUInt64BigEndian(request[8..], group.Address << 16);
        socket.SetRawSocketOption(LevelPacket, AddMembership, request);
    }

    public sealed class EndPointOf(SocketAddress address) : EndPoint
    {
        public override AddressFamily AddressFamily => AddressFamily.Packet;
        public override SocketAddress Serialize() => address;
    }
}
