using System.Collections.Immutable;
using System.Formats.Asn1;
using System.Numerics;

namespace Hatchery.Pki;

/// <summary>CertificationRequestInfoTemplate (RFC 9908, section 3.4).</summary>
public sealed record RequestTemplate
{
    /// <summary>Default: absent, no demand.</summary>
    public ImmutableArray<ImmutableArray<NameDemand>> Subject { get; init; }
    public KeyDemand? Key { get; init; }
    public ImmutableArray<ExtensionDemand> Extensions { get; init; } = [];
    /// <summary>Attributes other than those of extensions.</summary>
    public ImmutableArray<RequestAttribute> Attributes { get; init; } = [];

    internal CsrDemands Demands() => new()
    {
        Subject = Subject,
        Key = Key,
        Extensions = Extensions,
        ChallengePassword = Attributes.Any(a => a.Oid == Oids.ChallengePassword),
    };

    public static RequestTemplate Of(CsrDemands demands) => new()
    {
        Subject = demands.Subject,
        Key = demands.Key,
        Extensions = demands.Extensions,
        Attributes = demands.ChallengePassword ? [new(Oids.ChallengePassword, [])] : [],
    };

    /// <exception cref="PkiException">Not a template, or both forms of extensions.</exception>
    public static RequestTemplate Parse(ReadOnlyMemory<byte> encoded) => Der.Read(encoded, "certificationRequestInfoTemplate", 65536, all =>
    {
        var content = all.ReadSequence();
        if (!content.TryReadInt32(out int version) || version != 0)
            throw new PkiException("certificationRequestInfoTemplate", "the version is not 0.");
        var template = new RequestTemplate();
        if (content.HasData && content.PeekTag() == Asn1Tag.Sequence)
            template = template with { Subject = ReadSubject(content.ReadSequence()) };
        if (content.HasData && content.PeekTag() == Der.Context0)
            template = template with { Key = ReadKey(content.ReadSequence(Der.Context0)) };
        var attributes = content.ReadSetOf(skipSortOrderValidation: true, Der.Context1);
        content.ThrowIfNotEmpty();
        while (attributes.HasData)
            template = template.With(RequestAttribute.Read(attributes));
        return template;
    });

    private RequestTemplate With(RequestAttribute attribute)
    {
        if (attribute.Oid is not (Oids.ExtensionRequest or Oids.ExtensionRequestTemplate))
            return this with { Attributes = Attributes.Add(attribute) };
        if (!Extensions.IsEmpty)
            throw new PkiException("certificationRequestInfoTemplate", "extensions stand twice.");
        bool open = attribute.Oid == Oids.ExtensionRequestTemplate;
        return this with { Extensions = Der.Read(attribute.Single("extensions"), "extensions", 65536, r => ReadExtensions(r.ReadSequence(), open)) };
    }

    private static ImmutableArray<ImmutableArray<NameDemand>> ReadSubject(AsnReader sequence)
    {
        var rdns = ImmutableArray.CreateBuilder<ImmutableArray<NameDemand>>();
        while (sequence.HasData)
        {
            var parts = ImmutableArray.CreateBuilder<NameDemand>();
            for (var set = sequence.ReadSetOf(skipSortOrderValidation: true); set.HasData;)
            {
                var part = set.ReadSequence();
                parts.Add(new(part.ReadObjectIdentifier(), part.HasData ? part.ReadEncodedValue() : default(ReadOnlyMemory<byte>?)));
                part.ThrowIfNotEmpty();
            }
            if (rdns.Count == 64 || parts.Count is 0 or > 16)
                throw new PkiException("subject", "a subject of more than 64 parts, or of an empty one.");
            rdns.Add(parts.ToImmutable());
        }
        return rdns.ToImmutable();
    }

