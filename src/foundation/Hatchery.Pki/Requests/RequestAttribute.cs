using System.Collections.Immutable;
using System.Formats.Asn1;

namespace Hatchery.Pki;

/// <summary>An Attribute (RFC 2986, section 4.1): a type and a set of values.</summary>
/// <param name="Values">DER of each.</param>
public sealed record RequestAttribute(string Oid, ImmutableArray<ReadOnlyMemory<byte>> Values)
{
    public static RequestAttribute Of(string oid, ReadOnlyMemory<byte> value) => new(oid, [value]);

    /// <summary>RFC 2985, section 5.4.1: PrintableString where the characters allow it.</summary>
    public static RequestAttribute ChallengePassword(string text) => Of(Oids.ChallengePassword, Der.Write(w => Der.WriteDirectoryString(w, text)));

    public static RequestAttribute ExtensionRequest(ImmutableArray<CertificateExtension> extensions) =>
        Of(Oids.ExtensionRequest, Der.Write(w => CertificateExtension.WriteAll(w, extensions)));

    /// <summary>RFC 4108, section 2.2.5: which symmetric key to encrypt a generated key with.</summary>
    public static RequestAttribute DecryptKeyId(ReadOnlyMemory<byte> identifier) => Of(Oids.DecryptKeyId, Der.Write(w => w.WriteOctetString(identifier.Span)));

    /// <summary>RFC 7030, section 4.4.1.2.</summary>
    public static RequestAttribute AsymmetricDecryptKeyId(ReadOnlyMemory<byte> identifier) => Of(Oids.AsymmetricDecryptKeyId, Der.Write(w => w.WriteOctetString(identifier.Span)));

    /// <summary>RFC 2985, section 5.6, with algorithms that have no parameters.</summary>
    /// <param name="oids">In order of preference.</param>
    public static RequestAttribute SmimeCapabilities(params ImmutableArray<string> oids) => Of(Oids.SmimeCapabilities, Der.Write(w =>
    {
        using (w.PushSequence())
            foreach (string oid in oids)
            {
                using (w.PushSequence())
                    w.WriteObjectIdentifier(oid);
            }
    }));

    public static RequestAttribute ChangeSubjectName(ChangeSubjectName names) => Of(Oids.ChangeSubjectName, names.Encode());

    internal void Write(AsnWriter writer)
    {
        using (writer.PushSequence())
        {
            writer.WriteObjectIdentifier(Oid);
            using (writer.PushSetOf())
                foreach (var value in Values)
                    writer.WriteEncodedValue(value.Span);
        }
    }

    internal static RequestAttribute Read(AsnReader reader)
    {
        var content = reader.ReadSequence();
        string oid = content.ReadObjectIdentifier();
        var values = Der.Values(content.ReadSetOf(skipSortOrderValidation: true), oid);
        content.ThrowIfNotEmpty();
        return new(oid, values);
    }

    /// <exception cref="PkiException">None, or several.</exception>
    internal ReadOnlyMemory<byte> Single(string field) =>
        Values.Length == 1 ? Values[0] : throw new PkiException(field, $"the attribute {field} has {Values.Length} values; it must have one.");
}

/// <summary>The names that the certificate is to have instead of those of the request (RFC 6402, section 2.8). At least one.</summary>
/// <param name="Subject">DER of a Name.</param>
public sealed record ChangeSubjectName(ReadOnlyMemory<byte>? Subject, ImmutableArray<GeneralName> SubjectAlt)
{
    internal ReadOnlyMemory<byte> Encode() => Der.Write(w =>
    {
        using (w.PushSequence())
        {
            if (Subject is { } subject)
                w.WriteEncodedValue(subject.Span);
            if (!SubjectAlt.IsDefaultOrEmpty)
                w.WriteEncodedValue(GeneralName.EncodeAll(SubjectAlt).Span);
        }
    });

    /// <summary>Both fields are untagged sequences: a Name holds sets, GeneralNames hold context tags.</summary>
    internal static ChangeSubjectName Parse(ReadOnlyMemory<byte> encoded) => Der.Read(encoded, "changeSubjectName", 16384, all =>
    {
        var content = all.ReadSequence();
        ReadOnlyMemory<byte>? subject = null;
        ImmutableArray<GeneralName> names = [];
        if (content.HasData && IsName(content.PeekContentBytes()))
        {
            subject = content.ReadEncodedValue();
            DirectoryName.Read(subject.Value, "changeSubjectName");
        }
        if (content.HasData)
            names = GeneralName.ReadAll(content.ReadSequence());
        content.ThrowIfNotEmpty();
        return subject is null && names.IsEmpty ? throw new PkiException("changeSubjectName", "neither subject nor subjectAlt.") : new ChangeSubjectName(subject, names);
    });

    private static bool IsName(ReadOnlyMemory<byte> contents) => contents.IsEmpty || contents.Span[0] == 0x31;
}
