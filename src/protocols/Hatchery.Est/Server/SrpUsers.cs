using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using Hatchery.Tls;

namespace Hatchery.Est.Server;

/// <summary>Verifiers of TLS-SRP (RFC 7030, section 3.3.3). A name that nobody has gets one too, always the same, so that a handshake does not tell who exists.</summary>
/// <param name="seed">32 bytes that all processes share.</param>
public sealed class SrpUsers(IRecordStore store, SecretBytes seed, Func<Moment> now)
{
    private static readonly TimeSpan s_first = TimeSpan.FromSeconds(1), s_longest = TimeSpan.FromHours(1);
    private const int MaxRemembered = 10_000;
    private readonly ConcurrentDictionary<string, (int Failures, TimeSpan Until)> _failures = new();

    /// <summary>For <see cref="TlsServerOptions.SrpVerifierOf"/>, which cannot wait: reads the store in the calling thread.</summary>
    /// <returns>Null: too many wrong passwords; not before some time has passed.</returns>
    public SrpVerifier? Of(string user)
    {
        if (_failures.TryGetValue(user, out var failed) && failed.Until > now().Elapsed)
            return null;
        var found = store.Begin(Caller.Local("est.srp", now())).GetAsync(EstUser.Schema, EstUser.Key(user), default).AsTask().GetAwaiter().GetResult();
        return found?.Value.VerifierAt(now().Wall ?? DateTimeOffset.MinValue) ?? Nobody(user);
    }

    /// <summary>A handshake began under this name and was not completed.</summary>
    public void Failed(string user)
    {
        if (_failures.Count >= MaxRemembered)
            _failures.Clear();
        _failures.AddOrUpdate(user, _ => (1, now().Elapsed), (_, before) =>
            (before.Failures + 1, now().Elapsed + TimeSpan.FromSeconds(Math.Min(s_longest.TotalSeconds, s_first.TotalSeconds * Math.Pow(2, Math.Min(before.Failures - 1, 12))))));
    }

    public void Succeeded(string user) => _failures.TryRemove(user, out _);

    /// <summary>A salt as RFC 5054, section 2.5.1.3, has it, and a verifier that no password is known for.</summary>
    private SrpVerifier Nobody(string user)
    {
        byte[] name = Encoding.UTF8.GetBytes(user);
        byte[] salt = HMACSHA256.HashData(seed.Reveal(), [.. "salt"u8, 0, .. name])[..16];
        byte[] verifier = HKDF.DeriveKey(HashAlgorithmName.SHA256, seed.Reveal().ToArray(), 255, salt, name);
        return new SrpVerifier(2048, salt, new SecretBytes(verifier));
    }
}
