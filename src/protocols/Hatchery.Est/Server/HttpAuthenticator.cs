using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Globalization;
using System.Security.Cryptography;

namespace Hatchery.Est.Server;

/// <summary>HTTP authentication as the server sees it (RFC 7030, section 3.2.3). Nonces hold the time under a MAC, so any process knows its own; how often one was used is a session.</summary>
internal sealed class HttpAuthenticator(IRecordStore store, EstServerOptions options, Chance chance)
{
    private static readonly TimeSpan s_nonceLife = TimeSpan.FromSeconds(60), s_first = TimeSpan.FromSeconds(1), s_longest = TimeSpan.FromHours(1);
    /// <summary>Wrong passwords that a user may have in a row before waiting begins.</summary>
    private const int Forgiven = 3;
    private static readonly SecretText s_nobody = new(new string('0', 64));

    /// <exception cref="EstException">401 with challenges, or 429.</exception>
    public async ValueTask<Stored<EstUser>> AuthenticateAsync(EstRequest request, Caller caller, CancellationToken cancel)
    {
        if (request.Credentials is null)
            throw Challenge("Authorization", "authenticate by user name and password.", caller, stale: false);
        string name = request.Credentials switch
        {
            HttpCredentials.Basic basic => basic.User,
            HttpCredentials.Digest digest => digest.User,
            _ => throw Challenge("Authorization", "this scheme is not taken here.", caller, stale: false),
        };
        var key = EstUser.Key(name);
        await BackOffAsync(key, caller, cancel);
        var stored = await store.Begin(caller).GetAsync(EstUser.Schema, key, cancel);
        bool right = request.Credentials switch
        {
            HttpCredentials.Basic basic => Verify(basic, stored?.Value),
            HttpCredentials.Digest digest => await VerifyAsync(digest, stored?.Value, request, caller, cancel),
            _ => false,
        };
        if (!right || stored is null)
        {
            await FailedAsync(key, caller, cancel);
            throw Challenge("Authorization", "user name or password are wrong.", caller, stale: false);
        }
        await store.Sessions.DropAsync("est.failures", key.Value, cancel);
        return stored;
    }

    /// <summary>An unknown user costs the same time as a wrong password.</summary>
    private bool Verify(HttpCredentials.Basic given, EstUser? user)
    {
        if (!options.Schemes.Contains("Basic"))
            return false;
        string expected = (user?.HA1(DigestAlgorithm.Sha256) ?? s_nobody).Reveal();
        string computed = DigestAuthentication.HA1(DigestAlgorithm.Sha256, given.User, options.Realm, given.Password).Reveal();
        return CryptographicOperations.FixedTimeEquals(System.Text.Encoding.ASCII.GetBytes(expected), System.Text.Encoding.ASCII.GetBytes(computed)) && user is not null;
    }

    private async ValueTask<bool> VerifyAsync(HttpCredentials.Digest given, EstUser? user, EstRequest request, Caller caller, CancellationToken cancel)
    {
        if (DigestAuthentication.Parse(given.Algorithm) is not { } algorithm || !options.Schemes.Contains("Digest " + algorithm.Name()) || given.Realm != options.Realm || given.Qop is not (null or "auth"))
            return false;
        if (!SamePath(given.Uri, request.Target))
            throw EstException.Malformed("uri", "the uri of Authorization is not that of the request.");
        bool right = DigestAuthentication.Verify(given, algorithm, user?.HA1(algorithm) ?? s_nobody, Transport.EstHttp.Method(request.Operation));
        if (!right || user is null)
            return false;
        if (!IsFresh(given.Nonce, caller))
            throw Challenge("nonce", "the nonce is not ours or is too old.", caller, stale: true);
        if (!uint.TryParse(given.NonceCount, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out uint count))
            count = 1;
        var last = await store.Sessions.TakeAsync<Count>("est.nonce", given.Nonce, cancel);
        await store.Sessions.PutAsync("est.nonce", given.Nonce, new Count(Math.Max(count, last?.Value ?? 0), default), s_nonceLife + s_nonceLife, cancel);
        return count > (last?.Value ?? 0) ? true : throw Challenge("nc", "the nonce count was used before.", caller, stale: true);
    }

