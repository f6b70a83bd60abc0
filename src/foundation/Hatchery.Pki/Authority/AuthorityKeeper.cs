using System.Collections.Immutable;
using System.Security.Cryptography;

namespace Hatchery.Pki;

/// <summary>Makes, imports and renews an <see cref="EmbeddedAuthority"/>: what an operator does. Each act is one unit of work; one that somebody else forestalled throws
/// <see cref="ConflictException"/>.</summary>
public sealed class AuthorityKeeper(EmbeddedAuthority authority)
{
    private IRecordStore Store => authority.Store;
    private Chance Chance => authority.Chance;

    /// <summary>A root and an issuing authority below it. Nothing happens if there is one already.</summary>
    /// <returns>The root's key as PKCS#8 where the store is not to keep it: it exists nowhere else. Null otherwise.</returns>
    public async ValueTask<SecretBytes?> CreateAsync(AuthoritySetup setup, Caller caller, CancellationToken cancel)
    {
        var unit = Store.Begin(caller);
        if (await authority.FindAsync(unit, cancel) is not null)
            return null;
        var from = caller.Wall.AddMinutes(-5);
        var root = CertificateAuthority.CreateRoot(setup.RootSubject, Chance.NewSigningKey(setup.RootCurve, "CA.rootKey"), from, setup.RootLife, Chance, pathLength: 1);
        var kept = Insert(unit, "root-1", root, setup.KeepRootKey, []);
        Insert(unit, "issuer-1", NewIssuer(root, setup, caller.Wall), true, []);
        unit.Insert(AuthorityRecord.Schema, authority.Key, new AuthorityRecord(authority.Name, Name("issuer-1"), [Name("root-1")], [Name("issuer-1")], null));
        unit.Report(new Fact.Administered(Subject, $"certificate authority created: {root.Certificate.SubjectText}, SHA-256 {Convert.ToHexStringLower(root.Certificate.Sha256())}", caller.Listener));
        await unit.CommitAsync(cancel);
        return kept;
    }

    /// <summary>An authority that exists: its key and its certificates up to the root.</summary>
    /// <exception cref="PkiException">Not a CA's, the chain does not reach a root, or there is an authority of this name already.</exception>
    public async ValueTask ImportAsync(SignatureKey key, ImmutableArray<ReadOnlyMemory<byte>> chain, Caller caller, CancellationToken cancel)
    {
        var unit = Store.Begin(caller);
        if (await authority.FindAsync(unit, cancel) is not null)
            throw new PkiException("authority", $"there is a certificate authority '{authority.Name}' already.");
        var imported = new CertificateAuthority(key, chain);
        var certificates = Certificate.ParseAll(chain);
        var root = certificates[^1];
        if (!root.IsSelfIssued || !root.IsSignedBy(root.Key))
            throw new PkiException("chain", "the chain does not reach a self-signed root.");
        new TrustStore([root]).Verify(certificates, new PathOptions { At = caller.Wall });
        unit.Insert(AuthorityKeyRecord.Schema, new(Name("root-1")), new AuthorityKeyRecord([root.Encoded.ToArray()], null, []));
        Insert(unit, "issuer-1", imported, true, []);
        unit.Insert(AuthorityRecord.Schema, authority.Key, new AuthorityRecord(authority.Name, Name("issuer-1"), [Name("root-1")], [Name("issuer-1")], null));
        unit.Report(new Fact.Administered(Subject, $"certificate authority imported: {imported.Certificate.SubjectText}", caller.Listener));
        await unit.CommitAsync(cancel);
    }

    /// <summary>Stage one of a rollover: a new root, the two links between it and the old one, and a new issuing authority, all published; the old one goes on signing.</summary>
    /// <param name="rootKey">The old root's, where the store does not keep it.</param>
    /// <exception cref="PkiException">A rollover is under way, or the old root's key is needed and was not given.</exception>
    /// <inheritdoc cref="CreateAsync"/>
    public async ValueTask<SecretBytes?> BeginRolloverAsync(AuthoritySetup setup, SignatureKey? rootKey, Caller caller, CancellationToken cancel)
    {
        var unit = Store.Begin(caller);
        var (record, _) = await ReadAsync(unit, cancel);
        if (record.Value.Next is not null)
            throw new PkiException("authority", "a rollover is under way already.");
        var old = await RootAsync(unit, record.Value.Roots[^1], rootKey, cancel);
        int number = NextNumber(record.Value);
        var root = CertificateAuthority.CreateRoot(setup.RootSubject, Chance.NewSigningKey(setup.RootCurve, "CA.rootKey"), caller.Wall.AddMinutes(-5), setup.RootLife, Chance, pathLength: 1);
        byte[] newWithOld = old.Link(root.Certificate, CertificateAuthority.NewSerial(Chance), Chance).ToArray();
        byte[] oldWithNew = root.Link(old.Certificate, CertificateAuthority.NewSerial(Chance), Chance).ToArray();
        var kept = Insert(unit, $"root-{number}", root, setup.KeepRootKey, [newWithOld, oldWithNew]);
        Insert(unit, $"issuer-{number}", NewIssuer(root, setup, caller.Wall), true, []);
        Replace(unit, record, record.Value with
        {
            Roots = record.Value.Roots.Add(Name($"root-{number}")),
            Keys = record.Value.Keys.Add(Name($"issuer-{number}")),
            Next = Name($"issuer-{number}"),
        });
        unit.Report(new Fact.Administered(Subject, $"root rollover begun: {root.Certificate.SubjectText}, SHA-256 {Convert.ToHexStringLower(root.Certificate.Sha256())}", caller.Listener));
        await unit.CommitAsync(cancel);
        return kept;
    }

