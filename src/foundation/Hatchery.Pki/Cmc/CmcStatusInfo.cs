using System.Collections.Immutable;
using System.Formats.Asn1;

namespace Hatchery.Pki;

public enum CmcStatus { Success = 0, Failed = 2, Pending = 3, NoSupport = 4, ConfirmRequired = 5, PopRequired = 6, Partial = 7 }

public enum CmcFailInfo
{
    BadAlg = 0, BadMessageCheck = 1, BadRequest = 2, BadTime = 3, BadCertId = 4, UnsupportedExt = 5, MustArchiveKeys = 6, BadIdentity = 7, PopRequired = 8, PopFailed = 9,
    NoKeyReuse = 10, InternalCaError = 11, TryLater = 12, AuthDataFail = 13,
}

/// <summary>CMCStatusInfoV2, and CMCStatusInfo of those who know only that (RFC 5272, section 6.1).</summary>
/// <param name="BodyList">Body parts that this is about; empty: the whole message.</param>
/// <param name="Pending">Token and time, with status pending.</param>
public sealed record CmcStatusInfo(CmcStatus Status, ImmutableArray<uint> BodyList, string? Text = null, CmcFailInfo? FailInfo = null, (ReadOnlyMemory<byte> Token, DateTimeOffset Time)? Pending = null)
{
    /// <summary>V2 and V1 have the same encoding for all that is said here.</summary>
    public ReadOnlyMemory<byte> Encode() => Der.Write(w =>
    {
        using (w.PushSequence())
        {
            w.WriteInteger((int)Status);
            using (w.PushSequence())
                foreach (uint id in BodyList)
                    w.WriteInteger(id);
            if (Text is { } text)
                w.WriteCharacterString(UniversalTagNumber.UTF8String, text);
            if (FailInfo is { } fail)
                w.WriteInteger((int)fail);
            else if (Pending is { } pending)
                using (w.PushSequence())
                {
                    w.WriteOctetString(pending.Token.Span);
                    w.WriteGeneralizedTime(pending.Time, omitFractionalSeconds: true);
                }
        }
    });

    /// <exception cref="PkiException">Cannot be read.</exception>
    public static CmcStatusInfo Parse(ReadOnlyMemory<byte> encoded) => Der.Read(encoded, "statusInfo", 8192, all =>
    {
        var content = all.ReadSequence();
        if (!content.TryReadInt32(out int status))
            throw new PkiException("statusInfo", "a status that is no number.");
        var ids = ImmutableArray.CreateBuilder<uint>();
        for (var list = content.ReadSequence(); list.HasData;)
            // A path into inner messages ends with the part's own id.
            ids.Add(list.PeekTag() == Asn1Tag.Integer ? ReadId(list) : ReadPath(list.ReadSequence()));
        string? text = content.HasData && content.PeekTag().HasSameClassAndValue(new Asn1Tag(UniversalTagNumber.UTF8String)) ? content.ReadCharacterString(UniversalTagNumber.UTF8String) : null;
        CmcFailInfo? fail = null;
        (ReadOnlyMemory<byte>, DateTimeOffset)? pending = null;
        if (content.HasData && content.PeekTag() == Asn1Tag.Integer)
            fail = content.TryReadInt32(out int code) ? (CmcFailInfo)code : throw new PkiException("statusInfo", "a failInfo that is no number.");
        else if (content.HasData && content.PeekTag() == Asn1Tag.Sequence)
        {
            var info = content.ReadSequence();
            pending = (info.ReadOctetString(), info.ReadGeneralizedTime());
        }
        else if (content.HasData)
            content.ReadEncodedValue();
        content.ThrowIfNotEmpty();
        return new CmcStatusInfo((CmcStatus)status, ids.ToImmutable(), text, fail, pending);
    }, AsnEncodingRules.BER);

    private static uint ReadId(AsnReader list) => list.TryReadUInt32(out uint id) ? id : throw new PkiException("statusInfo", "a body part id that is out of range.");

    private static uint ReadPath(AsnReader path)
    {
        uint last = 0;
        while (path.HasData)
            last = ReadId(path);
        return last;
    }
}
