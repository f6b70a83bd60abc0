using System.Collections.Immutable;

namespace Hatchery.Lab;

/// <summary>Strongest first.</summary>
public enum InitialCategory { CertificatesAndInfrastructure, RawAsymmetricKey, StaticSymmetricSecret, BlankSlate }

public enum ImpartedCategory { NetworkCentric, InfrastructureCentric, ServiceCentric }

/// <param name="By">The items that decided it.</param>
public sealed record InitialFinding(InitialCategory Category, ImmutableArray<Belief> By);

/// <param name="All">In the order of their weight; the first is the dominant one.</param>
public sealed record ImpartedFinding(ImmutableArray<(ImpartedCategory Category, ImmutableArray<Belief> By)> All)
{
    public ImpartedCategory? Dominant => All.IsEmpty ? null : All[0].Category;
}

/// <summary>The rules of sections 3 and 5.</summary>
public static class BeliefRules
{
    /// <summary>A certificate of the device with something to judge others by, then a key pair, then a secret that somebody else can know, then nothing.</summary>
    public static InitialFinding Initial(ImmutableArray<Belief> before)
    {
        var certificates = before.Where(b => b.Kind == BeliefKind.Certificate && b.About == About.Device).ToList();
        var anchors = before.Where(b => b.Kind is BeliefKind.TrustAnchor or BeliefKind.OwnerCredential).ToList();
        if (certificates.Count > 0 && anchors.Count > 0)
            return new(InitialCategory.CertificatesAndInfrastructure, [.. certificates, .. anchors]);
        var keys = before.Where(b => b.Kind == BeliefKind.KeyPair).ToList();
        if (keys.Count > 0)
            return new(InitialCategory.RawAsymmetricKey, [.. keys]);
        var secrets = before.Where(b => b.Kind == BeliefKind.SymmetricSecret || (b.SecretBits > 0 && b.Kind != BeliefKind.KeyPair)).ToList();
        return secrets.Count > 0 ? new(InitialCategory.StaticSymmetricSecret, [.. secrets]) : new(InitialCategory.BlankSlate, []);
    }

    /// <summary>By what was added or replaced. The dominant category is the one with the most such items; between equals the one that holds a secret or credential,
    /// then the wider one.</summary>
    public static ImpartedFinding Imparted(IEnumerable<BeliefChange> changes)
    {
        var given = changes.Where(c => c.Change != Change.Removed).Select(c => c.Belief).ToList();
        var categories = new[]
        {
            (ImpartedCategory.ServiceCentric, given.Where(b => b.Kind == BeliefKind.OwnerCredential || IsServiceWithCredential(b)).ToImmutableArray()),
            (ImpartedCategory.InfrastructureCentric, given.Where(b => (b.Kind == BeliefKind.Certificate && b.About is About.Domain or About.Device)
                || (b.Kind == BeliefKind.TrustAnchor && b.About is About.Domain or About.Network)).ToImmutableArray()),
            (ImpartedCategory.NetworkCentric, given.Where(b => (b.About == About.Network && b.Kind is not BeliefKind.TrustAnchor) || b.Kind == BeliefKind.NetworkParameters).ToImmutableArray()),
        };
        return new([.. categories.Where(c => c.Item2.Length > 0).OrderByDescending(c => c.Item2.Length).ThenByDescending(c => c.Item2.Count(IsCredential)).ThenBy(c => c.Item1)]);

        // An endpoint alone is an address; with a secret in it, or one about a service beside it, it is somebody to trust.
        bool IsServiceWithCredential(Belief b) => b.About is About.Service or About.Owner
            && (b.Kind is BeliefKind.SymmetricSecret or BeliefKind.KeyPair or BeliefKind.Certificate or BeliefKind.TrustAnchor
                || (b.Kind == BeliefKind.ServiceEndpoint && (b.SecretBits > 0 || given.Any(o => o.About is About.Service or About.Owner && IsCredential(o)))));
    }

    private static bool IsCredential(Belief b) => b.SecretBits > 0 || b.Kind is BeliefKind.OwnerCredential or BeliefKind.Certificate or BeliefKind.TrustAnchor or BeliefKind.KeyPair;
}
