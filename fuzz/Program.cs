using Hatchery;
using Hatchery.Fdo;
using Hatchery.Fdo.Transport;
using SharpFuzz;

namespace Hatchery.Fuzz;

/// <summary>Targets for coverage-guided fuzzing. What comes out of one must be a message or the protocol's declared exception; anything else is a crash.</summary>
internal static class Program
{
    private static readonly Dictionary<string, Action<byte[]>> s_targets = new()
    {
        // First byte: message type. The rest: body.
        ["fdo-message"] = bytes =>
        {
            if (bytes.Length > 0)
                Declared(() => FdoCodec.Parse(bytes[0], bytes.AsMemory(1)));
        },
        ["fdo-voucher"] = bytes => Declared(() => VoucherVerifier.Verify(VoucherFile.Read(bytes, out _), new VoucherPolicy())),
        ["fdo-stream"] = bytes =>
        {
            var stream = new FdoStream();
            for (int at = 0; at < bytes.Length; at += 100)
            {
                stream.Receive(bytes.AsSpan(at, Math.Min(100, bytes.Length - at)), default, default, default);
                while (stream.TryEvent(out var happened))
                    if (happened.Fault is null)
                        Declared(() => FdoCodec.Parse(happened.Type, happened.Body));
            }
        },
        ["fdo-rendezvous"] = bytes => Declared(() => RendezvousInterpreter.ForDevice(RendezvousInfo.Parse(bytes), new RendezvousAbilities(["http", "https", "tcp", "tls"]))),
        ["radius-packet"] = RadiusTargets.Packet,
        ["eap-packet"] = RadiusTargets.Eap,
        ["eapol-frame"] = RadiusTargets.Eapol,
    };

    public static int Main(string[] args)
    {
        if (args is ["list"])
        {
            Console.WriteLine(string.Join('\n', s_targets.Keys));
            return 0;
        }
        var target = s_targets[args[0]];
        Fuzzer.Run(stream =>
        {
            using var copy = new MemoryStream();
            stream.CopyTo(copy);
            target(copy.ToArray());
        });
        return 0;
    }

    internal static void Declared(Action parse)
    {
        try
        {
            parse();
        }
        catch (ProtocolException)
        {
        }
    }
}
