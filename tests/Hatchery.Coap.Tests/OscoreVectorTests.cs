using System.Text.Json;
using Hatchery.Coap.Oscore;

namespace Hatchery.Coap.Tests;

/// <summary>RFC 8613, appendix C.</summary>
public sealed class OscoreVectorTests
{
    private static JsonElement Of(string id) => Vector.File("oscore.json").GetProperty("vectors").EnumerateArray().First(v => v.Text("id") == $"RFC8613 {id}");

    private static OscoreParameters Parameters(string id, bool isServer = false)
    {
        var vector = Of(id);
        var client = new OscoreParameters
        {
            MasterSecret = new SecretBytes(vector.Hex("master_secret")),
            MasterSalt = vector.Hex("master_salt"),
            IdContext = vector.GetProperty("id_context").ValueKind == JsonValueKind.Null ? (ReadOnlyMemory<byte>?)null : vector.Hex("id_context"),
            SenderId = vector.Hex("sender_id"),
            RecipientId = vector.Hex("recipient_id"),
            SendsIdContext = id == "C.3.1",
        };
        return isServer ? client with { SenderId = client.RecipientId, RecipientId = client.SenderId } : client;
    }

    [Theory]
    [InlineData("C.1.1")]
    [InlineData("C.2.1")]
    [InlineData("C.3.1")]
    public void Keys_are_derived(string id)
    {
        var vector = Of(id);
        var parameters = Parameters(id);
        using var keys = new OscoreKeys(parameters);
        Assert.Equal(vector.Hex("info_sender"), keys.Info(parameters.SenderId, "Key", 16));
        Assert.Equal(vector.Hex("info_recipient"), keys.Info(parameters.RecipientId, "Key", 16));
        Assert.Equal(vector.Hex("info_iv"), keys.Info(default, "IV", 13));
        Assert.Equal(vector.Hex("sender_key"), keys.Derive(parameters.SenderId, "Key"));
        Assert.Equal(vector.Hex("recipient_key"), keys.Derive(parameters.RecipientId, "Key"));
        Assert.Equal(vector.Hex("common_iv"), keys.CommonIv.ToArray());
        Assert.Equal(vector.Hex("sender_nonce_piv0"), keys.Nonce(parameters.SenderId.Span, [0]));
        Assert.Equal(vector.Hex("recipient_nonce_piv0"), keys.Nonce(parameters.RecipientId.Span, [0]));
    }

    [Theory]
    [InlineData("C.4")]
    [InlineData("C.5")]
    public void Requests_are_protected_and_opened(string id)
    {
        var vector = Of(id);
        string of = vector.Text("context");
        var client = new OscoreContext(Parameters(of), 20);
        client.Reserve(64);
        var plain = CoapMessage.ParseDatagram(vector.Hex("unprotected"));
        Assert.Equal(vector.Hex("plaintext"), OscoreForm.Plaintext(CoapContent.Of(plain)));
        Assert.Equal(vector.Hex("aad"), client.Keys.Aad(client.Parameters.SenderId.Span, vector.Hex("partial_iv")));
        Assert.Equal(vector.Hex("nonce"), client.Keys.Nonce(client.Parameters.SenderId.Span, vector.Hex("partial_iv")));
        var outer = client.ProtectRequest(CoapContent.Of(plain), out _)!.Value;
        var message = new CoapMessage { Type = plain.Type, Code = outer.Code, Id = plain.Id, Token = plain.Token, Options = outer.Options, Payload = outer.Payload };
        Assert.Equal(vector.Hex("protected"), message.ToDatagram());

        var contexts = new OscoreContexts();
        contexts.Add(new OscoreContext(Parameters(of, isServer: true)));
        var inner = OscoreContext.UnprotectRequest(CoapContent.Of(CoapMessage.ParseDatagram(vector.Hex("protected"))), contexts, default, out _);
        Assert.Equal(plain.Code, inner.Code);
        Assert.Equal(plain.Options.Wire.ToArray(), inner.Options.Wire.ToArray());
        // And never twice.
        var again = Assert.Throws<CoapException>(() => OscoreContext.UnprotectRequest(outer, contexts, default, out _));
        Assert.Equal(("4.01", "Replay detected"), (again.Error, again.Message));
    }

