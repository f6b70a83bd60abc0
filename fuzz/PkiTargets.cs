using Hatchery.Pki;

namespace Hatchery.Fuzz;

internal static class PkiTargets
{
    private static readonly SecretBytes s_kek = new(new byte[32]);

    public static void Csr(byte[] bytes) => Declared(() => DirectoryName.ToText(Pkcs10.ParseUnproven(bytes).SubjectName), () => Pkcs10.Parse(bytes));

    public static void Certificates(byte[] bytes) => Declared(() =>
    {
        var certificates = Certificate.ParseAll(CertsOnly.Parse(bytes));
        AnchorUpdate.First(certificates, AnchorUpdate.Candidate(certificates), null);
    });

    public static void CsrAttrs(byte[] bytes) => Declared(() => CsrAttributes.Of(CsrAttributes.Parse(bytes).Demands(), true).Encode(), () => CsrAttributes.Parse(bytes).ListDemands());

    public static void Cms(byte[] bytes) => Declared(() => SignedData.Parse(bytes).VerifySignature(), () => EnvelopedData.Parse(bytes).Decrypt("est-kek-01"u8, s_kek));

    public static void Cmc(byte[] bytes) => Declared(() =>
    {
        var request = CmcRequest.Parse(bytes);
        request.VerifyIdentity(_ => new("secret"));
        foreach (var tagged in request.Data.Requests)
            CmcRequest.Prove(tagged, KeyPolicy.Default, true);
    }, () => CmcResponse.Parse(bytes));

    public static void Crl(byte[] bytes) => Declared(() => RevocationList.Parse(bytes));

    public static void Ocsp(byte[] bytes) => Declared(() => OcspRequest.Parse(bytes).Encode(), () => OcspResponse.Parse(bytes, out _));

    private static void Declared(params ReadOnlySpan<Action> parsers)
    {
        foreach (var parse in parsers)
            try
            {
                parse();
            }
            catch (PkiException)
            {
            }
    }
}
