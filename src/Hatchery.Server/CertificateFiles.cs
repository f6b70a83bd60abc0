using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Hatchery.AspNetCore;

namespace Hatchery.Server;

/// <summary>Certificates by name, from PEM files; a file that was replaced is read again at the next handshake.</summary>
internal static class CertificateFiles
{
    public static ServerCertificateSource Source(string name, ServerOptions options, string path)
    {
        if (!options.Certificates.TryGetValue(name, out var files))
            throw new ConfigurationFault(path + ":certificate", name.Length == 0 ? "TLS needs a certificate." : $"there is no certificate {name}.");
        var loaded = Load(files, name);
        var stamp = Stamp(files);
        var gate = new Lock();
        return _ =>
        {
            lock (gate)
            {
                var now = Stamp(files);
                if (now != stamp)
                {
                    try
                    {
                        loaded = Load(files, name);
                        stamp = now;
                    }
                    catch (ConfigurationFault)
                    {
                        // Half written: the old one serves until the pair fits.
                    }
                }
                return loaded;
            }
        };
    }

    private static (DateTime, DateTime) Stamp(CertificateSettings files) => (File.GetLastWriteTimeUtc(files.File), File.GetLastWriteTimeUtc(files.Key));

    private static SslStreamCertificateContext Load(CertificateSettings files, string name)
    {
        try
        {
            using var leaf = X509Certificate2.CreateFromPemFile(files.File, files.Key);
            var chain = new X509Certificate2Collection();
            chain.ImportFromPemFile(files.File);
            chain.RemoveAt(0);
            return SslStreamCertificateContext.Create(X509CertificateLoader.LoadPkcs12(leaf.Export(X509ContentType.Pkcs12), null), chain, offline: true);
        }
        catch (Exception e) when (e is IOException or System.Security.Cryptography.CryptographicException or ArgumentException or UnauthorizedAccessException)
        {
            throw new ConfigurationFault($"certificates:{name}", e.Message);
        }
    }
}
