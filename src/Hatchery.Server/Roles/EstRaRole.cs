using System.Collections.Frozen;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Hatchery.Est;
using Hatchery.Est.Server;
using Hatchery.Est.Transport;
using Hatchery.Pki;
using Microsoft.Extensions.Configuration;

namespace Hatchery.Server.Roles;

public sealed class EstRaSettings : EstLabelSettings
{
    public string Listener { get; set => field = value.ToLowerInvariant(); } = "est";
    /// <summary>"https://host:port/label" of the EST server behind; the label may be missing.</summary>
    public string Upstream { get; set; } = "";
    /// <summary>PEM: this RA's certificate, with id-kp-cmcRA, and its chain.</summary>
    public string Certificate { get; set; } = "";
    /// <summary>PEM.</summary>
    public string PrivateKey { get; set; } = "";
    /// <summary>PEM files: anchors of the server behind.</summary>
    public List<string> Anchors { get; set; } = [];
    public string Realm { get; set; } = "estrealm";
    public bool Domain { get; set; } = true;
}

/// <summary>EST's server as a registration authority: it knows the clients, another server has the CA.</summary>
public sealed class EstRaRole : IServerRole
{
    public string Id => "est.ra";
    public Protocol Protocol => EstProfile.Protocol;

    public async ValueTask StartAsync(IConfigurationSection section, RoleContext context, CancellationToken cancel)
    {
        var settings = ServerOptions.Bind<EstRaSettings>(section);
        if (!Uri.TryCreate(settings.Upstream, UriKind.Absolute, out var to) || to.Scheme != "https" || to.AbsolutePath.Trim('/') is var label && label.Length > 0 && !EstHttp.IsLabel(label))
            throw new ConfigurationFault(section.Path + ":upstream", $"'{settings.Upstream}' is no address of the form https://host:port/label");
        if (settings.FullCmc || settings.ServerKeyGen)
            throw new ConfigurationFault(section.Path, "a registration authority passes on simple requests only.");
        var upstream = new Upstream(to, Identity(settings, section.Path), EstLabels.Anchors(settings.Anchors, section.Path + ":anchors"), context);
        var options = new EstServerOptions
        {
            Labels = new Dictionary<string, EstLabel> { [""] = EstLabels.Make(settings, new UpstreamAuthority(upstream, label, context.Now), section.Path) }.ToFrozenDictionary(),
            Realm = settings.Realm,
            NonceKey = await context.Keys.SecretAsync("est.nonce", cancel),
        };
        EstLabels.Serve(context, settings.Listener, section.Path, new EstService(context.Store, context.Admission, context.Chance, options), options, settings.Domain);
        context.Summary.Add($"{Id} on {settings.Listener}: passes requests on to {to}");
    }

    private static SslStreamCertificateContext Identity(EstRaSettings settings, string path)
    {
        try
        {
            using var leaf = X509Certificate2.CreateFromPemFile(settings.Certificate, settings.PrivateKey);
            var chain = new X509Certificate2Collection();
            chain.ImportFromPemFile(settings.Certificate);
            chain.RemoveAt(0);
            return SslStreamCertificateContext.Create(X509CertificateLoader.LoadPkcs12(leaf.Export(X509ContentType.Pkcs12), null), chain, offline: true);
        }
        catch (Exception e) when (e is IOException or System.Security.Cryptography.CryptographicException or ArgumentException or UnauthorizedAccessException)
        {
            throw new ConfigurationFault(path + ":certificate", e.Message);
        }
    }

    /// <summary>Connections are kept alive and shared: what is sent is vouched for by the RA's certificate, not bound to a channel.</summary>
    private sealed class Upstream : IEstUpstream
    {
        private readonly Uri _to;
        private readonly HttpMessageInvoker _http;

        public Upstream(Uri to, SslStreamCertificateContext identity, TrustStore anchors, RoleContext context)
        {
            _to = new Uri(to.GetLeftPart(UriPartial.Authority));
            var trust = new TrustDatabases(anchors, TrustStore.Empty);
            _http = new HttpMessageInvoker(new SocketsHttpHandler
            {
                UseProxy = false,
                UseCookies = false,
                AllowAutoRedirect = false,
                ConnectTimeout = TimeSpan.FromSeconds(10),
                PooledConnectionLifetime = TimeSpan.FromMinutes(10),
                SslOptions = new SslClientAuthenticationOptions
                {
                    ClientCertificateContext = identity,
                    CertificateChainPolicy = new X509ChainPolicy { RevocationMode = X509RevocationMode.NoCheck, DisableCertificateDownloads = true, TrustMode = X509ChainTrustMode.CustomRootTrust },
                    RemoteCertificateValidationCallback = (_, shown, chain, _) => shown is not null && Authorized(trust, shown, chain, to.IdnHost, context.Now()),
                },
            });
        }

        private static bool Authorized(TrustDatabases trust, X509Certificate shown, X509Chain? chain, string host, Moment now)
        {
            try
            {
                var all = new[] { shown.GetRawCertData() }.Concat(chain?.ChainPolicy.ExtraStore.Select(c => c.RawData) ?? []).Take(10);
                return trust.AuthorizeServer([.. all.Select(c => Certificate.Parse(c))], host, new PathOptions { At = now.Wall }).Path is not null;
            }
            catch (PkiException)
            {
                return false;
            }
        }

        public async ValueTask<EstResponse> AskAsync(EstRequest request, CancellationToken cancel)
        {
            var binding = new EstHttpClient();
            var plain = binding.Encode(request);
            using var message = new HttpRequestMessage(new HttpMethod(plain.Method), new Uri(_to, plain.Path)) { Content = plain.Body.IsEmpty ? null : new ReadOnlyMemoryContent(plain.Body) };
            foreach (var (name, value) in plain.Headers)
                if (!message.Headers.TryAddWithoutValidation(name, value))
                    message.Content?.Headers.TryAddWithoutValidation(name, value);
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
            limit.CancelAfter(TimeSpan.FromSeconds(30));
            try
            {
                using var response = await _http.SendAsync(message, limit.Token);
                byte[] body = await response.Content.ReadAsByteArrayAsync(limit.Token);
                var headers = response.Headers.NonValidated.Concat(response.Content.Headers.NonValidated).SelectMany(h => h.Value.Select(v => KeyValuePair.Create(h.Key, v)));
                return (EstResponse)binding.Parse(new PlainHttpResponse((int)response.StatusCode, [.. headers], body), request)!;
            }
            catch (Exception e) when (e is HttpRequestException || e is OperationCanceledException && !cancel.IsCancellationRequested)
            {
                throw new IOException($"{_to}: {e.Message}", e);
            }
        }
    }
}
