using System.Collections.Immutable;

namespace Hatchery.Lab.Tests;

public sealed class BeliefRulesTests
{
    private static readonly Belief s_serial = Hand.Belief("serial", BeliefKind.Identifier, About.Device), s_secret = Hand.Belief("PSK", BeliefKind.SymmetricSecret, About.Device, 128),
        s_key = Hand.Belief("key", BeliefKind.KeyPair, About.Device, 128), s_certificate = Hand.Belief("IDevID", BeliefKind.Certificate, About.Device),
        s_anchor = Hand.Belief("anchor", BeliefKind.TrustAnchor, About.Peer);

    [Fact]
    public void The_strongest_initial_item_decides()
    {
        Assert.Equal(InitialCategory.CertificatesAndInfrastructure, BeliefRules.Initial([s_serial, s_secret, s_key, s_certificate, s_anchor]).Category);
        Assert.Equal(InitialCategory.RawAsymmetricKey, BeliefRules.Initial([s_serial, s_secret, s_key, s_certificate]).Category);
        Assert.Equal(InitialCategory.RawAsymmetricKey, BeliefRules.Initial([s_secret, s_key, s_anchor]).Category);
        Assert.Equal(InitialCategory.StaticSymmetricSecret, BeliefRules.Initial([s_serial, s_secret]).Category);
        var blank = BeliefRules.Initial([s_serial]);
        Assert.Equal(InitialCategory.BlankSlate, blank.Category);
        Assert.Empty(blank.By);
        Assert.Equal(["PSK"], BeliefRules.Initial([s_serial, s_secret]).By.Select(b => b.Item));
    }

    private static ImpartedFinding Imparted(params Belief[] given) => BeliefRules.Imparted(given.Select(b => new BeliefChange(Change.Added, b)));

    [Fact]
    public void A_network_key_and_an_address_are_network_centric() => Assert.Equal(ImpartedCategory.NetworkCentric,
        Imparted(Hand.Belief("NetKey", BeliefKind.SymmetricSecret, About.Network, 128), Hand.Belief("address", BeliefKind.NetworkParameters, About.Network)).Dominant);

    [Fact]
    public void A_local_certificate_and_a_domain_anchor_are_infrastructure_centric() => Assert.Equal(ImpartedCategory.InfrastructureCentric,
        Imparted(Hand.Belief("LDevID", BeliefKind.Certificate, About.Domain), Hand.Belief("domain CA", BeliefKind.TrustAnchor, About.Domain)).Dominant);

    [Fact]
    public void An_owner_credential_is_service_centric() => Assert.Equal(ImpartedCategory.ServiceCentric, Imparted(Hand.Belief("owner", BeliefKind.OwnerCredential, About.Owner)).Dominant);

    [Fact]
    public void A_service_address_needs_a_credential_to_count()
    {
        var endpoint = Hand.Belief("server", BeliefKind.ServiceEndpoint, About.Service);
        Assert.Null(Imparted(endpoint).Dominant);
        Assert.Equal(ImpartedCategory.ServiceCentric, Imparted(endpoint, Hand.Belief("token", BeliefKind.SymmetricSecret, About.Service, 256)).Dominant);
    }

    [Fact]
    public void Several_categories_are_all_named_and_the_one_with_most_items_leads()
    {
        var found = Imparted(Hand.Belief("owner", BeliefKind.OwnerCredential, About.Owner), Hand.Belief("NetKey", BeliefKind.SymmetricSecret, About.Network, 128),
            Hand.Belief("address", BeliefKind.NetworkParameters, About.Network));
        Assert.Equal([ImpartedCategory.NetworkCentric, ImpartedCategory.ServiceCentric], found.All.Select(c => c.Category));
    }

    [Fact]
    public void What_was_removed_is_not_imparted() =>
        Assert.Null(BeliefRules.Imparted([new BeliefChange(Change.Removed, Hand.Belief("owner", BeliefKind.OwnerCredential, About.Owner))]).Dominant);

    [Fact]
    public void The_manufacturer_s_part_decides_its_place_on_the_scale()
    {
        var protocol = Hand.Protocol();
        Ceremony With(string operatedBy, params ImmutableArray<Belief> before) =>
            Hand.Ceremony(protocol, [Hand.Step(1, Hand.Press, 0), Hand.Step(2, Hand.Hello, 1, operatedBy: operatedBy), Hand.Step(3, Hand.Welcome, 2, operatedBy: operatedBy)], before);
        Assert.Equal(ManufacturerScale.LastingOnlineService, Players.Scale(With("manufacturer", s_secret)));
        Assert.Equal(ManufacturerScale.FactoryOnly, Players.Scale(With("owner", s_secret)));
        Assert.Equal(ManufacturerScale.NothingPreinstalled, Players.Scale(With("owner", s_serial)));
    }
}