    /// <summary>A new issuing authority under the newest root, which signs at once.</summary>
    /// <param name="rootKey">Where the store does not keep it.</param>
    public async ValueTask RenewIssuerAsync(AuthoritySetup setup, SignatureKey? rootKey, Caller caller, CancellationToken cancel)
    {
        var unit = Store.Begin(caller);
        var (record, _) = await ReadAsync(unit, cancel);
        if (record.Value.Next is not null)
            throw new PkiException("authority", "a rollover is under way.");
        var root = await RootAsync(unit, record.Value.Roots[^1], rootKey, cancel);
        string key = $"issuer-{NextNumber(record.Value)}";
        Insert(unit, key, NewIssuer(root, setup, caller.Wall), true, []);
        Replace(unit, record, record.Value with { Keys = record.Value.Keys.Add(Name(key)), Issuer = Name(key) });
        unit.Report(new Fact.Administered(Subject, "issuing authority renewed", caller.Listener));
        await unit.CommitAsync(cancel);
    }

    /// <summary>Stage two: the new issuing authority signs from now on. The old root, its links and its issuer stay published.</summary>
    /// <exception cref="PkiException">No rollover is under way.</exception>
    public async ValueTask CompleteRolloverAsync(Caller caller, CancellationToken cancel)
    {
        var unit = Store.Begin(caller);
        var (record, _) = await ReadAsync(unit, cancel);
        Replace(unit, record, record.Value with { Issuer = record.Value.Next ?? throw new PkiException("authority", "no rollover is under way."), Next = null });
        unit.Report(new Fact.Administered(Subject, "root rollover completed: the new authority signs", caller.Listener));
        await unit.CommitAsync(cancel);
    }

    /// <summary>Stage three: all roots but the newest, the links and the issuers below them are no longer published, nor trusted. What they issued ends with that.</summary>
    public async ValueTask RetireOldRootsAsync(Caller caller, CancellationToken cancel)
    {
        var unit = Store.Begin(caller);
        var (record, state) = await ReadAsync(unit, cancel);
        if (record.Value.Next is not null || record.Value.Roots.Length < 2)
            throw new PkiException("authority", "there is no old root, or a rollover is under way.");
        string key = record.Value.Roots[^1];
        var newest = await unit.GetAsync(AuthorityKeyRecord.Schema, new(key), cancel) ?? throw new PkiException("authority", $"the record {key} is missing.");
        unit.Replace(AuthorityKeyRecord.Schema, newest.Key, newest.Value with { Links = [] }, newest.Version);
        var keep = new List<string>();
        foreach (string issuer in record.Value.Keys)
            if (await unit.GetAsync(AuthorityKeyRecord.Schema, new(issuer), cancel) is { } found && Certificate.Parse(found.Value.Chain[0]).IsSignedBy(state.Roots[^1].Key))
                keep.Add(issuer);
        Replace(unit, record, record.Value with { Roots = [key], Keys = [.. keep] });
        unit.Report(new Fact.Administered(Subject, "old roots retired", caller.Listener));
        await unit.CommitAsync(cancel);
    }

    /// <summary>A request for a new issuing authority, for a root that is not ours or not here; <see cref="InstallIssuerAsync"/> takes the answer.</summary>
    /// <returns>PKCS#10, DER.</returns>
    public async ValueTask<ReadOnlyMemory<byte>> RequestIssuerAsync(AuthoritySetup setup, Caller caller, CancellationToken cancel)
    {
        var unit = Store.Begin(caller);
        SignatureKey key = Chance.NewSigningKey(setup.IssuerCurve, "CA.issuerKey");
        var pkcs8 = key.ExportPkcs8();
        var waiting = new AuthorityKeyRecord([], new SecretBytes(pkcs8), []);
        CryptographicOperations.ZeroMemory(pkcs8);
        if (await unit.GetAsync(AuthorityKeyRecord.Schema, new(Name("requested")), cancel) is { } before)
            unit.Replace(AuthorityKeyRecord.Schema, before.Key, waiting, before.Version);
        else
            unit.Insert(AuthorityKeyRecord.Schema, new(Name("requested")), waiting);
        await unit.CommitAsync(cancel);
        var builder = new Pkcs10Builder
        {
            Subject = DirectoryName.FromText(setup.IssuerSubject),
            Extensions = [CertificateExtension.BasicConstraints(true, 0), CertificateExtension.KeyUsage(CertificateProfile.Subordinate(setup.IssuerSubject).KeyUsage)],
        };
        return builder.Sign(key, Chance, "CA.request");
    }

