using System.Collections.Immutable;
using Hatchery.Pki;

namespace Hatchery.Est.Server;

/// <summary>The server's own CA behind EST.</summary>
public sealed class EmbeddedEstAuthority(EmbeddedAuthority authority) : IEstAuthority
{
    private static readonly TimeSpan s_listAge = TimeSpan.FromHours(1), s_listLife = TimeSpan.FromDays(7);

    public EmbeddedAuthority Authority => authority;

    public async ValueTask<ImmutableArray<Certificate>> CertificatesAsync(IUnitOfWork unit, CancellationToken cancel) => (await authority.StateAsync(unit, cancel)).Published;

    public async ValueTask<TrustStore> TrustAsync(IUnitOfWork unit, CancellationToken cancel) => (await authority.StateAsync(unit, cancel)).Trust;

    public async ValueTask<Certificate> IssueAsync(IUnitOfWork unit, CertificateOrder order, DateTimeOffset now, CancellationToken cancel)
    {
        var profile = order.Profile.Subject is null ? order.Profile with { Subject = new(order.Subject.Span) } : order.Profile;
        var until = order.Life < DateTimeOffset.MaxValue - now ? now + order.Life : CertificateProfile.NoEnd;
        var issued = await authority.IssueAsync(unit, order.Key, order.Request, profile, order.ProfileName, order.Device?.ToString(), now, until, cancel);
        if (order.Replaces is not null && await authority.FindAsync(unit, order.Replaces, cancel) is { } old)
            EmbeddedAuthority.Supersede(unit, old, issued);
        return issued.Certificate;
    }

    public async ValueTask<string?> RefusalAsync(IUnitOfWork unit, Certificate certificate, CancellationToken cancel) => (await authority.FindAsync(unit, certificate, cancel))?.Value switch
    {
        null => $"certificate {certificate.SerialText} was not issued here.",
        { Revoked: { } at, Reason: var reason } => $"certificate {certificate.SerialText} was revoked at {at:u}: {reason}.",
        _ => null,
    };

    public async ValueTask<bool> RevokeAsync(IUnitOfWork unit, ReadOnlyMemory<byte> serialNumber, RevocationReason reason, DateTimeOffset now, CancellationToken cancel)
    {
        string hex = Convert.ToHexStringLower(serialNumber.Span.TrimStart((byte)0));
        foreach (var issued in await unit.FindAsync(IssuedCertificate.Schema, "serial", hex.Length == 0 ? "0" : hex, 10, cancel))
            if (issued.Value.Authority == authority.Name)
                return EmbeddedAuthority.Revoke(unit, issued, reason, now);
        return false;
    }

    public ValueTask<ReadOnlyMemory<byte>?> RevocationListAsync(Caller caller, CancellationToken cancel) => authority.RevocationListAsync(caller, null, s_listAge, s_listLife, cancel);
}
