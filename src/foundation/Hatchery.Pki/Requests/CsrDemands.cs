using System.Collections.Immutable;

namespace Hatchery.Pki;

/// <summary>The kind of key to be certified.</summary>
/// <param name="Algorithm">OID: id-ecPublicKey, rsaEncryption, id-Ed25519.</param>
/// <param name="Curve">OID; null: any, or not elliptic.</param>
/// <param name="Bits">Of an RSA modulus; null: any, or not RSA.</param>
public sealed record KeyDemand(string Algorithm, string? Curve = null, int? Bits = null)
{
    public bool IsMetBy(PublicKeyInfo key) =>
        key.Algorithm == Algorithm && (Curve is null || key.Curve == Curve) && (Bits is null || key.Bits == Bits);
}

/// <summary>A part of the subject; a part without value is for the client to fill.</summary>
/// <param name="Value">DER of the value.</param>
public sealed record NameDemand(string Oid, ReadOnlyMemory<byte>? Value);

/// <param name="Value">DER inside extnValue; null: for the client to fill. A subjectAltName may hold names that are empty: these too.</param>
public sealed record ExtensionDemand(string Oid, bool Critical, ReadOnlyMemory<byte>? Value);

/// <summary>What a request must have, from either form of CsrAttrs. A server checks with <see cref="Missing"/>, a client builds with <see cref="Fill"/>.</summary>
public sealed record CsrDemands
{
    public static CsrDemands None { get; } = new();

    /// <summary>Identity and proof of possession must be linked (RFC 7030, section 3.5).</summary>
    public bool ChallengePassword { get; init; }
    public KeyDemand? Key { get; init; }
    /// <summary>OID of the algorithm to sign the request with.</summary>
    public string? Signature { get; init; }
    /// <summary>OID of a digest alone, from servers before RFC 9908.</summary>
    public string? Digest { get; init; }
    /// <summary>RDNs in order, each of one or more parts; default: no demand.</summary>
    public ImmutableArray<ImmutableArray<NameDemand>> Subject { get; init; }
    public ImmutableArray<ExtensionDemand> Extensions { get; init; } = [];
    /// <summary>OIDs of values that the client is to include if it knows them: wishes, whose absence is no fault.</summary>
    public ImmutableArray<string> Wishes { get; init; } = [];

    internal static CsrDemands OfList(ImmutableArray<CsrElement> elements)
    {
        var demands = None;
        var wishes = ImmutableArray.CreateBuilder<string>();
        foreach (var element in elements)
            demands = element.IsBare ? Bare(demands, element.Oid, wishes) : Attribute(demands, element, wishes);
        return demands with { Wishes = wishes.ToImmutable() };
    }

    private static CsrDemands Bare(CsrDemands demands, string oid, ImmutableArray<string>.Builder wishes)
    {
        switch (oid)
        {
            case Oids.ChallengePassword:
                return demands with { ChallengePassword = true };
            case Oids.Sha1 or Oids.Sha256 or Oids.Sha384 or Oids.Sha512:
                return demands with { Digest = oid };
            case Oids.EcdsaWithSha256 or Oids.EcdsaWithSha384 or Oids.EcdsaWithSha512 or Oids.Sha256WithRsa or Oids.Sha384WithRsa or Oids.Sha512WithRsa or Oids.RsassaPss:
                return demands with { Signature = oid };
            default:
                wishes.Add(oid);
                return demands;
        }
    }

    private static CsrDemands Attribute(CsrDemands demands, CsrElement element, ImmutableArray<string>.Builder wishes)
    {
        switch (element.Oid)
        {
            case Oids.EcPublicKey or Oids.RsaEncryption or Oids.Ed25519:
                if (demands.Key is not null)
                    throw new PkiException("CsrAttrs", "more than one kind of key is asked for.");
                return demands with { Key = ReadKey(element) };
            case Oids.ExtensionRequest:
                if (!demands.Extensions.IsEmpty)
                    throw new PkiException("CsrAttrs", "extensionRequest stands twice.");
                return demands with { Extensions = ReadExtensions(element, wishes) };
            default:
                return demands;
        }
    }

    private static KeyDemand ReadKey(CsrElement element)
    {
        if (element.Values.Length > 1)
            throw new PkiException("CsrAttrs", "a kind of key with several parameters.");
        if (element.Values.Length == 0)
            return new(element.Oid);
        return Der.Read(element.Values[0], "CsrAttrs", 512, r =>
        {
            if (element.Oid == Oids.EcPublicKey)
                return new KeyDemand(element.Oid, r.ReadObjectIdentifier());
            if (element.Oid == Oids.RsaEncryption && r.TryReadInt32(out int bits))
                return new KeyDemand(element.Oid, Bits: bits);
            throw new PkiException("CsrAttrs", $"parameters of {element.Oid} that are not understood.");
        });
    }

    /// <summary>RFC 7030's own example has a bare OID where extensions belong: what is no list of extensions is taken for wishes.</summary>
    private static ImmutableArray<ExtensionDemand> ReadExtensions(CsrElement element, ImmutableArray<string>.Builder wishes)
    {
        var found = ImmutableArray.CreateBuilder<ExtensionDemand>();
        foreach (var value in element.Values)
        {
            if (value.Span[0] == 0x06)
                wishes.Add(Der.Read(value, "CsrAttrs", 512, r => r.ReadObjectIdentifier()));
            else if (element.Values.Length == 1)
                foreach (var extension in Der.Read(value, "CsrAttrs", 65536, r => CertificateExtension.ReadAll(r.ReadSequence())))
                    found.Add(new(extension.Oid, extension.Critical, extension.Value));
            else
                throw new PkiException("CsrAttrs", "extensionRequest with several lists.");
        }
        return found.ToImmutable();
    }

