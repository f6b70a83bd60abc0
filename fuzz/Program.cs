using Hatchery;
using Hatchery.Dpp;
using Hatchery.Dpp.Transport;
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
        ["coap-datagrams"] = CoapTargets.Datagrams,
        ["coap-stream"] = CoapTargets.Stream,
        ["coap-links"] = bytes => Declared(() => Hatchery.Coap.CoreLink.Parse(Hatchery.Coap.CoreLink.Format(Hatchery.Coap.CoreLink.Parse(bytes)))),
        ["fdo-rendezvous"] = bytes => Declared(() => RendezvousInterpreter.ForDevice(RendezvousInfo.Parse(bytes), new RendezvousAbilities(["http", "https", "tcp", "tls"]))),
        ["est-http"] = EstTargets.Http,
        ["est-service"] = EstTargets.Service,
        ["dtls-engine"] = DtlsTarget.Run,
        // First byte: even for a request, odd for a response; its next bit for a variant.
        ["noob-message"] = bytes =>
        {
            if (bytes.Length == 0)
                return;
            var variant = (bytes[0] & 2) == 0 ? EapNoob.NoobVariant.Rfc9140 : EapNoob.NoobVariant.LegacyDraft02;
            Declared(() => _ = (bytes[0] & 1) == 0 ? EapNoob.Messages.NoobRequests.Parse(bytes.AsMemory(1), variant) : EapNoob.Messages.NoobResponses.Parse(bytes.AsMemory(1), variant));
        },
        ["noob-oob"] = bytes =>
        {
            Declared(() => EapNoob.OobMessage.Parse(bytes));
            Declared(() => EapNoob.OobMessage.Parse(System.Text.Encoding.Latin1.GetString(bytes)));
        },
        ["dpp-stream"] = bytes => Declared(() =>
        {
            var stream = new DppTcp();
            stream.Append(bytes);
            while (stream.TryTake(out byte[] body))
                DppMessage.Parse(body, fromEnrollee: true);
        }),
        ["dpp-uri"] = bytes => Declared(() => DppUri.Parse(System.Text.Encoding.Latin1.GetString(bytes))),
        ["dpp-json"] = bytes =>
        {
            Declared(() => ConfigurationObject.Parse(bytes));
            Declared(() => ConfigurationRequestObject.Parse(bytes));
        },
        ["radius-packet"] = RadiusTargets.Packet,
        ["eap-packet"] = RadiusTargets.Eap,
        ["eapol-frame"] = RadiusTargets.Eapol,
        ["pki-csr"] = PkiTargets.Csr,
        ["pki-certificates"] = PkiTargets.Certificates,
        ["pki-csrattrs"] = PkiTargets.CsrAttrs,
        ["pki-cms"] = PkiTargets.Cms,
        ["pki-cmc"] = PkiTargets.Cmc,
        ["pki-crl"] = PkiTargets.Crl,
        ["pki-ocsp"] = PkiTargets.Ocsp,
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
