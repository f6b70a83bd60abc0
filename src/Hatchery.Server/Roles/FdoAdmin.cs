using System.Security.Cryptography;
using System.Text;
using Hatchery.Fdo;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Hatchery.Server.Roles;

/// <summary>What FDO's admin endpoints share.</summary>
internal static class FdoAdmin
{
    private const int MaxBody = 1 << 24;

    public static Caller Operator(RoleContext context, HttpContext http) => new()
    {
        Now = context.Now(),
        Listener = "admin",
        Remote = http.Connection.RemoteIpAddress?.ToString(),
    };

    public static async ValueTask<byte[]> BodyAsync(HttpContext http)
    {
        using var body = new MemoryStream();
        var piece = new byte[16384];
        for (int read; (read = await http.Request.Body.ReadAsync(piece, http.RequestAborted)) > 0;)
        {
            if (body.Length + read > MaxBody)
                throw new BadHttpRequestException("The body is too long.", StatusCodes.Status413PayloadTooLarge);
            body.Write(piece, 0, read);
        }
        return body.ToArray();
    }

    public static async ValueTask<FdoPublicKey> PublicKeyAsync(HttpContext http)
    {
        string pem = Encoding.ASCII.GetString(await BodyAsync(http));
        try
        {
            if (PemEncoding.TryFind(pem, out var block) && pem.AsSpan()[block.Label].SequenceEqual("PUBLIC KEY"))
                return FdoPublicKey.FromSubjectPublicKeyInfo(Convert.FromBase64String(pem[block.Base64Data]));
            if (pem.Contains("BEGIN CERTIFICATE", StringComparison.Ordinal))
                return FdoPublicKey.FromChain([.. Hatchery.Pki.PemFile.ReadAll(pem, "CERTIFICATE").Select(c => (ReadOnlyMemory<byte>)c)]);
        }
        catch (Exception e) when (e is ArgumentException or FormatException or Hatchery.Pki.PkiException)
        {
            throw new BadHttpRequestException("The key is neither on P-256 or P-384 nor RSA of 2048 or 3072 bits.");
        }
        throw new BadHttpRequestException("The body is neither a public key nor a chain of certificates in PEM form.");
    }

    /// <summary>An operator's act is a step of the device's ceremony.</summary>
    public static void SawHuman(RoleContext context, StepKind kind, Guid guid) => context.SawHuman(kind, "fdo.guid", guid.ToByteArray(bigEndian: true));
}

/// <summary>Admin endpoints name the scope that a token needs.</summary>
public static class AdminScope
{
    public static RouteHandlerBuilder Scope(this RouteHandlerBuilder route, string scope) => route.WithMetadata(new RequiredScope(scope));
}

public sealed record RequiredScope(string Scope);
