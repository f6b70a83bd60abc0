using System.Net;
using Hatchery.Coap.Oscore;
using Hatchery.Simulation;

namespace Hatchery.Coap.Tests;

/// <summary>OSCORE through two endpoints and a network.</summary>
public sealed class OscoreExchangeTests
{
    private readonly CoapApp _app = new();
    private readonly SimulatedNetwork _network = Virtual.Network("oscore");
    private readonly OscoreContexts _contexts = new();

    public OscoreExchangeTests()
    {
        _app.MapPost("/echo", c => c.Request.Oscore is null ? CoapResults.Status(CoapCode.Unauthorized) : CoapResults.Changed(c.Payload, 42));
        _app.MapGet("/value", c => CoapResults.Text("hidden"));
    }

    private static OscoreParameters Parameters(bool isServer, OscoreAead aead = OscoreAead.AesCcm16_64_128, OscoreHkdf hkdf = OscoreHkdf.Sha256) => new()
    {
        MasterSecret = new SecretBytes(Virtual.Pattern(16)),
        MasterSalt = Virtual.Pattern(8),
        SenderId = isServer ? new byte[] { 1 } : [],
        RecipientId = isServer ? [] : new byte[] { 1 },
        Aead = aead,
        Hkdf = hkdf,
    };

    private (Node Client, Node Server) Two(OscoreContext server)
    {
        _contexts.Add(server);
        return (new Node(_network, "client"), new Node(_network, "server", _app, new CoapSettings { Oscore = _contexts }));
    }

    [Theory]
    [InlineData(OscoreAead.AesCcm16_64_128, OscoreHkdf.Sha256)]
    [InlineData(OscoreAead.AesCcm16_64_256, OscoreHkdf.Sha512)]
    [InlineData(OscoreAead.AesCcm16_128_128, OscoreHkdf.Sha256)]
    [InlineData(OscoreAead.AesGcm128, OscoreHkdf.Sha256)]
    [InlineData(OscoreAead.AesGcm256, OscoreHkdf.Sha512)]
    [InlineData(OscoreAead.ChaCha20Poly1305, OscoreHkdf.Sha256)]
    public void Bodies_in_blocks_are_protected_block_by_block(OscoreAead aead, OscoreHkdf hkdf)
    {
        var (client, server) = Two(new OscoreContext(Parameters(true, aead, hkdf)));
        var context = new OscoreContext(Parameters(false, aead, hkdf));
        var response = _network.Await(() => client.To(server).SendAsync(CoapRequest.Post("/echo", Virtual.Pattern(3000), 42) with { Oscore = context }));
        Assert.Equal((CoapCode.Changed, 42), (response.Code, response.Options.ContentFormat));
        Assert.Equal(Virtual.Pattern(3000), response.Payload.ToArray());
        var messages = _network.Messages().ToArray();
        Assert.All(messages, m => Assert.True(m.Code == CoapCode.Post || m.Code == CoapCode.Changed));
        Assert.All(messages, m => Assert.Equal([CoapOptionNumber.Oscore], m.Options.Select(o => o.Number)));
    }

    [Fact]
    public void Observations_are_protected()
    {
        int value = 0;
        _app.MapGet("/observed", _ => CoapResults.Text($"{value}")).Observable();
        var (client, server) = Two(new OscoreContext(Parameters(true)));
        var context = new OscoreContext(Parameters(false));
        var seen = _network.Await(async () =>
        {
            var values = new List<string>();
            await foreach (var notification in client.Host.ObserveAsync(server.Address, CoapRequest.Get("/observed") with { Oscore = context }))
            {
                values.Add(notification.Text);
                if (values.Count == 4)
                    break;
                value++;
                server.Host.Changed("/observed", confirmable: true);
            }
            return values;
        });
        Assert.Equal(["0", "1", "2", "3"], seen);
        _network.Loop.Run(TimeSpan.FromMinutes(1));
        Assert.Equal(0, server.Endpoint.Observations);
        Assert.DoesNotContain(_network.Messages(), m => m.Options.UriPath != "/");
    }

