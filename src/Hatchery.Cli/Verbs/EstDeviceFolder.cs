using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Hatchery.Cryptography;
using Hatchery.Est;
using Hatchery.Est.Device;
using Hatchery.Server;
using Hatchery.Tls;
using Hatchery.Transports;

namespace Hatchery.Cli.Verbs;

/// <summary>An EST client's folder.</summary>
internal sealed class EstDeviceFolder(DirectoryInfo folder) : SimulatedDeviceFolder<EstDeviceState>(folder.FullName, EstDeviceState.Schema, "state")
{
    public EstDeviceState State => File.Load() ?? EstDeviceState.Blank;

    /// <summary>An identity of the state for the platform's TLS.</summary>
    public static SslStreamCertificateContext? Context(EstDeviceState state, string item)
    {
        if (state.Identity(item) is not var (key, chain))
            return null;
        using var leaf = X509CertificateLoader.LoadCertificate(chain[0]);
        using var both = WithKey(leaf, key);
        var others = new X509Certificate2Collection();
        foreach (byte[] certificate in chain[1..])
            others.Add(X509CertificateLoader.LoadCertificate(certificate));
        return SslStreamCertificateContext.Create(X509CertificateLoader.LoadPkcs12(both.Export(X509ContentType.Pkcs12), null), others, offline: true);
    }

    private static X509Certificate2 WithKey(X509Certificate2 leaf, SecretBytes pkcs8)
    {
        if (leaf.GetECDsaPublicKey() is not null)
        {
            using var key = ECDsa.Create();
            key.ImportPkcs8PrivateKey(pkcs8.Reveal(), out _);
            return leaf.CopyWithPrivateKey(key);
        }
        using var rsa = RSA.Create();
        rsa.ImportPkcs8PrivateKey(pkcs8.Reveal(), out _);
        return leaf.CopyWithPrivateKey(rsa);
    }

    /// <summary>For our own engine; null for RSA keys, which it does not sign with.</summary>
    public static TlsIdentity? EngineIdentity(EstDeviceState state, string item)
    {
        if (state.Identity(item) is not var (key, chain))
            return null;
        try
        {
            return TlsIdentity.FromPkcs8(chain, key.Reveal());
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            throw new CommandException($"Our own TLS engine takes P-256 and P-384 keys only; {item} has another.");
        }
    }
}
