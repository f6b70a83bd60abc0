using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Hatchery.Cryptography.Cose;

namespace Hatchery.Fdo.Device.Modules;

/// <summary>How a device comes by its operational certificate.</summary>
public enum CsrRequest
{
    /// <summary>The device makes the key pair.</summary>
    SimpleEnroll,
    /// <summary>The device makes a new key pair in place of the one that it has.</summary>
    SimpleReenroll,
    /// <summary>The owner makes the key pair.</summary>
    ServerKeyGen,
}

/// <summary>fdo.csr, the device's side: asks the owner for the CA's certificates and for a certificate of its own. What comes is delivered as the items
/// "fdo.csr:key" (PKCS#8), "fdo.csr:certificate" and "fdo.csr:cacerts" (concatenated DER).</summary>
/// <param name="subject">Of the request: "CN=sensor 17"; the owner's authority may write another into the certificate.</param>
public sealed class CsrModule(string subject, ECCurve curve, Chance chance, CsrRequest request = CsrRequest.SimpleEnroll) : IDeviceModule, IDisposable
{
    private const int CertsOnlyType = 281;
    private ECDsa? _key;

    public string Name => "fdo.csr";

    public void Begin() => Forget();

    public ValueTask ActivateAsync(ModuleReplies replies, CancellationToken cancel)
    {
        Forget();
        replies.AddNumber("cacerts-req", CertsOnlyType);
        _key = chance.NewSigningKey(curve, "fdo.csr.key");
        var csr = new CertificateRequest(subject, chance.Signer(_key, "fdo.csr.request"), _key.KeySize > 256 ? HashAlgorithmName.SHA384 : HashAlgorithmName.SHA256).CreateSigningRequest();
        replies.AddText(request switch { CsrRequest.SimpleEnroll => "simpleenroll-req", CsrRequest.SimpleReenroll => "simplereenroll-req", _ => "serverkeygen-req" },
            Convert.ToBase64String(csr));
        return default;
    }

    public ValueTask ReceiveAsync(string message, ReadOnlyMemory<byte> value, ModuleReplies replies, CancellationToken cancel)
    {
        string field = "fdo.csr:" + message;
        var reader = new BoundedCborReader(value, FdoException.Content);
        switch (message)
        {
            case "cacerts-res":
                replies.Deliver(new DeliveredItem("fdo.csr:cacerts", new SecretBytes(Concatenate(CertsOnly.Decode(reader.Text(field), field)))));
                break;
            case "simpleenroll-res" or "simplereenroll-res" when _key is not null && request != CsrRequest.ServerKeyGen:
                Take(CertsOnly.Decode(reader.Text(field), field), _key, replies, field);
                break;
            case "serverkeygen-res" when _key is not null && request == CsrRequest.ServerKeyGen:
                TakeBoth(reader.Text(field), replies, field);
                break;
            case "error":
                // Without a certificate the device is onboarded all the same: what it is good for without one is not ours to say.
                reader.Integer(field, 0, int.MaxValue);
                Forget();
                break;
        }
        return default;
    }

    private void TakeBoth(string text, ModuleReplies replies, string field)
    {
        var parts = CertsOnly.Parts(text, field);
        if (!parts.TryGetValue("application/pkcs8", out var key) || !parts.TryGetValue("application/pkcs7-mime", out var certificates))
            throw FdoException.Invalid(field, "not the two parts, a private key and certificates.");
        var pkcs8 = CertsOnly.FromBase64(key, field);
        try
        {
            using var made = Hatchery.Cryptography.SigningKeys.ImportPrivate(pkcs8);
            Take(CertsOnly.Decode(certificates, field), made, replies, field);
        }
        catch (CryptographicException e)
        {
            throw FdoException.Invalid(field, "no private key that can be used.", e);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(pkcs8);
        }
    }

    /// <summary>The certificates of a SignedData have no order: ours is the one of our key.</summary>
    private void Take(ImmutableArray<ReadOnlyMemory<byte>> certificates, ECDsa key, ModuleReplies replies, string field)
    {
        var own = key.ExportSubjectPublicKeyInfo();
        var certificate = certificates.FirstOrDefault(c => CertificateKey.SubjectPublicKeyInfo(c) is { } spki && spki.Span.SequenceEqual(own));
        if (certificate.IsEmpty)
            throw FdoException.Invalid(field, "no certificate of the device's key.");
        var pkcs8 = key.ExportPkcs8PrivateKey();
        replies.Deliver(new DeliveredItem("fdo.csr:key", new SecretBytes(pkcs8)));
        replies.Deliver(new DeliveredItem("fdo.csr:certificate", new SecretBytes(certificate.Span)));
        CryptographicOperations.ZeroMemory(pkcs8);
        Forget();
    }

    private static byte[] Concatenate(ImmutableArray<ReadOnlyMemory<byte>> certificates) => [.. certificates.SelectMany(c => c.ToArray())];

    private void Forget()
    {
        _key?.Dispose();
        _key = null;
    }

    public void Dispose() => Forget();
}
