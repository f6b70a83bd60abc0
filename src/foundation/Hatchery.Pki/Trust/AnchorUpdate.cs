using System.Collections.Immutable;

namespace Hatchery.Pki;

/// <summary>What a client makes of the certificates that /cacerts gave it (RFC 7030, section 4.1.3; RFC 4210, section 4.4).</summary>
/// <param name="Store">With the new anchors, without those that have expired, and with the certificates between that validate.</param>
/// <param name="Dropped">What did not validate.</param>
public sealed record AnchorUpdate(TrustStore Store, ImmutableArray<Certificate> Added, ImmutableArray<Certificate> Removed, ImmutableArray<Certificate> Dropped)
{
    /// <summary>The self-signed certificate that is valid longest: what a person compares in bootstrap. Null: there is none.</summary>
    public static Certificate? Candidate(ImmutableArray<Certificate> offered) =>
        offered.Where(IsRoot).OrderByDescending(c => c.NotAfter).ThenByDescending(c => c.NotBefore).FirstOrDefault();

    /// <summary>First anchors: the roots are taken as they are. For an answer of a server that was authorized by the Implicit database or by a person.</summary>
    /// <param name="only">Null: all roots; else this one, and those that it vouches for.</param>
    public static AnchorUpdate First(ImmutableArray<Certificate> offered, Certificate? only, DateTimeOffset? at) =>
        only is null ? Settle(TrustStore.Empty, [.. offered.Where(IsRoot)], offered, at) : Learn(new TrustStore([only]), offered, at) with { Added = [only] };

    /// <summary>A root becomes an anchor only if an anchor vouches for its key: NewWithOld. For an answer of a server that was authorized by the Explicit database.</summary>
    public static AnchorUpdate Learn(TrustStore trusted, ImmutableArray<Certificate> offered, DateTimeOffset? at)
    {
        var added = ImmutableArray.CreateBuilder<Certificate>();
        foreach (var root in offered.Where(IsRoot).Where(r => !trusted.Anchors.Contains(r)))
            if (offered.Any(link => IsLink(link, root, trusted, at)))
                added.Add(root);
        return Settle(trusted, added.ToImmutable(), offered, at);
    }

    /// <summary>A certificate of the new root's key that an anchor signed. Names of the four may differ in practice; keys and signatures tell them apart.</summary>
    private static bool IsLink(Certificate link, Certificate root, TrustStore trusted, DateTimeOffset? at)
    {
        if (link.Equals(root) || !link.Key.Encoded.Span.SequenceEqual(root.Key.Encoded.Span) || !link.IsAuthority)
            return false;
        try
        {
            trusted.Verify([link], new PathOptions { At = at });
            return true;
        }
        catch (PkiException)
        {
            return false;
        }
    }

    private static AnchorUpdate Settle(TrustStore trusted, ImmutableArray<Certificate> added, ImmutableArray<Certificate> offered, DateTimeOffset? at)
    {
        ImmutableArray<Certificate> removed = [.. trusted.Anchors.Where(a => at is { } now && a.NotAfter < now)];
        // The last anchor stays even when expired: without any, only a person could help.
        var anchors = trusted.Anchors.Concat(added).Except(removed).ToList();
        if (anchors.Count == 0)
            (anchors, removed) = ([.. trusted.Anchors], []);
        var store = new TrustStore(anchors);
        var between = ImmutableArray.CreateBuilder<Certificate>();
        var dropped = ImmutableArray.CreateBuilder<Certificate>();
        foreach (var certificate in offered.Where(o => !anchors.Contains(o)))
            (Validates(store, certificate, offered, at) ? between : dropped).Add(certificate);
        return new(new TrustStore(anchors, between), added, removed, dropped.ToImmutable());
    }

    private static bool Validates(TrustStore store, Certificate certificate, ImmutableArray<Certificate> offered, DateTimeOffset? at)
    {
        try
        {
            store.Verify([certificate, .. offered.Where(o => !o.Equals(certificate)).Take(18)], new PathOptions { At = at });
            return certificate.IsAuthority;
        }
        catch (PkiException)
        {
            return false;
        }
    }

    private static bool IsRoot(Certificate certificate) => certificate.IsSelfIssued && certificate.IsSignedBy(certificate.Key);
}
