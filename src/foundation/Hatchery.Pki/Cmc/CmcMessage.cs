using System.Collections.Immutable;
using System.Formats.Asn1;

namespace Hatchery.Pki;

/// <summary>A TaggedAttribute of CMC (RFC 5272, section 3.2.1.1).</summary>
/// <param name="BodyPartId">1 to 4294967295, unique in its message.</param>
/// <param name="Values">DER of each.</param>
public sealed record CmcControl(uint BodyPartId, string Oid, ImmutableArray<ReadOnlyMemory<byte>> Values)
{
    internal void Write(AsnWriter writer)
    {
        using (writer.PushSequence())
        {
            writer.WriteInteger(BodyPartId);
            writer.WriteObjectIdentifier(Oid);
            using (writer.PushSetOf())
                foreach (var value in Values)
                    writer.WriteEncodedValue(value.Span);
        }
    }
}

public enum CmcRequestKind { Pkcs10, Crmf, Other }

/// <summary>A TaggedRequest (RFC 5272, section 3.2.1.2).</summary>
/// <param name="Encoded">tcr: the PKCS#10; crm: the CertReqMsg; orm: all of it.</param>
public sealed record CmcTaggedRequest(CmcRequestKind Kind, uint BodyPartId, ReadOnlyMemory<byte> Encoded);

/// <summary>PKIData and PKIResponse (RFC 5272, section 3.2), the contents of CMC's signed messages.</summary>
public sealed record CmcMessage
{
    private const int MaxParts = 32;

    public bool IsResponse { get; init; }
    public ImmutableArray<CmcControl> Controls { get; init; } = [];
    /// <summary>Of PKIData only.</summary>
    public ImmutableArray<CmcTaggedRequest> Requests { get; init; } = [];
    /// <summary>The field reqSequence as it stands, with tag and length: what identity proofs cover. Set by <see cref="Parse"/> and <see cref="EncodeRequests"/>.</summary>
    public ReadOnlyMemory<byte> RequestSequence { get; init; }
    /// <summary>CMS messages inside, each a ContentInfo, as a registration authority puts them.</summary>
    public ImmutableArray<(uint BodyPartId, ReadOnlyMemory<byte> ContentInfo)> Inner { get; init; } = [];

    /// <param name="encoded">DER or BER; PKIResponse where the content type says so, else PKIData.</param>
    /// <exception cref="PkiException">Not that, or a body part id that is out of range or stands twice.</exception>
    public static CmcMessage Parse(ReadOnlyMemory<byte> encoded, bool isResponse) => Der.Read(encoded, isResponse ? "PKIResponse" : "PKIData", CertsOnly.MaxBytes, all =>
    {
        var content = all.ReadSequence();
        var ids = new HashSet<uint>();
        var controls = ImmutableArray.CreateBuilder<CmcControl>();
        for (var sequence = content.ReadSequence(); sequence.HasData;)
        {
            var control = sequence.ReadSequence();
            controls.Add(new(ReadId(control, ids), control.ReadObjectIdentifier(), Der.Values(control.ReadSetOf(skipSortOrderValidation: true), "controlSequence")));
            control.ThrowIfNotEmpty();
        }
        var requests = ImmutableArray.CreateBuilder<CmcTaggedRequest>();
        ReadOnlyMemory<byte> sequenceOfRequests = default;
        if (!isResponse)
        {
            sequenceOfRequests = content.PeekEncodedValue();
            for (var sequence = content.ReadSequence(); sequence.HasData;)
                requests.Add(ReadRequest(sequence, ids));
        }
        var inner = ImmutableArray.CreateBuilder<(uint, ReadOnlyMemory<byte>)>();
        for (var sequence = content.ReadSequence(); sequence.HasData;)
        {
            var part = sequence.ReadSequence();
            inner.Add((ReadId(part, ids), part.ReadEncodedValue()));
            part.ThrowIfNotEmpty();
        }
        for (var sequence = content.ReadSequence(); sequence.HasData;)
            ReadId(sequence.ReadSequence(), ids);
        content.ThrowIfNotEmpty();
        return new CmcMessage
        {
            IsResponse = isResponse,
            Controls = controls.ToImmutable(),
            Requests = requests.ToImmutable(),
            RequestSequence = sequenceOfRequests,
            Inner = inner.ToImmutable(),
        };
    }, AsnEncodingRules.BER);