    /// <summary>C.6: the same request under a context with an ID Context, which the option names. From the RFC's text.</summary>
    [Fact]
    public void A_request_names_its_ID_Context()
    {
        var client = new OscoreContext(Parameters("C.3.1"), 20);
        client.Reserve(64);
        var plain = CoapMessage.ParseDatagram(Convert.FromHexString("44012f8eef9bbf7a396c6f63616c686f737483747631"));
        var outer = client.ProtectRequest(CoapContent.Of(plain), out _)!.Value;
        var message = new CoapMessage { Type = plain.Type, Code = outer.Code, Id = plain.Id, Token = plain.Token, Options = outer.Options, Payload = outer.Payload };
        Assert.Equal("44022f8eef9bbf7a396c6f63616c686f73746b19140837cbf3210017a2d3ff72cd7273fd331ac45cffbe55c3", Convert.ToHexStringLower(message.ToDatagram()));
        var contexts = new OscoreContexts();
        contexts.Add(new OscoreContext(Parameters("C.3.1", isServer: true)));
        Assert.Equal("/tv1", OscoreContext.UnprotectRequest(outer, contexts, default, out _).Options.UriPath);
    }

    [Theory]
    [InlineData("C.7", false)]
    [InlineData("C.8", true)]
    public void Responses_are_protected_and_opened(string id, bool withPartialIv)
    {
        var vector = Of(id);
        var request = CoapContent.Of(CoapMessage.ParseDatagram(Of("C.4").Hex("protected")));
        var contexts = new OscoreContexts();
        contexts.Add(new OscoreContext(Parameters("C.1.1", isServer: true)));
        OscoreContext.UnprotectRequest(request, contexts, default, out var exchange);
        exchange.NonceIsSpent = withPartialIv;
        var plain = CoapMessage.ParseDatagram(vector.Hex("unprotected"));
        var outer = exchange.ProtectResponse(CoapContent.Of(plain), false)!.Value;
        Assert.Equal(vector.Hex("ciphertext"), outer.Payload.ToArray());
        var message = new CoapMessage { Type = plain.Type, Code = outer.Code, Id = plain.Id, Token = plain.Token, Options = outer.Options, Payload = outer.Payload };
        Assert.Equal(withPartialIv ? vector.Hex("protected") : Convert.FromHexString("64445d1f0000397490ffdbaad1e9a7e7b2a813d3c31524378303cdafae119106"), message.ToDatagram());

        var client = new OscoreContext(Parameters("C.1.1"), 20);
        client.Reserve(64);
        client.ProtectRequest(CoapContent.Of(CoapMessage.ParseDatagram(Of("C.4").Hex("unprotected"))), out var asked);
        var inner = asked.UnprotectResponse(outer, false);
        Assert.Equal((plain.Code, "Hello World!"), (inner.Code, System.Text.Encoding.UTF8.GetString(inner.Payload.Span)));
    }

    /// <summary>Section 7.4.</summary>
    [Fact]
    public void The_window_admits_each_number_once()
    {
        var window = new ReplayWindow(32);
        foreach (ulong number in new ulong[] { 0, 5, 3, 40, 39, 9 })
        {
            Assert.True(window.Admits(number));
            window.Note(number);
            Assert.False(window.Admits(number));
        }
        Assert.False(window.Admits(8));
        Assert.True(window.Admits(10));
        window.Note(1 << 20);
        Assert.True(window.Admits((1 << 20) - 31));
        Assert.False(window.Admits((1 << 20) - 32));
    }
}
