using System.Security.Cryptography;
using Hatchery.Pki;

namespace Hatchery.Est.Server;

/// <summary>Keys made by the server (RFC 7030, section 4.4). Nothing of a key is kept: whoever lost the answer asks again and gets another key.</summary>
internal sealed class KeyGenerationDesk(EnrollmentDesk desk, Chance chance)
{
    /// <exception cref="EstException"/>
    public async ValueTask<EstResponse> HandleAsync(EstRequest request, EstLabel label, ClientIdentity identity, Caller caller, CancellationToken cancel)
    {
        var options = label.KeyGeneration!;
        // The request's key and signature are not looked at: they may be anybody's (section 4.4.1).
        var csr = Pkcs10.ParseUnproven(request.Body);
        RequestRules.Linking(csr, identity, label, caller);
        var subject = RequestRules.FirstNames(csr, identity, label);
        // Before anything is decided or made: a key that could not be encrypted is not made.
        var protection = KeyProtection.For(csr, identity, options);
        ECDsa? made = null;
        try
        {
            var answer = await desk.HandleAsync(new CheckedRequest(request, request.Label, label, identity, csr, subject, null), () =>
            {
                made?.Dispose();
                made = chance.NewSigningKey(CurveOf(csr, label, options), "EST.serverkeygen");
                return PublicKeyInfo.Parse(made.ExportSubjectPublicKeyInfo());
            }, caller, cancel);
            if (answer.Certificate is not { } certificate)
                return new PendingResponse(request.Operation, answer.AskAgain, "The request waits for a decision.");
            byte[] pkcs8 = new SignatureKey(made!).ExportPkcs8();
            try
            {
                return new ServerKeyGenResponse(protection.Form, protection.Wrap(pkcs8, chance), CertsOnly.Encode([certificate.Encoded]));
            }
            finally
            {
                CryptographicOperations.ZeroMemory(pkcs8);
            }
        }
        finally
        {
            made?.Dispose();
        }
    }

    /// <summary>The curve of the request's own key, which says what the client can use.</summary>
    private static ECCurve CurveOf(Pkcs10 request, EstLabel label, KeyGenerationOptions options)
    {
        string curve = options.Curve;
        try
        {
            if (request.Key.Curve is { } asked && label.Keys.Curves.Contains(asked))
                curve = asked;
        }
        catch (PkiException)
        {
            // Not looked at.
        }
        return ECCurve.CreateFromValue(curve);
    }
}