    private static uint ReadId(AsnReader reader, HashSet<uint> ids)
    {
        if (!reader.TryReadUInt32(out uint id) || id == 0 || !ids.Add(id) || ids.Count > MaxParts)
            throw new PkiException("bodyPartID", $"a body part id that is out of range or stands twice, or more than {MaxParts} parts.");
        return id;
    }

    private static CmcTaggedRequest ReadRequest(AsnReader sequence, HashSet<uint> ids)
    {
        var tag = sequence.PeekTag();
        if (tag == Der.Context0)
        {
            var tcr = sequence.ReadSequence(Der.Context0);
            var request = new CmcTaggedRequest(CmcRequestKind.Pkcs10, ReadId(tcr, ids), tcr.ReadEncodedValue());
            tcr.ThrowIfNotEmpty();
            return request;
        }
        if (tag == Der.Context1)
        {
            // IMPLICIT over CertReqMsg: its certReqId is the body part id.
            byte[] message = sequence.ReadEncodedValue().ToArray();
            message[0] = 0x30;
            return new(CmcRequestKind.Crmf, CertReqMsg.ReadId(message, ids), message);
        }
        if (tag != Der.Context2)
            throw new PkiException("reqSequence", "a request of an unknown kind.");
        var whole = sequence.PeekEncodedValue();
        return new(CmcRequestKind.Other, ReadId(sequence.ReadSequence(Der.Context2), ids), whole);
    }

    internal static bool TryAdd(HashSet<uint> ids, uint id) => id != 0 && ids.Count < MaxParts && ids.Add(id);

    public static ReadOnlyMemory<byte> EncodeRequests(ImmutableArray<CmcTaggedRequest> requests) => Der.Write(w =>
    {
        using (w.PushSequence())
            foreach (var request in requests)
                switch (request.Kind)
                {
                    case CmcRequestKind.Pkcs10:
                        using (w.PushSequence(Der.Context0))
                        {
                            w.WriteInteger(request.BodyPartId);
                            w.WriteEncodedValue(request.Encoded.Span);
                        }
                        break;
                    case CmcRequestKind.Crmf:
                        byte[] message = request.Encoded.ToArray();
                        message[0] = 0xA1;
                        w.WriteEncodedValue(message);
                        break;
                    default:
                        w.WriteEncodedValue(request.Encoded.Span);
                        break;
                }
    });

    /// <summary>DER.</summary>
    public ReadOnlyMemory<byte> Encode() => Der.Write(w =>
    {
        using (w.PushSequence())
        {
            using (w.PushSequence())
                foreach (var control in Controls)
                    control.Write(w);
            if (!IsResponse)
                w.WriteEncodedValue((RequestSequence.IsEmpty ? EncodeRequests(Requests) : RequestSequence).Span);
            using (w.PushSequence())
                foreach (var (id, info) in Inner)
                    using (w.PushSequence())
                    {
                        w.WriteInteger(id);
                        w.WriteEncodedValue(info.Span);
                    }
            w.PushSequence().Dispose();
        }
    });

    public CmcControl? Find(string oid)
    {
        foreach (var control in Controls)
            if (control.Oid == oid)
                return control;
        return null;
    }

    /// <summary>The only value of a control that may stand once; null: it is not there.</summary>
    /// <exception cref="PkiException">It stands twice, or has not exactly one value.</exception>
    public ReadOnlyMemory<byte>? Single(string oid)
    {
        var found = Controls.Where(c => c.Oid == oid).ToList();
        return found.Count == 0 ? default(ReadOnlyMemory<byte>?)
            : found is [{ Values: [var value] }] ? value : throw new PkiException("controlSequence", $"the control {oid} stands twice, or has not one value.");
    }
}
