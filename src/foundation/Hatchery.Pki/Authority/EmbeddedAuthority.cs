using System.Collections.Immutable;

namespace Hatchery.Pki;

/// <summary>The certificate authority of this server, by name, in the record store: roots, an issuing authority, every certificate issued. Processes that share the
/// store share the authority; none issues a serial number that another has issued. See <see cref="AuthorityKeeper"/> for its making and rollover.</summary>
/// <param name="name">"est".</param>
/// <param name="locations">Null: none are written into certificates.</param>
public sealed class EmbeddedAuthority(IRecordStore store, string name, Chance chance, AuthorityLocations? locations = null)
{
    private volatile AuthorityState? _state;

    public string Name => name;
    internal IRecordStore Store => store;
    internal Chance Chance => chance;
    internal RecordKey Key => new(name);

    /// <summary>Reads one small record; keys and certificates only where that has changed.</summary>
    /// <exception cref="PkiException">There is no such authority.</exception>
    public async ValueTask<AuthorityState> StateAsync(IUnitOfWork unit, CancellationToken cancel) =>
        await FindAsync(unit, cancel) ?? throw new PkiException("authority", $"there is no certificate authority '{name}' yet.");

    /// <summary>Null: there is no such authority yet.</summary>
    public async ValueTask<AuthorityState?> FindAsync(IUnitOfWork unit, CancellationToken cancel)
    {
        if (await unit.GetAsync(AuthorityRecord.Schema, Key, cancel) is not { } record)
            return null;
        if (_state is { } known && known.Version == record.Version)
            return known;
        return _state = await LoadAsync(unit, record, cancel);
    }

    private static async ValueTask<AuthorityState> LoadAsync(IUnitOfWork unit, Stored<AuthorityRecord> record, CancellationToken cancel)
    {
        var roots = new List<Certificate>();
        var published = new List<Certificate>();
        foreach (string key in record.Value.Roots)
        {
            var root = await ReadAsync(unit, key, cancel);
            roots.Add(Certificate.Parse(root.Chain[0]));
            published.InsertRange(0, root.Links.Select(l => Certificate.Parse(l)).Prepend(roots[^1]));
        }
        var issuers = ImmutableDictionary.CreateBuilder<string, CertificateAuthority>();
        CertificateAuthority? issuer = null, next = null;
        foreach (string key in record.Value.Keys)
        {
            var found = await ReadAsync(unit, key, cancel);
            published.AddRange(found.Chain.Select(c => Certificate.Parse(c)));
            if (found.Pkcs8 is not { } pkcs8)
                continue;
            var authority = new CertificateAuthority(PrivateKeys.FromPkcs8(pkcs8.Reveal()), [.. found.Chain.Select(c => (ReadOnlyMemory<byte>)c)]);
            issuers[AuthorityState.IdOf(authority.Certificate)] = authority;
            issuer = key == record.Value.Issuer ? authority : issuer;
            next = key == record.Value.Next ? authority : next;
        }
        ImmutableArray<Certificate> all = [.. published.Distinct()];
        return new AuthorityState
        {
            Version = record.Version,
            Issuer = issuer ?? throw new PkiException("authority", $"the issuing key of '{record.Value.Name}' is not in the store."),
            Next = next,
            Issuers = issuers.ToImmutable(),
            Roots = [.. roots],
            Published = all,
            Trust = new TrustStore(roots, all.Except(roots)),
        };
    }

    private static async ValueTask<AuthorityKeyRecord> ReadAsync(IUnitOfWork unit, string key, CancellationToken cancel) =>
        (await unit.GetAsync(AuthorityKeyRecord.Schema, new(key), cancel) ?? throw new PkiException("authority", $"the record {key} is missing.")).Value;

    /// <summary>Makes a certificate and inserts it into the caller's unit of work: it is issued when that commits, and must not leave before.</summary>
    /// <param name="key">The request's, or one that was made for the requester.</param>
    /// <param name="request">Subject, where the profile has none, and extensions as far as the profile takes them.</param>
    /// <param name="profileName">For the record.</param>
    /// <param name="device">"kind:value"; null: unknown.</param>
    /// <exception cref="PkiException">The request asks for what the profile has not.</exception>
    /// <remarks>A commit that fails with <see cref="ConflictException"/> on "pki.issued" drew a serial number that exists: run again.</remarks>
    public async ValueTask<IssuedCertificate> IssueAsync(IUnitOfWork unit, PublicKeyInfo key, Pkcs10 request, CertificateProfile profile, string profileName, string? device,
        DateTimeOffset now, DateTimeOffset until, CancellationToken cancel)
    {
        var issuer = (await StateAsync(unit, cancel)).Issuer;
        var serial = CertificateAuthority.NewSerial(chance);
        if (locations is not null)
            profile = profile with { Extensions = profile.Extensions.AddRange(locations.Extensions) };
        var der = issuer.Issue(key, profile.Subject?.RawData ?? request.SubjectName, profile, request, now, until, serial, chance);
        string id = AuthorityState.IdOf(issuer.Certificate);
        var issued = new IssuedCertificate(name, id, der, device, profileName, now, Certificate.Parse(der).NotAfter, null, default, null);
        unit.Insert(IssuedCertificate.Schema, IssuedCertificate.KeyOf(id, serial.Span), issued);
        return issued;
    }

