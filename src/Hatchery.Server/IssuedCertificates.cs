using System.Collections.Immutable;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Hatchery.AspNetCore;
using Hatchery.Cryptography;
using Hatchery.Pki;

namespace Hatchery.Server;

/// <summary>Certificates of listeners that the embedded authority issues, kept in the database so that all processes show the same ones, and renewed at two thirds of their life.</summary>
public sealed class IssuedCertificates(ServerOptions options, IRecordStore store, Chance chance, Func<Moment> now)
{
    private static readonly TimeSpan s_life = TimeSpan.FromDays(90), s_round = TimeSpan.FromHours(1);
    private readonly Dictionary<string, ServerIdentity> _current = [];

    /// <summary>A certificate, its key and the certificates between it and the root.</summary>
    public sealed record ServerIdentity(ECDsa Key, ImmutableArray<ReadOnlyMemory<byte>> Chain, SslStreamCertificateContext Context);

    /// <summary>Null: the certificate is none of these.</summary>
    internal ServerCertificateSource? Source(string name) => options.Certificates.TryGetValue(name, out var settings) && settings.Authority.Length > 0 ? _ => Current(name)!.Context : null;

    /// <summary>For who does without the platform's TLS. Null: the certificate is none of these.</summary>
    public ServerIdentity? Current(string name)
    {
        lock (_current)
            return _current.GetValueOrDefault(name);
    }

    /// <summary>Once the roles have started: one of them makes the authority.</summary>
    internal async ValueTask StartAsync(CancellationToken cancel)
    {
        foreach (var (name, settings) in options.Certificates)
            if (settings.Authority.Length > 0)
            {
                if (settings.Hosts.Count == 0 || settings.File.Length + settings.Key.Length > 0)
                    throw new ConfigurationFault($"certificates:{name}", "a certificate that is issued needs hosts, and no files.");
                try
                {
                    await RefreshAsync(name, settings, cancel);
                }
                catch (PkiException e)
                {
                    throw new ConfigurationFault($"certificates:{name}:authority", e.Message);
                }
            }
    }

    internal async Task RunAsync(CancellationToken cancel)
    {
        while (true)
        {
            await Task.Delay(s_round, cancel);
            await StartAsync(cancel);
        }
    }

    private async ValueTask RefreshAsync(string name, CertificateSettings settings, CancellationToken cancel)
    {
        var key = new RecordKey("certificate." + name);
        for (int attempt = 0; ; attempt++)
        {
            var at = now().Wall!.Value;
            var unit = store.Begin(Caller.Local("certificates", now()));
            var authority = new EmbeddedAuthority(store, settings.Authority, chance);
            var state = await authority.StateAsync(unit, cancel);
            var known = await unit.GetAsync(KeyRecord.Schema, key, cancel);
            if (known is { Value: { Pkcs8: { } pkcs8 } record } && Certificate.Parse(record.Certificate) is var held && Serves(held, state, settings, at))
            {
                Show(name, SigningKeys.ImportPrivate(pkcs8.Reveal()), record.Certificate, state);
                return;
            }
            var fresh = chance.NewSigningKey(ECCurve.NamedCurves.nistP256, key.Value);
            var csr = Pkcs10.Parse(new Pkcs10Builder { Subject = DirectoryName.FromText("CN=server") }.Sign(fresh, chance));
            var issued = await authority.IssueAsync(unit, csr.Key, csr, CertificateProfile.CmcRa([.. settings.Hosts]), "server", null, at, at + s_life, cancel);
            byte[] exported = new SignatureKey(fresh).ExportPkcs8();
            var made = new KeyRecord(key.Value, new SecretBytes(exported), issued.Encoded);
            CryptographicOperations.ZeroMemory(exported);
            if (known is null)
                unit.Insert(KeyRecord.Schema, key, made);
            else
                unit.Replace(KeyRecord.Schema, key, made, known.Version);
            try
            {
                await unit.CommitAsync(cancel);
            }
            catch (ConflictException) when (attempt < 5)
            {
                // Another process was first: take its certificate.
            }
        }
    }

    private static bool Serves(Certificate held, AuthorityState state, CertificateSettings settings, DateTimeOffset at) =>
        at < held.NotBefore + (held.NotAfter - held.NotBefore) * 2 / 3 && settings.Hosts.All(h => HostNames.Match(held, h)) && held.IsSignedBy(state.Issuer.Certificate.Key);

    private void Show(string name, ECDsa key, ReadOnlyMemory<byte> leaf, AuthorityState state)
    {
        lock (_current)
            if (_current.TryGetValue(name, out var shown) && shown.Chain[0].Span.SequenceEqual(leaf.Span))
                return;
        using var platform = SigningKeys.ToBcl(key);
        using var alone = X509CertificateLoader.LoadCertificate(leaf.Span);
        using var both = alone.CopyWithPrivateKey(platform);
        ImmutableArray<ReadOnlyMemory<byte>> between = [.. state.Issuer.Chain.Where(c => !Certificate.Parse(c).IsSelfIssued)];
        var others = new X509Certificate2Collection();
        foreach (var certificate in between)
            others.Add(X509CertificateLoader.LoadCertificate(certificate.Span));
        var context = SslStreamCertificateContext.Create(X509CertificateLoader.LoadPkcs12(both.Export(X509ContentType.Pkcs12), null), others, offline: true);
        lock (_current)
            _current[name] = new ServerIdentity(key, [leaf, .. between], context);
    }
}
