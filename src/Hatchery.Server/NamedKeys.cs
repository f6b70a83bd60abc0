using System.Security.Cryptography;
using Hatchery.Cryptography;

namespace Hatchery.Server;

/// <summary>A key pair of a role, sealed in the database.</summary>
public sealed record KeyRecord(string Name, SecretBytes? Pkcs8, ReadOnlyMemory<byte> Certificate)
{
    public static readonly Schema<KeyRecord> Schema = new Schema<KeyRecord>("server.key", 1, new("", null, default))
        .Plain("Name", k => k.Name, (k, v) => k with { Name = v }, Lifetime.Factory, "a server's record")
        .Plain("Pkcs8", k => k.Pkcs8!, (k, v) => k with { Pkcs8 = v }, Lifetime.Factory, "a server's record", secret: true)
        .Plain("Certificate", k => k.Certificate, (k, v) => k with { Certificate = v }, Lifetime.Factory, "a server's record");
}

/// <summary>The key pairs of roles, by name; made when first asked for.</summary>
public sealed class NamedKeys(IRecordStore store, Chance chance, Func<Moment> now)
{
    /// <param name="certificate">Makes the DER certificate to keep beside the key; null: none.</param>
    public async ValueTask<(ECDsa Key, ReadOnlyMemory<byte> Certificate)> GetAsync(string name, ECCurve curve, Func<ECDsa, ReadOnlyMemory<byte>>? certificate, CancellationToken cancel)
    {
        for (int attempt = 0; ; attempt++)
        {
            var unit = store.Begin(Caller.Local("keys", now()));
            if (await unit.GetAsync(KeyRecord.Schema, new(name), cancel) is { Value: { Pkcs8: { } pkcs8 } known })
                return (SigningKeys.ImportPrivate(pkcs8.Reveal()), known.Certificate);
            var made = chance.NewSigningKey(curve, name);
            var document = certificate?.Invoke(made) ?? default;
            byte[] exported = made.ExportPkcs8PrivateKey();
            unit.Insert(KeyRecord.Schema, new(name), new KeyRecord(name, new SecretBytes(exported), document));
            CryptographicOperations.ZeroMemory(exported);
            try
            {
                await unit.CommitAsync(cancel);
                return (made, document);
            }
            catch (ConflictException) when (attempt == 0)
            {
                // Another process made it meanwhile: take that one.
            }
        }
    }

    /// <summary>An RSA key pair with exponent 65537.</summary>
    /// <inheritdoc cref="GetAsync"/>
    public async ValueTask<(RSA Key, ReadOnlyMemory<byte> Certificate)> GetRsaAsync(string name, int bits, Func<RSA, ReadOnlyMemory<byte>>? certificate, CancellationToken cancel)
    {
        for (int attempt = 0; ; attempt++)
        {
            var unit = store.Begin(Caller.Local("keys", now()));
            if (await unit.GetAsync(KeyRecord.Schema, new(name), cancel) is { Value: { Pkcs8: { } pkcs8 } known })
                return (RsaKeys.ImportPrivate(pkcs8.Reveal()), known.Certificate);
            var made = RsaKeys.Generate(bits);
            var document = certificate?.Invoke(made) ?? default;
            byte[] exported = made.ExportPkcs8PrivateKey();
            unit.Insert(KeyRecord.Schema, new(name), new KeyRecord(name, new SecretBytes(exported), document));
            CryptographicOperations.ZeroMemory(exported);
            try
            {
                await unit.CommitAsync(cancel);
                return (made, document);
            }
            catch (ConflictException) when (attempt == 0)
            {
                // Another process made it meanwhile: take that one.
            }
        }
    }

    public async ValueTask<SecretBytes> SecretAsync(string name, CancellationToken cancel)
    {
        for (int attempt = 0; ; attempt++)
        {
            var unit = store.Begin(Caller.Local("keys", now()));
            if (await unit.GetAsync(KeyRecord.Schema, new(name), cancel) is { Value.Pkcs8: { } known })
                return known;
            var made = new SecretBytes(chance.Bytes(32, name));
            unit.Insert(KeyRecord.Schema, new(name), new KeyRecord(name, made, default));
            try
            {
                await unit.CommitAsync(cancel);
                return made;
            }
            catch (ConflictException) when (attempt == 0)
            {
            }
        }
    }
}
