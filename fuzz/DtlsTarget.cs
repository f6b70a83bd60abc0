using Hatchery.Cryptography;
using Hatchery.Dtls;

namespace Hatchery.Fuzz;

/// <summary>Datagrams into both engines: a length of two bytes before each. Engines throw nothing, whatever comes.</summary>
internal static class DtlsTarget
{
    private static readonly SecretBytes s_key = new(new byte[16]), s_password = new("J01NME"u8);

    public static void Run(byte[] bytes)
    {
        var now = new Moment(TimeSpan.FromHours(1), null);
        var options = new DtlsServerOptions { PskOf = _ => s_key, Password = s_password, Cookies = false, ConnectionIdLength = 4 };
        using var server = new DtlsServer<int>(options, new SystemChance(), now);
        using var client = new DtlsClient<int>(new DtlsClientOptions { Psk = new("x", s_key), Password = s_password, AskTrust = true, ConnectionIdLength = 2 }, 0, new SystemChance(), now);
        byte[] buffer = new byte[4096];
        for (int at = 0; at + 2 <= bytes.Length;)
        {
            int length = Math.Min(bytes[at] << 8 | bytes[at + 1], bytes.Length - at - 2);
            byte[] datagram = bytes[(at + 2)..(at + 2 + length)];
            at += 2 + length;
            server.Receive([.. datagram], 1, now, default);
            client.Receive(datagram, 0, now, default);
            while (server.TryEvent(out _) || client.TryEvent(out _) || server.TryTransmit(buffer, out _) || client.TryTransmit(buffer, out _))
            {
            }
            now = now with { Elapsed = now.Elapsed + TimeSpan.FromSeconds(1) };
            server.Tick(now);
            client.Tick(now);
        }
    }
}