    internal List<CsrElement> ToList()
    {
        var list = new List<CsrElement>();
        if (ChallengePassword)
            list.Add(new(Oids.ChallengePassword));
        if (Key is { } key)
            list.Add(new(key.Algorithm, key.Curve is { } curve ? [Der.Write(w => w.WriteObjectIdentifier(curve))]
                : key.Bits is { } bits ? [Der.Write(w => w.WriteInteger(bits))] : []));
        var exact = Extensions.Where(e => e.Value is { } value && !NameGaps.Has(e.Oid, value)).Select(e => new CertificateExtension(e.Oid, e.Critical, e.Value!.Value)).ToImmutableArray();
        if (!exact.IsEmpty)
            list.Add(new(Oids.ExtensionRequest, RequestAttribute.ExtensionRequest(exact).Values));
        foreach (string wish in Wishes.Concat(Subject.IsDefault ? [] : Subject.SelectMany(r => r).Where(p => p.Value is null).Select(p => p.Oid)).Distinct())
            list.Add(new(wish));
        if (Signature is { } signature)
            list.Add(new(signature));
        else if (Digest is { } digest)
            list.Add(new(digest));
        return list;
    }

    /// <summary>What a request lacks, each in words that its sender can act on; empty: it conforms.</summary>
    public ImmutableArray<string> Missing(Pkcs10 request)
    {
        var missing = ImmutableArray.CreateBuilder<string>();
        if (ChallengePassword && request.ChallengePassword is null)
            missing.Add("challengePassword with the channel binding");
        if (Key is { } key && !key.IsMetBy(request.Key))
            missing.Add($"a key of the kind {key.Algorithm} {key.Curve}{key.Bits}");
        var algorithm = Signature is null && Digest is null ? null : SignatureAlgorithm.Parse(request.Algorithm);
        if (Signature is { } signature && algorithm!.Oid != signature)
            missing.Add($"a signature of the algorithm {signature}");
        if (Digest is { } digest && algorithm!.Hash != default && SignatureAlgorithm.OidOf(algorithm.Hash) != digest)
            missing.Add($"a signature over the digest {digest}");
        MissingNames(request, missing);
        foreach (var demand in Extensions)
            if (request.FindExtension(demand.Oid) is not { } extension || extension.Critical != demand.Critical || !NameGaps.IsMet(demand, extension.Value))
                missing.Add($"the extension {demand.Oid}{(demand.Value is null ? "" : " as given")}{(demand.Critical ? ", critical" : "")}");
        return missing.ToImmutable();
    }

    private void MissingNames(Pkcs10 request, ImmutableArray<string>.Builder missing)
    {
        if (Subject.IsDefault)
            return;
        var given = DirectoryName.Read(request.SubjectName, "subject");
        foreach (var demand in Subject.SelectMany(r => r))
        {
            int at = given.FindIndex(g => g.Type == demand.Oid && (demand.Value is not { } value || DirectoryName.SameValue(g.Value, value)));
            if (at >= 0)
                given.RemoveAt(at);
            else
                missing.Add($"{demand.Oid} in the subject{(demand.Value is null ? "" : " as given")}");
        }
    }

    /// <summary>A request as demanded. What is left open is taken from the draft: parts of its subject by type, its extensions, names of its subjectAltName by kind.</summary>
    /// <param name="draft">What the client would send without demands.</param>
    /// <exception cref="PkiException">The draft lacks what the client must supply.</exception>
    public Pkcs10Builder Fill(Pkcs10Builder draft)
    {
        var extensions = draft.Extensions.ToList();
        foreach (var demand in Extensions)
        {
            int at = extensions.FindIndex(e => e.Oid == demand.Oid);
            var filled = new CertificateExtension(demand.Oid, demand.Critical, NameGaps.Fill(demand, at < 0 ? default(ReadOnlyMemory<byte>?) : extensions[at].Value));
            if (at < 0)
                extensions.Add(filled);
            else
                extensions[at] = filled;
        }
        return draft with { Subject = Subject.IsDefault ? draft.Subject : FillSubject(draft.Subject), Extensions = [.. extensions] };
    }

    private ReadOnlyMemory<byte> FillSubject(ReadOnlyMemory<byte> draft)
    {
        var given = DirectoryName.Read(draft, "subject");
        return Der.Write(w =>
        {
            using (w.PushSequence())
                foreach (var rdn in Subject)
                    using (w.PushSetOf())
                        foreach (var part in rdn)
                            using (w.PushSequence())
                            {
                                w.WriteObjectIdentifier(part.Oid);
                                w.WriteEncodedValue((part.Value ?? Take(part.Oid)).Span);
                            }
        });

        ReadOnlyMemory<byte> Take(string oid)
        {
            int at = given.FindIndex(g => g.Type == oid);
            if (at < 0)
                throw new PkiException("subject", $"the server asks for {oid} in the subject, and there is no value for it.");
            var value = given[at].Value;
            given.RemoveAt(at);
            return value;
        }
    }
}
