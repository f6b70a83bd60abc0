using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;

namespace Hatchery.Tests;

public sealed class SchemaTests
{
    private sealed record Part(string Name, SecretBytes? Key);
    private sealed record State(string Id, Guid Guid, SecretBytes? Secret, ImmutableArray<Part> Parts, int Counter, ImmutableArray<byte[]> Chain, DateTimeOffset? At);

    private static readonly Schema<Part> s_part = new Schema<Part>("test.part", 1, new("", null))
        .Item("Name", p => p.Name, (p, v) => p with { Name = v }, Lifetime.Imparted, BeliefKind.NetworkParameters, About.Network)
        .Item("Key", p => p.Key, (p, v) => p with { Key = v }, Lifetime.Imparted, BeliefKind.SymmetricSecret, About.Network, secret: true);

    private static readonly State s_blank = new("", default, null, [], 0, [], null);

    private static readonly Schema<State> s_schema = new Schema<State>("test.state", 2, s_blank)
        .Item("Id", s => s.Id, (s, v) => s with { Id = v }, Lifetime.Factory, BeliefKind.Identifier, About.Device)
        .Item("Guid", s => s.Guid, (s, v) => s with { Guid = v }, Lifetime.Imparted, BeliefKind.Identifier, About.Device)
        .Item("Secret", s => s.Secret, (s, v) => s with { Secret = v }, Lifetime.Factory, BeliefKind.SymmetricSecret, About.Device, secret: true)
        .Items("Parts", s => s.Parts, (s, v) => s with { Parts = v }, Lifetime.Imparted, s_part)
        .Plain("Counter", s => s.Counter, (s, v) => s with { Counter = v }, Lifetime.Factory, "a counter")
        .Item("Chain", s => s.Chain, (s, v) => s with { Chain = v }, Lifetime.Factory, BeliefKind.Certificate, About.Device)
        .Plain("At", s => s.At, (s, v) => s with { At = v }, Lifetime.Imparted, "a time")
        .Index("id", s => s.Id);

    private static readonly State s_full = new("sn-1", new Guid("00112233-4455-6677-8899-aabbccddeeff"), new SecretBytes("top secret value"u8),
        [new Part("net-a", new SecretBytes("key of net a"u8)), new Part("net-b", null)], 7, [[1, 2, 3], [4]], new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero));

    private sealed class TestChance : Chance
    {
        public override void Fill(Span<byte> destination, string use) => RandomNumberGenerator.Fill(destination);
        public override AgreementKey NewAgreementKey(ECCurve curve, string use) => throw new NotSupportedException(use);
        public override ECDsa NewSigningKey(ECCurve curve, string use) => throw new NotSupportedException(use);
    }

    private readonly ISealer _sealer = new AesGcmSealer(SHA256.HashData("master"u8), new TestChance());
    private readonly WitnessKey _key = new(SHA256.HashData("witness"u8));

    [Fact]
    public void A_document_gives_back_every_item()
    {
        var read = s_schema.Read(s_schema.Write(s_full, _sealer, new("k")), _sealer, new("k"));
        Assert.Equal(s_full.Id, read.Id);
        Assert.Equal(s_full.Guid, read.Guid);
        Assert.Equal(s_full.Secret, read.Secret);
        Assert.Equal(s_full.Parts.AsEnumerable(), read.Parts);
        Assert.Equal(7, read.Counter);
        Assert.Equal(s_full.Chain.SelectMany(c => c), read.Chain.SelectMany(c => c));
        Assert.Equal(s_full.At, read.At);
    }

    [Fact]
    public void A_secret_is_not_in_the_document_and_opens_only_where_it_stands()
    {
        byte[] document = s_schema.Write(s_full, _sealer, new("k"));
        string text = Encoding.UTF8.GetString(document);
        Assert.DoesNotContain("top secret", text, StringComparison.Ordinal);
        Assert.DoesNotContain(Convert.ToBase64String("top secret value"u8)[..12], text, StringComparison.Ordinal);
        Assert.Contains("sn-1", text, StringComparison.Ordinal);
        Assert.ThrowsAny<CryptographicException>(() => s_schema.Read(document, _sealer, new("other")));
        using var otherKey = new AesGcmSealer(SHA256.HashData("another"u8), new TestChance());
        Assert.ThrowsAny<CryptographicException>(() => s_schema.Read(document, otherKey, new("k")));
    }

    [Fact]
    public void Beliefs_are_what_is_held_with_keyed_fingerprints_and_bits()
    {
        var beliefs = s_schema.Project(s_full, _key, item => item.StartsWith("Parts", StringComparison.Ordinal) ? Origin.Protocol : Origin.Factory);
        Assert.Equal(["Id", "Guid", "Secret", "Parts[0].Name", "Parts[0].Key", "Parts[1].Name", "Chain"], beliefs.Select(b => b.Item));
        Assert.Equal(128, beliefs.Single(b => b.Item == "Secret").SecretBits);
        Assert.Null(beliefs.Single(b => b.Item == "Id").SecretBits);
        Assert.Equal(Origin.Protocol, beliefs.Single(b => b.Item == "Parts[0].Key").ImpartedBy);
        Assert.NotEqual(beliefs[2].Fingerprint, s_schema.Project(s_full, new WitnessKey(new byte[32]), _ => Origin.Factory)[2].Fingerprint);
        Assert.Empty(s_schema.Project(s_blank, _key, _ => Origin.Factory));
    }

    [Fact]
    public void A_reset_keeps_what_the_factory_put_in_and_nothing_else()
    {
        var reset = s_schema.Reset(s_full);
        Assert.Equal(("sn-1", 7), (reset.Id, reset.Counter));
        Assert.Equal(s_full.Secret, reset.Secret);
        Assert.Equal(Guid.Empty, reset.Guid);
        Assert.Empty(reset.Parts);
        Assert.Null(reset.At);
    }

    [Fact]
    public void An_older_document_is_upgraded_and_a_newer_one_refused()
    {
        var old = new Schema<Part>("test.state", 1, new("", null)).Item("Name", p => p.Name, (p, v) => p with { Name = v }, Lifetime.Factory, BeliefKind.Identifier, About.Device);
        var upgrading = new Schema<State>("test.state", 2, s_blank)
            .Item("Id", s => s.Id, (s, v) => s with { Id = v }, Lifetime.Factory, BeliefKind.Identifier, About.Device)
            .Upgrades(old, p => s_blank with { Id = "was " + p.Name });
        byte[] document = old.Write(new Part("x", null), null, new("k"));
        Assert.Equal("was x", upgrading.Read(document, null, new("k")).Id);
        var newer = new Schema<Part>("test.state", 3, new("", null));
        Assert.Throws<InvalidDataException>(() => upgrading.Read(newer.Write(new Part("x", null), null, new("k")), null, new("k")));
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("{\"v\":\"2\"}")]
    [InlineData("{\"v\":2,\"Guid\":5}")]
    [InlineData("{\"v\":2,\"Chain\":\"x\"}")]
    public void A_damaged_document_says_so(string document) =>
        Assert.Throws<InvalidDataException>(() => s_schema.Read(Encoding.UTF8.GetBytes(document), _sealer, new("k")));

    [Fact]
    public void Secrets_print_as_nothing()
    {
        Assert.DoesNotContain("top", s_full.Secret!.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("pin", new SecretText("pin 1234").ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("1234", $"{new HumanPrompt(null!, null!, "enter", new SecretText("1234"), 13)}", StringComparison.Ordinal);
    }
}
