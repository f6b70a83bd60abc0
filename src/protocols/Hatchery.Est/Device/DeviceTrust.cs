using System.Collections.Immutable;
using Hatchery.Pki;

namespace Hatchery.Est.Device;

/// <summary>Both databases of a state, and what is decided by them.</summary>
internal static class DeviceTrust
{
    private const int MaxCertificates = 32;

    public static TrustStore Explicit(EstDeviceState state) => new(Parse(state.ExplicitAnchors), Parse(state.Intermediates));

    /// <summary>Whether the server that showed this chain is the EST server of this host (RFC 7030, section 3.6).</summary>
    public static TrustVerdict Authorize(EstDeviceState state, ImmutableArray<byte[]> shown, string host, Moment now)
    {
        try
        {
            var databases = new TrustDatabases(Explicit(state), new TrustStore(Parse(state.ImplicitAnchors)), !state.ImplicitOff);
            return databases.AuthorizeServer([.. shown.Take(MaxCertificates).Select(c => Certificate.Parse(c))], host, new PathOptions { At = now.Wall });
        }
        catch (PkiException e)
        {
            return new TrustVerdict(TrustSource.None, null, e);
        }
    }

    /// <exception cref="EstException">Not certificates, or too many.</exception>
    public static ImmutableArray<Certificate> Offered(CaCertsResponse response)
    {
        try
        {
            return Certificate.ParseAll(CertsOnly.Parse(response.Certificates));
        }
        catch (PkiException e)
        {
            throw EstException.Of(e);
        }
    }

    /// <summary>The state with the anchors; unchanged where nothing usable came.</summary>
    public static EstDeviceState Take(EstDeviceState state, AnchorUpdate update, bool implicitOff, Moment now) => update.Store.IsEmpty ? state : state with
    {
        ExplicitAnchors = [.. update.Store.Anchors.Select(c => c.Encoded.ToArray())],
        Intermediates = [.. update.Store.Intermediates.Select(c => c.Encoded.ToArray())],
        ImplicitOff = implicitOff,
        AnchorsAt = now.Wall ?? state.AnchorsAt,
    };

    /// <summary>The issued certificate and those between it and an anchor, leaf first, after all checks of a client (RFC 7030, section 4.2.3).</summary>
    /// <param name="key">The key that was to be certified; null: any, for a key that the server made.</param>
    /// <exception cref="EstException">For another key, or not from this CA.</exception>
    public static ImmutableArray<byte[]> Issued(EstDeviceState state, ReadOnlyMemory<byte> certsOnly, ReadOnlyMemory<byte>? key, Moment now)
    {
        try
        {
            var all = Certificate.ParseAll(CertsOnly.Parse(certsOnly));
            var leaves = all.Where(c => !c.IsAuthority).ToList();
            if (leaves.Count != 1)
                throw EstException.Malformed("certificate", $"{leaves.Count} certificates of end entities where one was asked for.");
            var leaf = leaves[0];
            if (key is { } wanted && !leaf.Key.Encoded.Span.SequenceEqual(wanted.Span))
                throw EstException.Malformed("certificate", "the certificate is for another key than the one asked for. Somebody may be between.");
            var path = Explicit(state).Verify([leaf, .. all.Where(c => c.IsAuthority)], new PathOptions { At = now.Wall });
            return [.. path.Certificates.Select(c => c.Encoded.ToArray())];
        }
        catch (PkiException e)
        {
            throw EstException.Of(e);
        }
    }

    /// <summary>When renewal is due.</summary>
    public static DateTimeOffset RenewalAt(EstDeviceState state, double part)
    {
        var leaf = Certificate.Parse(state.Chain[0]);
        return leaf.NotBefore + (leaf.NotAfter - leaf.NotBefore) * part;
    }

    private static ImmutableArray<Certificate> Parse(ImmutableArray<byte[]> der) => [.. der.Select(c => Certificate.Parse(c))];
}
