using System.Buffers.Binary;

namespace Hatchery.Dpp;

/// <summary>Frame types (DPP §8.2).</summary>
public enum DppFrameType : byte
{
    AuthenticationRequest = 0, AuthenticationResponse = 1, AuthenticationConfirm = 2, PeerDiscoveryRequest = 5, PeerDiscoveryResponse = 6,
    PkexVersion1ExchangeRequest = 7, PkexExchangeResponse = 8, PkexCommitRevealRequest = 9, PkexCommitRevealResponse = 10, ConfigurationResult = 11,
    ConnectionStatusResult = 12, PresenceAnnouncement = 13, ReconfigAnnouncement = 14, ReconfigAuthenticationRequest = 15, ReconfigAuthenticationResponse = 16,
    ReconfigAuthenticationConfirm = 17, PkexExchangeRequest = 18, PushButtonPresenceAnnouncement = 19, PushButtonPresenceAnnouncementResponse = 20,
    PrivatePeerIntroductionQuery = 21, PrivatePeerIntroductionNotify = 22, PrivatePeerIntroductionUpdate = 23,
}

/// <summary>What passes between two players: a public action frame without its category octet, which is how TCP carries it and, behind that octet, radio.</summary>
public abstract record DppMessage : IMessage
{
    public const byte VendorSpecific = 9, GasInitialRequest = 10, GasInitialResponse = 11, GasComebackRequest = 12, GasComebackResponse = 13;

    /// <summary>From the action octet on.</summary>
    public abstract ReadOnlyMemory<byte> Body { get; }
    public abstract StepKind Kind { get; }
    public abstract Protection Protection { get; }
    public virtual void Identify(ref Correlators into) { }

    /// <param name="body">From the action octet on; kept.</param>
    /// <param name="fromEnrollee">Who sent it: on the wire most messages do not say.</param>
    /// <exception cref="DppException"/>
    public static DppMessage Parse(ReadOnlyMemory<byte> body, bool fromEnrollee) => body.Length == 0 ? throw DppException.Malformed("frame", "is empty.")
        : body.Span[0] == VendorSpecific ? DppFrame.ParseBody(body, fromEnrollee) : GasMessage.ParseBody(body);
}

/// <summary>A DPP frame: Wi-Fi Alliance's OUI, type 1a, crypto suite 1, frame type, attributes.</summary>
public sealed record DppFrame : DppMessage
{
    private readonly bool _fromEnrollee;

    private DppFrame(DppFrameType type, ReadOnlyMemory<byte> body, AttributeList attributes, bool fromEnrollee) =>
        (Type, Body, Attributes, _fromEnrollee) = (type, body, attributes, fromEnrollee);

    public DppFrameType Type { get; }
    public override ReadOnlyMemory<byte> Body { get; }
    public AttributeList Attributes { get; }
    public override StepKind Kind => DppSteps.Of(Type, _fromEnrollee);
    public override Protection Protection => Attributes.TryGet(DppAttribute.WrappedData, out _) ? Protection.Partial : Protection.Clear;

    /// <summary>"50 6f 9a 1a 01 type": the first component of associated data.</summary>
    public ReadOnlyMemory<byte> Header => Body.Slice(1, 6);

    internal static byte[] HeaderOf(DppFrameType type) => [0x50, 0x6f, 0x9a, 0x1a, 1, (byte)type];

    public static DppFrame Create(DppFrameType type, AttributeWriter attributes, bool fromEnrollee)
    {
        byte[] body = [VendorSpecific, .. HeaderOf(type), .. attributes.Written];
        return new DppFrame(type, body, AttributeList.Parse(body.AsMemory(7), type.ToString()), fromEnrollee);
    }

    internal static DppFrame ParseBody(ReadOnlyMemory<byte> body, bool fromEnrollee)
    {
        var span = body.Span;
        if (span.Length < 7 || !span.StartsWith((ReadOnlySpan<byte>)[VendorSpecific, 0x50, 0x6f, 0x9a, 0x1a]))
            throw DppException.Malformed("frame", "is no DPP frame.");
        if (span[5] != 1)
            throw DppException.Malformed("Crypto Suite", $"{span[5]} is not known.");
        var type = (DppFrameType)span[6];
        if (!Enum.IsDefined(type))
            throw new DppException("UNKNOWN_TYPE", "Frame Type", $"{span[6]} is not known.");
        return new DppFrame(type, body, AttributeList.Parse(body[7..], type.ToString()), fromEnrollee);
    }

    public override void Identify(ref Correlators into)
    {
        // The Enrollee's names only: the Configurator's key and Connector are the same in the ceremonies of all devices.
        var own = _fromEnrollee ? DppAttribute.InitiatorBootstrappingKeyHash : DppAttribute.ResponderBootstrappingKeyHash;
        if (Type == DppFrameType.AuthenticationRequest)
        {
            Add(ref into, "dpp.bootstrapping", own);
            Add(ref into, "dpp.key", DppAttribute.InitiatorProtocolKey);
        }
        else if (Type == DppFrameType.AuthenticationResponse)
            Add(ref into, "dpp.key", DppAttribute.ResponderProtocolKey);
        else if (Type == DppFrameType.PresenceAnnouncement)
            Add(ref into, "dpp.chirp", DppAttribute.ResponderBootstrappingKeyHash);
        if (_fromEnrollee)
            Add(ref into, "dpp.connector", DppAttribute.Connector);
        Add(ref into, "dpp.pkex", DppAttribute.EncryptedKey);
        Add(ref into, "dpp.nonce", DppAttribute.ConfiguratorNonce);
    }