    [Fact]
    public void Replays_and_forgeries_are_refused()
    {
        var (client, server) = Two(new OscoreContext(Parameters(true)));
        var context = new OscoreContext(Parameters(false));
        _network.Await(() => client.To(server).SendAsync(CoapRequest.Get("/value") with { Oscore = context }));
        var recorded = _network.Messages().First();
        CoapMessage Again(ushort id, CoapOptions options, ReadOnlyMemory<byte> payload) => new() { Code = recorded.Code, Id = id, Token = recorded.Token, Options = options, Payload = payload };
        string Answer(CoapMessage message)
        {
            client.Send(message.ToDatagram(), server.Address);
            _network.Loop.Run(TimeSpan.FromSeconds(1));
            var last = _network.Messages().Last();
            return $"{last.Code} {System.Text.Encoding.UTF8.GetString(last.Payload.Span)}";
        }
        Assert.Equal("4.01 Replay detected", Answer(Again(1, recorded.Options, recorded.Payload)));
        var option = recorded.Options.First().Value.ToArray();
        Assert.Equal("4.00 Decryption failed", Answer(Again(2, CoapOptions.Empty.Add(CoapOptionNumber.Oscore, [option[0], 9, .. option[2..]]), recorded.Payload)));
        Assert.Equal("4.01 Security context not found", Answer(Again(3, CoapOptions.Empty.Add(CoapOptionNumber.Oscore, [option[0], 9, 7, 7]), recorded.Payload)));
        Assert.StartsWith("4.02 ", Answer(Again(4, CoapOptions.Empty.Add(CoapOptionNumber.Oscore, [0xe9, 9]), recorded.Payload)), StringComparison.Ordinal);
        Assert.StartsWith("4.02 ", Answer(Again(5, CoapOptions.Empty.Add(CoapOptionNumber.Oscore, []), recorded.Payload)), StringComparison.Ordinal);
        Assert.Single(server.Events, e => e.Kind == CoapEventKind.Request);
    }

    [Fact]
    public void A_server_without_OSCORE_says_so()
    {
        var (client, server) = (new Node(_network, "client"), new Node(_network, "server", _app));
        var request = CoapRequest.Get("/value") with { Oscore = new OscoreContext(Parameters(false)) };
        var fault = Assert.Throws<CoapException>(() => _network.Await(() => client.To(server).SendAsync(request)));
        Assert.Equal("Broken", fault.Error);
        Assert.StartsWith("4.02 without protection", fault.Message, StringComparison.Ordinal);
    }

    /// <summary>Appendix B.1.2: a server that restarted asks for an Echo, under a nonce of its own, and takes no replay.</summary>
    [Fact]
    public void After_a_restart_the_window_is_found_again()
    {
        var (client, server) = Two(new OscoreContext(Parameters(true), reserved: 128));
        _contexts.Find([], null)!.Reserve(192);
        var context = new OscoreContext(Parameters(false));
        Assert.Equal("hidden", _network.Await(() => client.To(server).SendAsync(CoapRequest.Get("/value") with { Oscore = context })).Text);
        var messages = _network.Messages().ToArray();
        Assert.Equal(4, messages.Length);
        // The answer with the Echo has a Partial IV, from where the reserved numbers begin; the second has none.
        Assert.Equal("0180", Convert.ToHexStringLower(messages[1].Options.First().Value.Span));
        Assert.True(messages[3].Options.First().Value.IsEmpty);
        client.Send(new CoapMessage { Code = messages[0].Code, Id = 7, Options = messages[0].Options, Payload = messages[0].Payload }.ToDatagram(), server.Address);
        _network.Loop.Run(TimeSpan.FromSeconds(1));
        Assert.Equal(CoapCode.Unauthorized, _network.Messages().Last().Code);
        Assert.Equal("hidden", _network.Await(() => client.To(server).SendAsync(CoapRequest.Get("/value") with { Oscore = context })).Text);
    }

    [Fact]
    public void Sequence_numbers_are_used_only_once_they_are_stored()
    {
        var (client, server) = Two(new OscoreContext(Parameters(true)));
        var context = new OscoreContext(Parameters(false), reserved: 0);
        ulong stored = 0;
        int saves = 0;
        client.Host.SequenceWanted += wanted =>
        {
            stored = wanted.NextReserve;
            saves++;
            client.Machine.Loop.After(TimeSpan.FromSeconds(5), () => client.Host.Reserved(wanted, stored));
        };
        Assert.False(context.CanSend);
        context.Reserve(stored = context.NextReserve);
        foreach (int i in Enumerable.Range(0, 200))
        {
            Assert.Equal("hidden", _network.Await(() => client.To(server).SendAsync(CoapRequest.Get("/value") with { Oscore = context })).Text);
            Assert.True(context.Sequence <= stored);
        }
        Assert.InRange(saves, 3, 4);
    }
}