    /// <summary>The record of a certificate that was presented; null: this authority did not issue it.</summary>
    public async ValueTask<Stored<IssuedCertificate>?> FindAsync(IUnitOfWork unit, Certificate certificate, CancellationToken cancel)
    {
        var state = await StateAsync(unit, cancel);
        string? id = certificate.AuthorityKeyIdentifier is { } identifier ? Convert.ToHexStringLower(identifier.Span)
            : state.Published.FirstOrDefault(p => p.IsAuthority && DirectoryName.AreEqual(p.Subject, certificate.Issuer)) is { } issuer ? AuthorityState.IdOf(issuer) : null;
        if (id is null)
            return null;
        var found = await unit.GetAsync(IssuedCertificate.Schema, IssuedCertificate.KeyOf(id, certificate.SerialNumber.Span), cancel);
        return found is not null && found.Value.Encoded.Span.SequenceEqual(certificate.Encoded.Span) ? found : null;
    }

    /// <summary>Revokes from now on. Revoking again changes the reason only of what was on hold.</summary>
    /// <returns>False: it was revoked already, and stays as it was.</returns>
    public static bool Revoke(IUnitOfWork unit, Stored<IssuedCertificate> issued, RevocationReason reason, DateTimeOffset now)
    {
        if (issued.Value is { Revoked: not null, Reason: not RevocationReason.CertificateHold })
            return false;
        bool release = reason == RevocationReason.RemoveFromCrl;
        if (release && issued.Value.Revoked is null)
            return false;
        unit.Replace(IssuedCertificate.Schema, issued.Key, issued.Value with { Revoked = release ? null : issued.Value.Revoked ?? now, Reason = release ? default : reason }, issued.Version);
        return true;
    }

    /// <summary>Notes that a certificate was renewed: its holder has another now.</summary>
    public static void Supersede(IUnitOfWork unit, Stored<IssuedCertificate> old, IssuedCertificate by) =>
        unit.Replace(IssuedCertificate.Schema, old.Key, old.Value with { SupersededBy = by.Certificate.SerialText }, old.Version);

    /// <summary>The revocation list of an issuer, made when there is none that is young enough. Numbers ascend, whichever process makes one.</summary>
    /// <param name="issuerId">Hex of the issuer's key identifier; null: the one that signs.</param>
    /// <param name="maxAge">An older list is made anew.</param>
    /// <param name="life">From thisUpdate to nextUpdate.</param>
    /// <returns>DER; null: no such issuer.</returns>
    public async ValueTask<ReadOnlyMemory<byte>?> RevocationListAsync(Caller caller, string? issuerId, TimeSpan maxAge, TimeSpan life, CancellationToken cancel)
    {
        for (int attempt = 0; ; attempt++)
        {
            var unit = store.Begin(caller);
            var state = await StateAsync(unit, cancel);
            string id = issuerId ?? AuthorityState.IdOf(state.Issuer.Certificate);
            if (!state.Issuers.TryGetValue(id, out var issuer))
                return null;
            var now = caller.Wall;
            var last = await unit.GetAsync(RevocationListRecord.Schema, new(id), cancel);
            if (last is not null && last.Value.ThisUpdate + maxAge > now && last.Value.NextUpdate > now)
                return last.Value.Encoded;
            long number = (last?.Value.Number ?? 0) + 1;
            var list = new RevocationListRecord(number, RevocationList.Make(issuer, number, now, now + life, await EntriesAsync(unit, id, now, cancel), chance), now, now + life);
            if (last is null)
                unit.Insert(RevocationListRecord.Schema, new(id), list);
            else
                unit.Replace(RevocationListRecord.Schema, new(id), list, last.Version);
            try
            {
                await unit.CommitAsync(cancel);
                return list.Encoded;
            }
            catch (ConflictException) when (attempt < 5)
            {
                // Another process made one: take that.
            }
        }
    }

    private static async ValueTask<List<RevokedEntry>> EntriesAsync(IUnitOfWork unit, string id, DateTimeOffset now, CancellationToken cancel)
    {
        var entries = new List<RevokedEntry>();
        foreach (var found in await unit.FindAsync(IssuedCertificate.Schema, "revoked", id, int.MaxValue / 2, cancel))
            // RFC 5280, section 3.3: on one list after the end of its validity, too.
            if (found.Value.NotAfter > now.AddDays(-30))
                entries.Add(new(found.Value.Certificate.SerialNumber, found.Value.Revoked!.Value, found.Value.Reason));
        return entries;
    }
}