    /// <param name="chain">DER: the certificate for the requested key, then its issuers up to the root.</param>
    /// <exception cref="PkiException">Nothing was requested, or the chain is not of that key, not valid, or without its root.</exception>
    public async ValueTask InstallIssuerAsync(ImmutableArray<ReadOnlyMemory<byte>> chain, Caller caller, CancellationToken cancel)
    {
        var unit = Store.Begin(caller);
        var waiting = await unit.GetAsync(AuthorityKeyRecord.Schema, new(Name("requested")), cancel) ?? throw new PkiException("authority", "no certificate was requested.");
        var issuer = new CertificateAuthority(PrivateKeys.FromPkcs8(waiting.Value.Pkcs8!.Reveal()), chain);
        var certificates = Certificate.ParseAll(chain);
        var root = certificates[^1];
        new TrustStore([root]).Verify(certificates, new PathOptions { At = caller.Wall });
        if (!root.IsSelfIssued)
            throw new PkiException("chain", "the chain does not reach a self-signed root.");
        unit.Delete(AuthorityKeyRecord.Schema, waiting.Key, waiting.Version);
        var record = await unit.GetAsync(AuthorityRecord.Schema, authority.Key, cancel);
        int number = record is null ? 1 : NextNumber(record.Value);
        var roots = record is null ? [] : (await authority.StateAsync(unit, cancel)).Roots;
        Insert(unit, $"issuer-{number}", issuer, true, []);
        if (!roots.Contains(root))
            unit.Insert(AuthorityKeyRecord.Schema, new(Name($"root-{number}")), new AuthorityKeyRecord([root.Encoded.ToArray()], null, []));
        var next = (record?.Value ?? new AuthorityRecord(authority.Name, "", [], [], null)) is var was ? was with
        {
            Roots = roots.Contains(root) ? was.Roots : was.Roots.Add(Name($"root-{number}")),
            Keys = was.Keys.Add(Name($"issuer-{number}")),
            Issuer = Name($"issuer-{number}"),
        } : was;
        if (record is null)
            unit.Insert(AuthorityRecord.Schema, authority.Key, next);
        else
            Replace(unit, record, next);
        unit.Report(new Fact.Administered(Subject, $"issuing authority installed: {issuer.Certificate.SubjectText}", caller.Listener));
        await unit.CommitAsync(cancel);
    }

    private Identifier Subject => new("authority", authority.Name);
    private string Name(string part) => $"{authority.Name}/{part}";

    private async ValueTask<(Stored<AuthorityRecord>, AuthorityState)> ReadAsync(IUnitOfWork unit, CancellationToken cancel)
    {
        var state = await authority.StateAsync(unit, cancel);
        return (await unit.GetAsync(AuthorityRecord.Schema, authority.Key, cancel) ?? throw new PkiException("authority", "there is none."), state);
    }

    private static async ValueTask<CertificateAuthority> RootAsync(IUnitOfWork unit, string key, SignatureKey? given, CancellationToken cancel)
    {
        var record = (await unit.GetAsync(AuthorityKeyRecord.Schema, new(key), cancel) ?? throw new PkiException("authority", $"the record {key} is missing.")).Value;
        var signer = given ?? (record.Pkcs8 is { } pkcs8 ? PrivateKeys.FromPkcs8(pkcs8.Reveal())
            : throw new PkiException("authority", "the root's key is not in the store: give it for this act."));
        return new CertificateAuthority(signer, [record.Chain[0]]);
    }

    private CertificateAuthority NewIssuer(CertificateAuthority root, AuthoritySetup setup, DateTimeOffset now)
    {
        SignatureKey key = Chance.NewSigningKey(setup.IssuerCurve, "CA.issuerKey");
        var profile = CertificateProfile.Subordinate(setup.IssuerSubject);
        var der = root.Issue(key.Public, profile.Subject!.RawData, profile, null, now, now + setup.IssuerLife, CertificateAuthority.NewSerial(Chance), Chance);
        return new CertificateAuthority(key, [der]);
    }

    /// <returns>The key where it is not kept.</returns>
    private SecretBytes? Insert(IUnitOfWork unit, string key, CertificateAuthority made, bool keep, ImmutableArray<byte[]> links)
    {
        byte[] pkcs8 = made.Key.ExportPkcs8();
        var secret = new SecretBytes(pkcs8);
        CryptographicOperations.ZeroMemory(pkcs8);
        unit.Insert(AuthorityKeyRecord.Schema, new(Name(key)), new AuthorityKeyRecord([.. made.Chain.Select(c => c.ToArray())], keep ? secret : null, links));
        return keep ? null : secret;
    }

    private static void Replace(IUnitOfWork unit, Stored<AuthorityRecord> old, AuthorityRecord by) => unit.Replace(AuthorityRecord.Schema, old.Key, by, old.Version);

    /// <summary>Keys of records are never used again, not even after a root was retired.</summary>
    private static int NextNumber(AuthorityRecord record) =>
        1 + record.Roots.Concat(record.Keys).Append(record.Issuer).Max(k => int.Parse(k.AsSpan(k.LastIndexOf('-') + 1), System.Globalization.CultureInfo.InvariantCulture));
}
