using System.Collections.Immutable;
using System.Security.Cryptography.X509Certificates;

namespace Hatchery.Pki;

/// <summary>How a path is judged.</summary>
public sealed record PathOptions
{
    /// <summary>Null: validity periods are not looked at, for a device without a clock.</summary>
    public DateTimeOffset? At { get; init; }
    /// <summary>OID that extendedKeyUsage must allow, where a certificate has one; null: any.</summary>
    public string? Purpose { get; init; }
    /// <summary>Of the end entity, where it has keyUsage.</summary>
    public X509KeyUsageFlags KeyUsage { get; init; }
    /// <summary>An end entity after its notAfter is taken, for IDevIDs of issuers of which a policy says so.</summary>
    public bool AllowExpired { get; init; }
    public KeyPolicy Keys { get; init; } = KeyPolicy.Default;
    /// <summary>Why a certificate is revoked; null: it is not.</summary>
    public Func<Certificate, string?>? Revoked { get; init; }
}

/// <param name="Certificates">The end entity first; the anchor is not among them, unless the end entity is the anchor.</param>
public sealed record TrustPath(ImmutableArray<Certificate> Certificates, Certificate Anchor);

/// <summary>Trust anchors, and certificates known to stand between. Paths are built against these only: the system's anchors are never asked, nothing is
/// fetched. Immutable, and threads may share it.</summary>
public sealed class TrustStore
{
    private const int MaxLength = 10, MaxChecks = 40;

    public TrustStore(IEnumerable<Certificate> anchors, IEnumerable<Certificate>? intermediates = null) =>
        (Anchors, Intermediates) = ([.. anchors.Distinct()], [.. intermediates ?? []]);

    /// <param name="anchors">DER.</param>
    /// <exception cref="PkiException">Not certificates.</exception>
    public static TrustStore Of(IEnumerable<ReadOnlyMemory<byte>> anchors) => new(Certificate.ParseAll(anchors));

    public static TrustStore Empty { get; } = new([]);

    public ImmutableArray<Certificate> Anchors { get; }
    public ImmutableArray<Certificate> Intermediates { get; }
    public bool IsEmpty => Anchors.IsEmpty;

    /// <summary>Finds a path from the first certificate to an anchor and validates it (RFC 5280, section 6): signatures, validity, basic constraints, path
    /// length, key usage and name constraints of the issuers, purposes, no critical extension that is unknown.</summary>
    /// <param name="chain">The end entity first, the others in any order.</param>
    /// <exception cref="PkiException">Field "anchor": no path. "validity", "revocation", "extendedKeyUsage", "keyUsage", "subjectPublicKeyInfo", "nameConstraints",
    /// "extensions": the best path fails for that.</exception>
    public TrustPath Verify(ImmutableArray<Certificate> chain, PathOptions options)
    {
        if (chain.IsDefaultOrEmpty)
            throw new PkiException("chain", "there is no certificate.");
        if (chain.Length > 2 * MaxLength)
            throw new PkiException("chain", $"{chain.Length} certificates; {2 * MaxLength} are allowed.");
        var search = new PathSearch(this, chain, options);
        return search.Find();
    }

    /// <inheritdoc cref="Verify(ImmutableArray{Certificate}, PathOptions)"/>
    /// <param name="chain">DER.</param>
    public TrustPath Verify(IEnumerable<ReadOnlyMemory<byte>> chain, PathOptions options) => Verify(Certificate.ParseAll(chain), options);

    public TrustStore With(IEnumerable<Certificate> anchors, IEnumerable<Certificate>? intermediates = null) =>
        new(Anchors.Concat(anchors), Intermediates.Concat(intermediates ?? []).Distinct());

    /// <summary>Depth first, the number of signatures verified limited: a chain of look-alikes costs no more than an honest one of the longest length.</summary>
    private sealed class PathSearch(TrustStore store, ImmutableArray<Certificate> chain, PathOptions options)
    {
        private readonly List<Certificate> _path = [];
        private int _checks;
        private PkiException? _best;

        public TrustPath Find()
        {
            foreach (var anchor in store.Anchors)
                if (anchor.Equals(chain[0]))
                {
                    var alone = new TrustPath([chain[0]], anchor);
                    PathRules.Check(alone, options);
                    return alone;
                }
            return Extend(chain[0])
                ?? throw (_best ?? new PkiException("anchor", $"no path from {chain[0].SubjectText} to a trust anchor was found."));
        }

        private TrustPath? Extend(Certificate certificate)
        {
            _path.Add(certificate);
            foreach (var anchor in store.Anchors)
                if (Issued(anchor, certificate) && Judge(new TrustPath([.. _path], anchor)) is { } found)
                    return found;
            if (_path.Count < MaxLength)
                foreach (var issuer in chain.Skip(1).Concat(store.Intermediates))
                    if (issuer.IsAuthority && !_path.Any(p => p.Key.Encoded.Span.SequenceEqual(issuer.Key.Encoded.Span) && DirectoryName.AreEqual(p.Subject, issuer.Subject))
                        && Issued(issuer, certificate) && Extend(issuer) is { } found)
                        return found;
            _path.RemoveAt(_path.Count - 1);
            return null;
        }

        private bool Issued(Certificate issuer, Certificate certificate)
        {
            if (!DirectoryName.AreEqual(issuer.Subject, certificate.Issuer)
                || certificate.AuthorityKeyIdentifier is { } wanted && issuer.SubjectKeyIdentifier is { } has && !wanted.Span.SequenceEqual(has.Span))
                return false;
            return ++_checks <= MaxChecks && certificate.IsSignedBy(issuer.Key, options.Keys);
        }

        private TrustPath? Judge(TrustPath path)
        {
            try
            {
                PathRules.Check(path, options);
                return path;
            }
            catch (PkiException e)
            {
                _best ??= e;
                return null;
            }
        }
    }
}