    /// <summary>A bit string is there only to show the size of an RSA modulus.</summary>
    private static KeyDemand ReadKey(AsnReader content)
    {
        var identifier = content.ReadSequence();
        string algorithm = identifier.ReadObjectIdentifier();
        string? curve = algorithm == Oids.EcPublicKey && identifier.HasData ? identifier.ReadObjectIdentifier() : null;
        int? bits = null;
        if (content.HasData)
        {
            var key = content.ReadBitString(out _);
            if (algorithm == Oids.RsaEncryption)
                bits = (int)Der.Open(key).ReadSequence().ReadInteger().GetBitLength();
        }
        content.ThrowIfNotEmpty();
        return new(algorithm, curve, bits);
    }

    private static ImmutableArray<ExtensionDemand> ReadExtensions(AsnReader sequence, bool open)
    {
        var found = ImmutableArray.CreateBuilder<ExtensionDemand>();
        while (sequence.HasData)
        {
            var extension = sequence.ReadSequence();
            string oid = extension.ReadObjectIdentifier();
            bool critical = extension.HasData && extension.PeekTag() == Asn1Tag.Boolean && extension.ReadBoolean();
            ReadOnlyMemory<byte>? value = open && !extension.HasData ? default(ReadOnlyMemory<byte>?) : extension.ReadOctetString();
            extension.ThrowIfNotEmpty();
            if (found.Count == 64 || found.Any(f => f.Oid == oid))
                throw new PkiException("extensions", $"more than 64 extensions, or {oid} twice.");
            found.Add(new(oid, critical, value));
        }
        return found.ToImmutable();
    }

    public ReadOnlyMemory<byte> Encode() => Der.Write(w =>
    {
        using (w.PushSequence())
        {
            w.WriteInteger(0);
            if (!Subject.IsDefault)
                WriteSubject(w);
            if (Key is { } key)
                WriteKey(w, key);
            using (w.PushSetOf(Der.Context1))
            {
                foreach (var attribute in Attributes)
                    attribute.Write(w);
                if (!Extensions.IsEmpty)
                    WriteExtensions(w);
            }
        }
    });

    private void WriteSubject(AsnWriter w)
    {
        using (w.PushSequence())
            foreach (var rdn in Subject)
                using (w.PushSetOf())
                    foreach (var part in rdn)
                        using (w.PushSequence())
                        {
                            w.WriteObjectIdentifier(part.Oid);
                            if (part.Value is { } value)
                                w.WriteEncodedValue(value.Span);
                        }
    }

    private static void WriteKey(AsnWriter w, KeyDemand key)
    {
        using (w.PushSequence(Der.Context0))
        {
            using (w.PushSequence())
            {
                w.WriteObjectIdentifier(key.Algorithm);
                if (key.Curve is { } curve)
                    w.WriteObjectIdentifier(curve);
                else if (key.Algorithm == Oids.RsaEncryption)
                    w.WriteNull();
            }
            if (key.Bits is { } bits)
                w.WriteBitString(Der.Write(r =>
                {
                    using (r.PushSequence())
                    {
                        r.WriteInteger(BigInteger.One << (bits - 1));
                        r.WriteInteger(65537);
                    }
                }).Span);
        }
    }

    /// <summary>In the form without gaps if there are none.</summary>
    private void WriteExtensions(AsnWriter w)
    {
        bool open = Extensions.Any(e => e.Value is null || NameGaps.Has(e.Oid, e.Value.Value));
        using (w.PushSequence())
        {
            w.WriteObjectIdentifier(open ? Oids.ExtensionRequestTemplate : Oids.ExtensionRequest);
            using (w.PushSetOf())
            using (w.PushSequence())
                foreach (var extension in Extensions)
                    using (w.PushSequence())
                    {
                        w.WriteObjectIdentifier(extension.Oid);
                        if (extension.Critical)
                            w.WriteBoolean(true);
                        if (extension.Value is { } value)
                            w.WriteOctetString(value.Span);
                    }
        }
    }
}