    private void Add(ref Correlators into, string kind, DppAttribute id)
    {
        if (Attributes.TryGet(id, out var value))
            into.Add(kind, value.Span);
    }

    public override string ToString() => Type.ToString();
}

/// <summary>A GAS frame: how the Configuration Request and Response travel, asked for by the Enrollee (DPP §6.4.1, IEEE 802.11 §9.6.7).</summary>
/// <param name="Action">10 to 13.</param>
/// <param name="Delay">Comeback delay in time units of 1024 µs; above 0: come back and ask.</param>
/// <param name="Fragment">Of a Comeback Response: number in bits 0 to 6, bit 7 set on all but the last.</param>
/// <param name="Content">Query or response; Wrapped Data and what stands before it.</param>
public sealed record GasMessage(byte Action, byte DialogToken, ushort Status, ushort Delay, byte Fragment, ReadOnlyMemory<byte> Content) : DppMessage
{
    /// <summary>Of a query or response.</summary>
    public const int MaxContent = 60000;
    private static readonly byte[] s_element = [0x6c, 0x08, 0x7f, 0xdd, 0x05, 0x50, 0x6f, 0x9a, 0x1a, 0x01];
    private ReadOnlyMemory<byte> _body;

    /// <summary>Set by the machine that opened the content: the Connector that it gives.</summary>
    internal string? GivenConnector { get; set; }

    public override void Identify(ref Correlators into)
    {
        if (GivenConnector is { } connector)
            into.Add("dpp.connector", connector);
    }

    public override StepKind Kind => Action switch
    {
        GasInitialRequest => DppSteps.ConfigurationRequest,
        GasComebackRequest => DppSteps.ComebackRequest,
        _ => Content.IsEmpty ? DppSteps.Comeback : DppSteps.ConfigurationResponse,
    };
    public override Protection Protection => Content.IsEmpty ? Protection.Clear : Protection.Full;
    public override ReadOnlyMemory<byte> Body => _body.IsEmpty ? _body = Encode() : _body;
    public bool HasMore => Fragment >= 0x80;

    public static GasMessage Request(byte token, ReadOnlyMemory<byte> query) => new(GasInitialRequest, token, 0, 0, 0, query);
    public static GasMessage Response(byte token, ushort delay, ReadOnlyMemory<byte> response) => new(GasInitialResponse, token, 0, delay, 0, response);
    public static GasMessage Comeback(byte token) => new(GasComebackRequest, token, 0, 0, 0, default);
    public static GasMessage ComebackAnswer(byte token, ushort delay, byte fragment, ReadOnlyMemory<byte> response) => new(GasComebackResponse, token, 0, delay, fragment, response);

    private byte[] Encode()
    {
        if (Action == GasComebackRequest)
            return [Action, DialogToken];
        int head = Action switch { GasInitialRequest => 0, GasInitialResponse => 4, _ => 5 };
        byte[] body = new byte[2 + head + s_element.Length + 2 + Content.Length];
        (body[0], body[1]) = (Action, DialogToken);
        if (head > 0)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(body.AsSpan(2), Status);
            BinaryPrimitives.WriteUInt16LittleEndian(body.AsSpan(head), Delay);
            if (head == 5)
                body[4] = Fragment;
        }
        int at = 2 + head;
        s_element.CopyTo(body, at);
        BinaryPrimitives.WriteUInt16LittleEndian(body.AsSpan(at + 10), (ushort)Content.Length);
        Content.Span.CopyTo(body.AsSpan(at + 12));
        return body;
    }

    internal static GasMessage ParseBody(ReadOnlyMemory<byte> body)
    {
        var span = body.Span;
        byte action = span[0];
        if (action is < GasInitialRequest or > GasComebackResponse)
            throw new DppException("UNKNOWN_TYPE", "action", $"{action} is neither DPP nor GAS.");
        if (span.Length < 2)
            throw DppException.Malformed("dialog token", "is missing.");
        if (action == GasComebackRequest)
            return new GasMessage(action, span[1], 0, 0, 0, default) { _body = body };
        int head = action switch { GasInitialRequest => 0, GasInitialResponse => 4, _ => 5 };
        int at = 2 + head;
        if (span.Length < at + 12)
            throw DppException.Malformed("GAS frame", "is cut short.");
        ushort status = head == 0 ? (ushort)0 : BinaryPrimitives.ReadUInt16LittleEndian(span[2..]);
        ushort delay = head == 0 ? (ushort)0 : BinaryPrimitives.ReadUInt16LittleEndian(span[head..]);
        byte fragment = head == 5 ? span[4] : (byte)0;
        // The third octet is a limit and a bit, which peers set as they like.
        if (!span.Slice(at, 2).SequenceEqual(s_element.AsSpan(0, 2)) || !span.Slice(at + 3, 7).SequenceEqual(s_element.AsSpan(3)))
            throw DppException.Malformed("Advertisement Protocol", "is not that of DPP.");
        int length = BinaryPrimitives.ReadUInt16LittleEndian(span[(at + 10)..]);
        if (length != span.Length - at - 12)
            throw DppException.Malformed("GAS frame", $"says {length} bytes of content and has {span.Length - at - 12}.");
        return new GasMessage(action, span[1], status, delay, fragment, body[(at + 12)..]) { _body = body };
    }

    public override string ToString() => Kind.Name;
}
