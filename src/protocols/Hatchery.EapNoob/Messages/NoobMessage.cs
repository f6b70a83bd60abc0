using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Hatchery.EapNoob.Messages;

/// <summary>One JSON object, the type-data of an EAP packet (RFC 9140 §3.3.2). Ours are read back from the text that was written for them, so that both sides hash the same bytes.</summary>
public abstract record NoobMessage : IMessage
{
    private protected NoobMessage(MemberTable members, StepKind kind) => (Members, Kind) = (members, kind);

    internal MemberTable Members { get; }
    public StepKind Kind { get; }
    /// <summary>Member Type.</summary>
    public int Type => Kind.Code!.Value;
    /// <summary>As it came or goes: UTF-8 JSON.</summary>
    public ReadOnlyMemory<byte> Raw => Members.Text;
    /// <summary>Up to 60 bytes; empty: there is none.</summary>
    public string PeerId { get; private protected init; } = "";
    public virtual Protection Protection => Protection.Clear;

    public virtual void Identify(ref Correlators into)
    {
        if (PeerId.Length > 0)
            into.Add("noob.peerid", PeerId);
    }

    public sealed override string ToString() => Kind.Name;

    private protected string ReadPeerId() => Members.Has(Member.PeerId) ? Members.String(Member.PeerId, NoobLimits.PeerId) : "";
}

/// <summary>In bytes of UTF-8 or of JSON text.</summary>
public static class NoobLimits
{
    public const int PeerId = 60, Nai = 253, Info = 500, ErrorInfo = 500, ServerUrl = 60;
    /// <summary>Of SleepTime, in seconds.</summary>
    public const int SleepTime = 3600;
}

/// <summary>A request of the server, by its type.</summary>
public static class NoobRequests
{
    /// <exception cref="NoobException">1002: no message of this protocol; 1003: a value out of range; 1005: an invalid key.</exception>
    public static NoobMessage Parse(ReadOnlyMemory<byte> text, NoobVariant variant)
    {
        var members = MemberTable.Read(text, variant);
        int type = NoobShape.TypeOf(members);
        NoobShape.Check(members, type, fromServer: true);
        return type switch
        {
            0 => new ErrorMessage(members, fromServer: true),
            1 => new CommonRequest(members),
            2 => new InitialRequest(members, variant),
            3 => new InitialKeyRequest(members, variant),
            4 => new WaitingRequest(members),
            5 => new NoobIdRequest(members),
            6 => new CompletionRequest(members),
            7 => new ReconnectRequest(members, variant),
            8 => new ReconnectKeyRequest(members, variant),
            _ => new ReconnectMacRequest(members),
        };
    }
}

/// <summary>A response of the peer, by its type.</summary>
public static class NoobResponses
{
    /// <inheritdoc cref="NoobRequests.Parse"/>
    public static NoobMessage Parse(ReadOnlyMemory<byte> text, NoobVariant variant)
    {
        var members = MemberTable.Read(text, variant);
        int type = NoobShape.TypeOf(members);
        NoobShape.Check(members, type, fromServer: false);
        return type switch
        {
            0 => new ErrorMessage(members, fromServer: false),
            1 => new CommonResponse(members),
            2 => new InitialResponse(members),
            3 => new InitialKeyResponse(members, variant),
            4 => new WaitingResponse(members),
            5 => new NoobIdResponse(members),
            6 => new CompletionResponse(members),
            7 => new ReconnectResponse(members),
            8 => new ReconnectKeyResponse(members, variant),
            _ => new ReconnectMacResponse(members),
        };
    }
}

/// <summary>Which members a type has.</summary>
internal static class NoobShape
{
    private static ulong Bits(params ReadOnlySpan<Member> members)
    {
        ulong bits = 0;
        foreach (var member in members)
            bits |= 1UL << (int)member;
        return bits;
    }

    /// <summary>By type: what a request must have and what it may have besides.</summary>
    private static readonly (ulong Must, ulong May)[] s_requests =
    [
        (Bits(Member.Type, Member.ErrorCode), Bits(Member.PeerId, Member.ErrorInfo)),
        (Bits(Member.Type), 0),
        (Bits(Member.Type, Member.Vers, Member.PeerId, Member.Cryptosuites, Member.Dirs, Member.ServerInfo), Bits(Member.NewNAI)),
        (Bits(Member.Type, Member.PeerId, Member.PKs, Member.Ns), Bits(Member.SleepTime)),
        (Bits(Member.Type, Member.PeerId), Bits(Member.SleepTime)),
        (Bits(Member.Type, Member.PeerId), 0),
        (Bits(Member.Type, Member.PeerId, Member.NoobId, Member.MACs), 0),
        (Bits(Member.Type, Member.Vers, Member.PeerId, Member.Cryptosuites), Bits(Member.NewNAI, Member.ServerInfo)),
        (Bits(Member.Type, Member.PeerId, Member.KeyingMode, Member.Ns2), Bits(Member.PKs2)),
        (Bits(Member.Type, Member.PeerId, Member.MACs2), 0),
    ];

