using System.Collections.Immutable;
using System.Formats.Asn1;
using System.Numerics;

namespace Hatchery.Pki;

public readonly record struct RevokedEntry(ReadOnlyMemory<byte> SerialNumber, DateTimeOffset Revoked, RevocationReason Reason);

/// <summary>A certificate revocation list (RFC 5280, section 5), complete and of one issuer.</summary>
public sealed class RevocationList
{
    public const int MaxBytes = 16 * 1024 * 1024;
    private readonly ReadOnlyMemory<byte> _signed, _signature, _algorithm;
    private readonly Dictionary<string, RevokedEntry> _entries = [];

    private RevocationList(ReadOnlyMemory<byte> encoded, AsnReader all)
    {
        Encoded = encoded;
        var outer = all.ReadSequence();
        _signed = outer.PeekEncodedValue();
        var content = outer.ReadSequence();
        _algorithm = outer.ReadEncodedValue();
        _signature = outer.ReadBitString(out _);
        outer.ThrowIfNotEmpty();
        if (content.HasData && content.PeekTag() == Asn1Tag.Integer && (!content.TryReadInt32(out int version) || version != 1))
            throw new PkiException("version", "a revocation list of an unknown version.");
        if (!content.ReadEncodedValue().Span.SequenceEqual(_algorithm.Span))
            throw new PkiException("signatureAlgorithm", "the two signature algorithms differ.");
        Issuer = content.ReadEncodedValue();
        DirectoryName.Read(Issuer, "issuer");
        ThisUpdate = Der.ReadTime(content);
        if (content.HasData && content.PeekTag() is { TagClass: TagClass.Universal, TagValue: (int)UniversalTagNumber.UtcTime or (int)UniversalTagNumber.GeneralizedTime })
            NextUpdate = Der.ReadTime(content);
        if (content.HasData && content.PeekTag() == Asn1Tag.Sequence)
            ReadEntries(content.ReadSequence());
        if (content.HasData)
            ReadExtensions(content.ReadSequence(Der.Context0).ReadSequence());
        content.ThrowIfNotEmpty();
    }

    /// <summary>DER.</summary>
    public ReadOnlyMemory<byte> Encoded { get; }
    /// <summary>DER of a Name.</summary>
    public ReadOnlyMemory<byte> Issuer { get; }
    public DateTimeOffset ThisUpdate { get; }
    public DateTimeOffset? NextUpdate { get; }
    /// <summary>Null: the list has none.</summary>
    public BigInteger? Number { get; private set; }
    public ReadOnlyMemory<byte>? AuthorityKeyIdentifier { get; private set; }
    public IReadOnlyCollection<RevokedEntry> Entries => _entries.Values;

    /// <param name="encoded">DER, up to 16 MiB.</param>
    /// <exception cref="PkiException">Not a list; or a delta, an indirect list, or one with another critical extension, which cannot be understood as complete.</exception>
    public static RevocationList Parse(ReadOnlyMemory<byte> encoded) => Der.Read(encoded, "CertificateList", MaxBytes, all => new RevocationList(all.PeekEncodedValue(), all));

    public bool IsSignedBy(PublicKeyInfo key) => key.Verify(SignatureAlgorithm.Parse(_algorithm), _signed.Span, _signature.Span);

    /// <summary>Null: not on the list.</summary>
    public RevokedEntry? Find(Certificate certificate) => _entries.TryGetValue(certificate.SerialText, out var entry) ? entry : null;

    private void ReadEntries(AsnReader sequence)
    {
        while (sequence.HasData)
        {
            var entry = sequence.ReadSequence();
            var serial = entry.ReadIntegerBytes();
            var revoked = Der.ReadTime(entry);
            var reason = RevocationReason.Unspecified;
            if (entry.HasData)
                foreach (var extension in CertificateExtension.ReadAll(entry.ReadSequence()))
                    if (extension.Oid == Oids.CrlReason)
                        reason = extension.Read("reasonCode", r => (RevocationReason)(r.ReadEnumeratedBytes() is { Length: 1 } code ? code.Span[0] : throw new PkiException("reasonCode", "not a reason.")));
                    else if (extension.Critical)
                        throw new PkiException("crlEntryExtensions", $"the critical extension {extension.Oid} is unknown here.");
            entry.ThrowIfNotEmpty();
            _entries[Certificate.SerialOf(serial.Span)] = new(serial, revoked, reason);
        }
    }

