using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Hatchery.Coap;
using Hatchery.Coap.Sockets;

namespace Hatchery.Bench.Coap;

/// <summary>Requests per second over UDP and server CPU per request: our server and libcoap's coap-server in turn, each in a process of its own, under the same load:
/// 64 clients (a socket each) with one confirmable GET outstanding, tokens of 8 bytes, the same 2.05 with text.</summary>
internal static class CoapLoad
{
    private const int Clients = 64;

    /// <param name="args">Seconds per run (5) and runs (3).</param>
    public static async Task<int> RunAsync(string[] args)
    {
        int seconds = args.Length > 0 ? int.Parse(args[0], CultureInfo.InvariantCulture) : 5;
        int runs = args.Length > 1 ? int.Parse(args[1], CultureInfo.InvariantCulture) : 3;
        Console.WriteLine("server                requests/s   CPU us/request   bytes of answer");
        for (int run = 0; run < runs; run++)
        {
            await MeasureAsync("Hatchery", Environment.ProcessPath!, p => [typeof(CoapLoad).Assembly.Location, "coap-server", $"{p}"], seconds);
            await MeasureAsync("coap-server-notls", "coap-server-notls", p => ["-A", "127.0.0.1", "-p", $"{p}"], seconds);
        }
        return 0;
    }

    /// <summary>The server's process. Ends with its input.</summary>
    public static async Task<int> ServeAsync(int port)
    {
        var app = new CoapApp();
        var text = "This is a test server made with libcoap (see https://libcoap.net)\nCopyright (C) 2010--2022 Olaf Bergmann <bergmann@tzi.org> and others\n\n"u8.ToArray();
        app.MapGet("/", _ => CoapResults.Content(text, ContentFormat.TextPlain, maxAge: 0x2ffff));
        await using var server = CoapUdp.Open(app, new IPEndPoint(IPAddress.Loopback, port));
        await Console.In.ReadToEndAsync();
        return 0;
    }

    private static async Task MeasureAsync(string name, string command, Func<int, string[]> arguments, int seconds)
    {
        int port;
        using (var free = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp))
        {
            free.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            port = ((IPEndPoint)free.LocalEndPoint!).Port;
        }
        var start = new ProcessStartInfo(command) { RedirectStandardInput = true, RedirectStandardError = true };
        foreach (string argument in arguments(port))
            start.ArgumentList.Add(argument);
        using var server = Process.Start(start)!;
        server.ErrorDataReceived += static (_, _) => { };
        server.BeginErrorReadLine();
        try
        {
            await Task.Run(() => Load(server, port, 2));
            var (rate, cpu, bytes) = await Task.Run(() => Load(server, port, seconds));
            Console.WriteLine($"{name,-18} {rate,13:0} {cpu,16:0.00} {bytes,17}");
        }
        finally
        {
            server.Kill();
            server.WaitForExit();
        }
    }

    private static (double Rate, double Cpu, int Bytes) Load(Process server, int port, int seconds)
    {
        var sockets = new Socket[Clients];
        var request = new CoapMessage { Code = CoapCode.Get, Token = new CoapToken(new byte[8]) }.ToDatagram();
        var answer = new byte[2000];
        for (int i = 0; i < Clients; i++)
        {
            sockets[i] = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp) { ReceiveTimeout = 500 };
            sockets[i].Connect(IPAddress.Loopback, port);
        }
        long count = 0, number = Random.Shared.Next();
        int bytes = 0;
        var cpuBefore = Cpu(server);
        var clock = Stopwatch.StartNew();
        while (clock.Elapsed.TotalSeconds < seconds)
        {
            number++;
            BinaryPrimitives.WriteUInt16BigEndian(request.AsSpan(2), (ushort)number);
            BinaryPrimitives.WriteInt64BigEndian(request.AsSpan(4), number);
            foreach (var socket in sockets)
                Send(socket, request);
            foreach (var socket in sockets)
            {
                try
                {
                    bytes = socket.Receive(answer);
                    // The acknowledgment of this very request.
                    if ((answer[0] & 0x3f) != 0x28 || answer[1] != CoapCode.Content.Value || !answer.AsSpan(2, 10).SequenceEqual(request.AsSpan(2, 10)))
                        throw new InvalidOperationException("Not the answer.");
                    count++;
                }
                catch (SocketException)
                {
                    // Not there yet, or lost in a full buffer.
                }
            }
        }
        double elapsed = clock.Elapsed.TotalSeconds;
        double cpu = (Cpu(server) - cpuBefore).TotalMicroseconds;
        foreach (var socket in sockets)
            socket.Dispose();
        return (count / elapsed, cpu / Math.Max(1, count), bytes);
    }

    private static void Send(Socket socket, byte[] request)
    {
        try
        {
            socket.Send(request);
        }
        catch (SocketException)
        {
            // The server is not up yet.
        }
    }

    private static TimeSpan Cpu(Process process)
    {
        process.Refresh();
        return process.TotalProcessorTime;
    }
}