    private static readonly (ulong Must, ulong May)[] s_responses =
    [
        (Bits(Member.Type, Member.ErrorCode), Bits(Member.PeerId, Member.ErrorInfo)),
        (Bits(Member.Type, Member.PeerState), Bits(Member.PeerId)),
        (Bits(Member.Type, Member.Verp, Member.PeerId, Member.Cryptosuitep, Member.Dirp, Member.PeerInfo), 0),
        (Bits(Member.Type, Member.PeerId, Member.PKp, Member.Np), 0),
        (Bits(Member.Type, Member.PeerId), 0),
        (Bits(Member.Type, Member.PeerId, Member.NoobId), 0),
        (Bits(Member.Type, Member.PeerId, Member.MACp), 0),
        (Bits(Member.Type, Member.Verp, Member.PeerId, Member.Cryptosuitep), Bits(Member.PeerInfo)),
        (Bits(Member.Type, Member.PeerId, Member.Np2), Bits(Member.PKp2)),
        (Bits(Member.Type, Member.PeerId, Member.MACp2), 0),
    ];

    /// <exception cref="NoobException">1002: there is no Type; 1003: none of RFC 9140's.</exception>
    public static int TypeOf(MemberTable members) =>
        members.Has(Member.Type) ? members.Integer(Member.Type, 0, 9) : throw NoobException.Structure("Type", "missing.");

    public static void Check(MemberTable members, int type, bool fromServer)
    {
        var (must, may) = (fromServer ? s_requests : s_responses)[type];
        if ((must & ~members.Present) is not 0 and var missing)
            throw NoobException.Structure(((Member)System.Numerics.BitOperations.TrailingZeroCount(missing)).ToString(), $"missing in type {type}.");
        if ((members.Present & ~(must | may)) is not 0 and var extra)
            throw NoobException.Structure(((Member)System.Numerics.BitOperations.TrailingZeroCount(extra)).ToString(), $"no member of type {type}.");
    }
}

/// <summary>Writes a message's text, members in the order of RFC 9140's tables, nothing between tokens.</summary>
internal ref struct MessageText
{
    private static readonly JsonWriterOptions s_options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true };
    private readonly System.Buffers.ArrayBufferWriter<byte> _buffer = new(384);
    private readonly Utf8JsonWriter _json;

    public MessageText(int type)
    {
        _json = new Utf8JsonWriter(_buffer, s_options);
        _json.WriteStartObject();
        _json.WriteNumber("Type"u8, type);
    }

    public readonly MessageText Add(string name, string? value)
    {
        if (value is not null)
            _json.WriteString(name, value);
        return this;
    }

    public readonly MessageText Add(string name, int? value)
    {
        if (value is { } number)
            _json.WriteNumber(name, number);
        return this;
    }

    public readonly MessageText Add(string name, IReadOnlyList<int> values)
    {
        _json.WriteStartArray(name);
        foreach (int value in values)
            _json.WriteNumberValue(value);
        _json.WriteEndArray();
        return this;
    }

    /// <summary>JSON text, as it is; empty: nothing.</summary>
    public readonly MessageText AddRaw(string name, ReadOnlySpan<byte> json)
    {
        if (json.IsEmpty)
            return this;
        _json.WritePropertyName(name);
        _json.WriteRawValue(json, skipInputValidation: true);
        return this;
    }

    public readonly byte[] ToBytes()
    {
        _json.WriteEndObject();
        _json.Flush();
        _json.Dispose();
        return _buffer.WrittenSpan.ToArray();
    }

    /// <summary>As <see cref="ToBytes"/>, scanned like a message that came.</summary>
    public readonly MemberTable ToTable(NoobVariant variant) => MemberTable.Read(ToBytes(), variant);
}

/// <summary>Type 0 (RFC 9140 §3.6), of either side. Nothing authenticates it: it ends an exchange and changes nothing that lasts.</summary>
public sealed record ErrorMessage : NoobMessage
{
    internal ErrorMessage(MemberTable members, bool fromServer) : base(members, fromServer ? NoobSteps.ServerError : NoobSteps.PeerError)
    {
        PeerId = ReadPeerId();
        ErrorCode = members.Integer(Member.ErrorCode, int.MinValue, int.MaxValue);
        ErrorInfo = members.Has(Member.ErrorInfo) ? members.String(Member.ErrorInfo, NoobLimits.ErrorInfo) : "";
    }

    /// <summary>Any number: implementations before the RFC use others.</summary>
    public int ErrorCode { get; }
    public string ErrorInfo { get; }

    /// <param name="info">Cut to 200 bytes, so that the packet stays small.</param>
    public static ErrorMessage Make(bool fromServer, string peerId, NoobErrorCode code, string info) =>
        new(new MessageText(0).Add("PeerId", peerId.Length > 0 ? peerId : null).Add("ErrorCode", (int)code).Add("ErrorInfo", Cut(info)).ToTable(NoobVariant.Rfc9140), fromServer);

    private static string Cut(string info)
    {
        int length = Math.Min(info.Length, 200);
        while (Encoding.UTF8.GetByteCount(info.AsSpan(0, length)) > 200 || (length > 0 && char.IsHighSurrogate(info[length - 1])))
            length--;
        return info[..length];
    }
}
