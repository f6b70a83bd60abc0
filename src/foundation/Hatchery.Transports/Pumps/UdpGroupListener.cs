using System.Net;
using System.Net.Sockets;

namespace Hatchery.Transports;

/// <summary>Receives what is sent to a multicast group. It never sends: answers leave from another socket, with an address of their own.</summary>
public sealed class UdpGroupListener : IDisposable
{
    private const int MaxDatagram = 65535;
    private readonly Socket _socket;
    private readonly Action<byte[], IPEndPoint> _received;
    private volatile bool _stop;

    /// <param name="group">IPv4 or IPv6; several listeners may share its port.</param>
    /// <param name="interfaceIndex">0: the platform's choice.</param>
    /// <param name="received">Takes each datagram, its own copy, on the listener's thread.</param>
    public UdpGroupListener(IPEndPoint group, int interfaceIndex, Action<byte[], IPEndPoint> received)
    {
        _received = received;
        _socket = new Socket(group.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        try
        {
            _socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
            // Bound to the group: what comes to other addresses is not for this socket.
            _socket.Bind(group);
            if (group.AddressFamily == AddressFamily.InterNetworkV6)
                _socket.SetSocketOption(SocketOptionLevel.IPv6, SocketOptionName.AddMembership, new IPv6MulticastOption(group.Address, interfaceIndex));
            else
                _socket.SetSocketOption(SocketOptionLevel.IP, SocketOptionName.AddMembership, new MulticastOption(group.Address, interfaceIndex));
        }
        catch
        {
            _socket.Dispose();
            throw;
        }
        new Thread(Run) { IsBackground = true, Name = $"UDP group {group}" }.Start();
    }

    private void Run()
    {
        var buffer = new byte[MaxDatagram];
        while (!_stop)
        {
            try
            {
                EndPoint from = new IPEndPoint(_socket.AddressFamily == AddressFamily.InterNetworkV6 ? IPAddress.IPv6Any : IPAddress.Any, 0);
                int length = _socket.ReceiveFrom(buffer, ref from);
                _received(buffer[..length], (IPEndPoint)from);
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                if (e is ObjectDisposedException)
                    return;
            }
        }
    }

    public void Dispose()
    {
        _stop = true;
        _socket.Dispose();
    }
}
