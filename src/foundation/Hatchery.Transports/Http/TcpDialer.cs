using System.Net;
using System.Net.Sockets;

namespace Hatchery.Transports;

/// <summary>Resolves a name and tries its addresses one after the other.</summary>
public static class TcpDialer
{
    /// <summary>Throws <see cref="SocketException"/> (the last address's fault) or <see cref="TimeoutException"/>.</summary>
    /// <param name="timeout">For name and all addresses together; each address gets an even share of what is left.</param>
    public static async Task<Socket> ConnectAsync(string host, int port, TimeSpan timeout, TimeProvider time, CancellationToken cancel)
    {
        long start = time.GetTimestamp();
        using var whole = new CancellationTokenSource(timeout, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(whole.Token, cancel);
        Exception? last = null;
        try
        {
            var addresses = IPAddress.TryParse(host, out var literal) ? [literal] : await Dns.GetHostAddressesAsync(host, both.Token);
            for (int i = 0; i < addresses.Length; i++)
            {
                var share = (timeout - time.GetElapsedTime(start)) / (addresses.Length - i);
                using var each = new CancellationTokenSource(share > TimeSpan.Zero ? share : TimeSpan.Zero, time);
                using var three = CancellationTokenSource.CreateLinkedTokenSource(each.Token, both.Token);
                var socket = new Socket(addresses[i].AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                try
                {
                    await socket.ConnectAsync(new IPEndPoint(addresses[i], port), three.Token);
                    return socket;
                }
                catch (SocketException e)
                {
                    last = e;
                    socket.Dispose();
                }
                catch (OperationCanceledException) when (!both.IsCancellationRequested)
                {
                    socket.Dispose();
                }
                catch
                {
                    socket.Dispose();
                    throw;
                }
            }
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            last = null;
        }
        throw last ?? new TimeoutException($"No connection to {host} port {port} within {timeout.TotalSeconds} s.");
    }
}
