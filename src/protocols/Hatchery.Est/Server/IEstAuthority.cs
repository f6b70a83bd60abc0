using System.Collections.Immutable;
using Hatchery.Pki;

namespace Hatchery.Est.Server;

/// <summary>The CA behind an EST server.</summary>
public interface IEstAuthority
{
    /// <summary>What /cacerts gives: root, those between, and the links of a change of root.</summary>
    ValueTask<ImmutableArray<Certificate>> CertificatesAsync(IUnitOfWork unit, CancellationToken cancel);

    /// <summary>What validates the CA's own certificates.</summary>
    ValueTask<TrustStore> TrustAsync(IUnitOfWork unit, CancellationToken cancel);

    /// <summary>Issues within the unit of work: the certificate exists when that is committed. A conflict there is a serial number that was taken; run again.</summary>
    /// <exception cref="PkiException">The profile does not allow what the order asks for.</exception>
    ValueTask<Certificate> IssueAsync(IUnitOfWork unit, CertificateOrder order, DateTimeOffset now, CancellationToken cancel);

    /// <summary>Why a certificate of this CA is no longer good: revoked, or never issued; null: it is good.</summary>
    ValueTask<string?> RefusalAsync(IUnitOfWork unit, Certificate certificate, CancellationToken cancel);

    /// <summary>Revokes within the unit of work. False: no such certificate, or revoked already.</summary>
    ValueTask<bool> RevokeAsync(IUnitOfWork unit, ReadOnlyMemory<byte> serialNumber, RevocationReason reason, DateTimeOffset now, CancellationToken cancel);

    /// <summary>DER of the current revocation list; null: there is none.</summary>
    ValueTask<ReadOnlyMemory<byte>?> RevocationListAsync(Caller caller, CancellationToken cancel);
}

/// <param name="Subject">DER of a Name.</param>
/// <param name="Request">What extensions may be taken from.</param>
/// <param name="Device">Of the registry.</param>
/// <param name="Replaces">The certificate that this one renews.</param>
public sealed record CertificateOrder(PublicKeyInfo Key, ReadOnlyMemory<byte> Subject, Pkcs10 Request, CertificateProfile Profile, string ProfileName, TimeSpan Life, Identifier? Device,
    Certificate? Replaces);