    private void ReadExtensions(AsnReader sequence)
    {
        foreach (var extension in CertificateExtension.ReadAll(sequence))
            switch (extension.Oid)
            {
                case Oids.CrlNumber:
                    Number = extension.Read("cRLNumber", r => r.ReadInteger());
                    break;
                case Oids.AuthorityKeyIdentifier:
                    AuthorityKeyIdentifier = extension.Read("authorityKeyIdentifier", Certificate.ReadAuthority);
                    break;
                default:
                    if (extension.Critical)
                        throw new PkiException("crlExtensions", $"the critical extension {extension.Oid} is unknown here.");
                    break;
            }
    }

    /// <param name="number">Larger than that of any list of this issuer before.</param>
    /// <returns>DER.</returns>
    public static ReadOnlyMemory<byte> Make(CertificateAuthority issuer, long number, DateTimeOffset thisUpdate, DateTimeOffset nextUpdate, IEnumerable<RevokedEntry> entries, Chance chance)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER, 1024);
        using (writer.PushSequence())
        {
            writer.WriteInteger(1);
            issuer.Key.Algorithm.Write(writer);
            writer.WriteEncodedValue(issuer.Certificate.Subject.Span);
            Der.WriteTime(writer, thisUpdate);
            Der.WriteTime(writer, nextUpdate);
            var all = entries.ToList();
            if (all.Count > 0)
                using (writer.PushSequence())
                    foreach (var entry in all)
                        Write(writer, entry);
            using (writer.PushSequence(Der.Context0))
                CertificateExtension.WriteAll(writer,
                [
                    CertificateExtension.AuthorityKeyIdentifier((issuer.Certificate.SubjectKeyIdentifier ?? issuer.Key.Public.KeyIdentifier()).Span),
                    new CertificateExtension(Oids.CrlNumber, false, Der.Write(w => w.WriteInteger(number))),
                ]);
        }
        return issuer.Key.Frame(writer.Encode(), chance, "CRL.signature");
    }

    private static void Write(AsnWriter writer, RevokedEntry entry)
    {
        using (writer.PushSequence())
        {
            writer.WriteInteger(entry.SerialNumber.Span);
            Der.WriteTime(writer, entry.Revoked);
            // "Unspecified" is said by leaving it out.
            if (entry.Reason != RevocationReason.Unspecified)
                CertificateExtension.WriteAll(writer, [new(Oids.CrlReason, false, new byte[] { 0x0A, 1, (byte)entry.Reason })]);
        }
    }
}

/// <summary>Lists of several issuers, as a source of revocation for <see cref="PathOptions.Revoked"/>.</summary>
public sealed class RevocationLists
{
    private readonly ImmutableArray<(RevocationList List, Certificate Issuer)> _lists;

    /// <param name="lists">Those that no issuer signed are left out.</param>
    public RevocationLists(IEnumerable<RevocationList> lists, IEnumerable<Certificate> issuers)
    {
        var known = issuers.ToList();
        _lists = [.. from list in lists
                     from issuer in known
                     where DirectoryName.AreEqual(list.Issuer, issuer.Subject) && (issuer.KeyUsage is not { } usage || usage.HasFlag(System.Security.Cryptography.X509Certificates.X509KeyUsageFlags.CrlSign)) && list.IsSignedBy(issuer.Key)
                     select (list, issuer)];
    }

    /// <summary>Why a certificate is revoked; null: it is not, by any list here.</summary>
    public string? Revoked(Certificate certificate)
    {
        foreach (var (list, issuer) in _lists)
            if (DirectoryName.AreEqual(issuer.Subject, certificate.Issuer)
                && (certificate.AuthorityKeyIdentifier is not { } wanted || issuer.SubjectKeyIdentifier is not { } has || wanted.Span.SequenceEqual(has.Span))
                && list.Find(certificate) is { Reason: not RevocationReason.RemoveFromCrl } entry)
                return $"{entry.Reason} since {entry.Revoked:u}";
        return null;
    }
}
