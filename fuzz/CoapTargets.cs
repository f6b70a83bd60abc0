using System.Net;
using Hatchery.Coap;
using Hatchery.Coap.Oscore;
using Hatchery.Cryptography;

namespace Hatchery.Fuzz;

/// <summary>CoAP's engines in both roles, fed with a sequence of messages: two bytes of length before each.</summary>
internal static class CoapTargets
{
    private static readonly IPEndPoint s_peer = new(IPAddress.Loopback, 1);
    private static readonly Chance s_chance = new SystemChance();

    /// <summary>Repeats from run to run, and never the same token twice in a row.</summary>
    private sealed class Counting : Chance
    {
        private byte _next;

        public override void Fill(Span<byte> destination, string use) => destination.Fill(++_next);
        public override AgreementKey NewAgreementKey(System.Security.Cryptography.ECCurve curve, string use) => s_chance.NewAgreementKey(curve, use);
        public override System.Security.Cryptography.ECDsa NewSigningKey(System.Security.Cryptography.ECCurve curve, string use) => s_chance.NewSigningKey(curve, use);
    }

    private static CoapApp App()
    {
        var app = new CoapApp();
        app.MapGet("/a", _ => CoapResults.Content(new byte[3000], 42)).Observable();
        app.MapPut("/{x}/{*y}", c => CoapResults.Changed(c.Payload));
        return app;
    }

    private static readonly CoapApp s_app = App();

    private static OscoreContexts Contexts()
    {
        var contexts = new OscoreContexts();
        contexts.Add(new OscoreContext(new OscoreParameters { MasterSecret = new SecretBytes(new byte[16]), SenderId = new byte[] { 1 }, RecipientId = Array.Empty<byte>() }));
        return contexts;
    }

    public static void Datagrams(byte[] input)
    {
        // Tokens of one byte, so that a response can be hit on.
        var engine = new CoapEndpoint<IPEndPoint>(new CoapSettings { TokenLength = 1, Oscore = Contexts(), NStart = 8 }, new Counting());
        engine.Request(CoapRequest.Get("/b").Observing(), s_peer, default, default, out _);
        Run(engine, input, s_peer);
    }

    public static void Stream(byte[] input)
    {
        var engine = new CoapStream(new CoapSettings { TokenLength = 1 }, new Counting());
        engine.Receive(Convert.FromHexString("50e12380010020"), default, default, default);
        engine.Request(CoapRequest.Put("/b", new byte[100_000], 42), default, default, default, out _);
        Run(engine, input, default);
    }

    private static void Run<TPath>(CoapEngine<TPath> engine, byte[] input, TPath peer) where TPath : notnull
    {
        var now = new Moment(TimeSpan.FromSeconds(1), null);
        var host = new CoapHost<TPath>(engine, static action => action(), () => now, s_app);
        var output = new byte[70_000];
        for (int at = 0; at + 2 <= input.Length;)
        {
            int length = Math.Min(input[at] << 8 | input[at + 1], input.Length - at - 2);
            engine.Receive(input.AsSpan(at + 2, length), peer, now, default);
            at += 2 + length;
            while (engine.TryEvent(out var happened))
                host.Handle(happened);
            while (engine.TryTransmit(output, out _))
            {
            }
            now = now with { Elapsed = now.Elapsed + TimeSpan.FromMilliseconds(700) };
            engine.Tick(now);
        }
    }
}
