using Hatchery.Tls;

namespace Hatchery.Est.Server;

/// <summary>Who may enroll by password. What is kept are the hashes of HTTP Digest and SRP's verifier, sealed: as good as the password for this server.</summary>
/// <param name="HA1Sha256">H(user:realm:password), hex.</param>
/// <param name="OneTime">The password serves for one certificate, and the name for one device.</param>
/// <param name="Used">When the one-time password was used up; null: not yet.</param>
/// <param name="SrpBits">0: no verifier.</param>
public sealed record EstUser(string Name, SecretBytes? HA1Sha256, SecretBytes? HA1Md5, bool OneTime, DateTimeOffset? Used, int SrpBits, ReadOnlyMemory<byte> SrpSalt, SecretBytes? SrpVerifier)
{
    public static readonly Schema<EstUser> Schema = new Schema<EstUser>("est.user", 1, new("", null, null, false, null, 0, default, null))
        .Plain("name", s => s.Name, (s, v) => s with { Name = v }, Lifetime.Factory, "a server's record")
        .Plain("ha1-sha-256", s => s.HA1Sha256!, (s, v) => s with { HA1Sha256 = v }, Lifetime.Factory, "a server's record", secret: true)
        .Plain("ha1-md5", s => s.HA1Md5!, (s, v) => s with { HA1Md5 = v }, Lifetime.Factory, "a server's record", secret: true)
        .Plain("oneTime", s => s.OneTime, (s, v) => s with { OneTime = v }, Lifetime.Factory, "a server's record")
        .Plain("used", s => s.Used, (s, v) => s with { Used = v }, Lifetime.Factory, "a server's record")
        .Plain("srpBits", s => s.SrpBits, (s, v) => s with { SrpBits = v }, Lifetime.Factory, "a server's record")
        .Plain("srpSalt", s => s.SrpSalt, (s, v) => s with { SrpSalt = v }, Lifetime.Factory, "a server's record")
        .Plain("srpVerifier", s => s.SrpVerifier!, (s, v) => s with { SrpVerifier = v }, Lifetime.Factory, "a server's record", secret: true);

    public static RecordKey Key(string name) => new(Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(name)).AsSpan(0, 16)));

    /// <param name="srp">Keeps a verifier for TLS-SRP too.</param>
    public static EstUser Create(string name, SecretText password, string realm, bool oneTime, bool srp, Chance chance)
    {
        static SecretBytes Bytes(SecretText text) => new(System.Text.Encoding.ASCII.GetBytes(text.Reveal()));
        var verifier = srp ? Tls.SrpVerifier.Create(name, password, chance) : null;
        return new EstUser(name, Bytes(DigestAuthentication.HA1(DigestAlgorithm.Sha256, name, realm, password)), Bytes(DigestAuthentication.HA1(DigestAlgorithm.Md5, name, realm, password)),
            oneTime, null, verifier?.GroupBits ?? 0, verifier?.Salt ?? default, verifier?.Verifier);
    }

    /// <summary>A one-time password goes on for a day after its use: the client may have lost the answer, and gets no other one.</summary>
    public SrpVerifier? VerifierAt(DateTimeOffset now) =>
        SrpBits == 0 || SrpVerifier is null || OneTime && Used is { } used && now > used.AddDays(1) ? null : new SrpVerifier(SrpBits, SrpSalt.Span, SrpVerifier);

    internal SecretText HA1(DigestAlgorithm algorithm) => new(System.Text.Encoding.ASCII.GetString((algorithm == DigestAlgorithm.Sha256 ? HA1Sha256 : HA1Md5)!.Reveal()));
}