    private static bool SamePath(string uri, string target) =>
        string.Equals(Uri.UnescapeDataString(uri), Uri.UnescapeDataString(target), StringComparison.Ordinal)
        || Uri.TryCreate(uri, UriKind.Absolute, out var absolute) && Uri.UnescapeDataString(absolute.PathAndQuery) == Uri.UnescapeDataString(target);

    public EstException Challenge(string field, string sentence, Caller caller, bool stale)
    {
        string nonce = NewNonce(caller.Wall);
        string fresh = stale ? ", stale=true" : "";
        ImmutableArray<string> challenges = [.. options.Schemes.Select(scheme => scheme.StartsWith("Digest ", StringComparison.Ordinal)
            ? $"Digest realm=\"{options.Realm}\", qop=\"auth\", algorithm={scheme[7..]}, nonce=\"{nonce}\"{fresh}" : $"{scheme} realm=\"{options.Realm}\"")];
        return new EstException(401, field, sentence) { Challenges = challenges };
    }

    private string NewNonce(DateTimeOffset now)
    {
        byte[] nonce = new byte[8 + 16 + 16];
        BinaryPrimitives.WriteInt64BigEndian(nonce, now.ToUnixTimeSeconds());
        chance.Fill(nonce.AsSpan(8, 16), "Digest.nonce");
        HMACSHA256.HashData(options.NonceKey.Reveal(), nonce.AsSpan(0, 24)).AsSpan(0, 16).CopyTo(nonce.AsSpan(24));
        return Convert.ToHexStringLower(nonce);
    }

    private bool IsFresh(string text, Caller caller)
    {
        if (text.Length != 80 || text.AsSpan().ContainsAnyExcept("0123456789abcdef"))
            return false;
        byte[] nonce = Convert.FromHexString(text);
        var mac = HMACSHA256.HashData(options.NonceKey.Reveal(), nonce.AsSpan(0, 24)).AsSpan(0, 16);
        if (!CryptographicOperations.FixedTimeEquals(mac, nonce.AsSpan(24)))
            return false;
        long age = caller.Wall.ToUnixTimeSeconds() - BinaryPrimitives.ReadInt64BigEndian(nonce);
        return age >= -5 && age <= (long)s_nonceLife.TotalSeconds;
    }

    private async ValueTask BackOffAsync(RecordKey key, Caller caller, CancellationToken cancel)
    {
        if (await store.Sessions.TakeAsync<Count>("est.failures", key.Value, cancel) is not { } failures)
            return;
        await store.Sessions.PutAsync("est.failures", key.Value, failures, s_longest, cancel);
        if (failures.Until > caller.Wall)
            throw new EstException(429, "Authorization", "too many wrong passwords; ask again later.") { RetryAfter = failures.Until - caller.Wall };
    }

    private async ValueTask FailedAsync(RecordKey key, Caller caller, CancellationToken cancel)
    {
        uint count = ((await store.Sessions.TakeAsync<Count>("est.failures", key.Value, cancel))?.Value ?? 0) + 1;
        var wait = count <= Forgiven ? TimeSpan.Zero : TimeSpan.FromSeconds(Math.Min(s_longest.TotalSeconds, s_first.TotalSeconds * Math.Pow(2, Math.Min(count - Forgiven - 1, 12))));
        await store.Sessions.PutAsync("est.failures", key.Value, new Count(count, caller.Wall + wait), s_longest, cancel);
    }

    private sealed record Count(uint Value, DateTimeOffset Until) : ISessionState<Count>
    {
        public byte[] Write()
        {
            byte[] bytes = new byte[12];
            BinaryPrimitives.WriteUInt32BigEndian(bytes, Value);
            BinaryPrimitives.WriteInt64BigEndian(bytes.AsSpan(4), Until.ToUnixTimeSeconds());
            return bytes;
        }

        public static Count Read(ReadOnlyMemory<byte> bytes) =>
            new(BinaryPrimitives.ReadUInt32BigEndian(bytes.Span), DateTimeOffset.FromUnixTimeSeconds(BinaryPrimitives.ReadInt64BigEndian(bytes.Span[4..])));
    }
}
