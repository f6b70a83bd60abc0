using System.Collections.Immutable;

namespace Hatchery.Dpp;

/// <summary>A Configuration Request, opened (DPP §6.4.2).</summary>
/// <param name="NewProtocolKey">x, y on the curve that was asked for; empty: none.</param>
/// <param name="NewKeyTag">Auth-I over it.</param>
internal sealed record ConfigurationRequestContent(ReadOnlyMemory<byte> EnrolleeNonce, ReadOnlyMemory<byte> NewProtocolKey, ReadOnlyMemory<byte> NewKeyTag, ReadOnlyMemory<byte> Json);

/// <summary>A Configuration Response, opened (§6.4.3).</summary>
internal sealed record ConfigurationResponseContent(DppStatus Status, ReadOnlyMemory<byte> EnrolleeNonce)
{
    public ImmutableArray<ReadOnlyMemory<byte>> Objects { get; init; } = [];
    public ReadOnlyMemory<byte> EnvelopedData { get; init; }
    public bool SendConnectionStatus { get; init; }
    public ReadOnlyMemory<byte> CsrAttributes { get; init; }
    public DppCurve? NewCurve { get; init; }
    /// <summary>x, y.</summary>
    public ReadOnlyMemory<byte> ConfiguratorKey { get; init; }
}

/// <summary>How the messages of configuration are sealed; each in its own way.</summary>
internal static class ConfigurationMessages
{
    public const int MaxObjects = 16;

    /// <summary>No associated data at all.</summary>
    public static byte[] Request(Authenticated session, ConfigurationRequestContent content)
    {
        var inside = new AttributeWriter().Add(DppAttribute.EnrolleeNonce, content.EnrolleeNonce.Span)
            .AddIf(!content.NewProtocolKey.IsEmpty, DppAttribute.InitiatorProtocolKey, content.NewProtocolKey.Span)
            .AddIf(!content.NewKeyTag.IsEmpty, DppAttribute.InitiatorAuthenticationTag, content.NewKeyTag.Span)
            .Add(DppAttribute.ConfigurationRequestObject, content.Json.Span);
        return new AttributeWriter().Wrap(session.Ke, inside).ToArray();
    }

    /// <exception cref="DppException"/>
    public static ConfigurationRequestContent OpenRequest(Authenticated session, ReadOnlyMemory<byte> query)
    {
        var inside = AttributeList.Parse(query, "Configuration Request").Unwrap(session.Ke, "Configuration Request");
        bool hasKey = inside.TryGet(DppAttribute.InitiatorProtocolKey, out var key);
        bool hasTag = inside.TryGet(DppAttribute.InitiatorAuthenticationTag, out var tag);
        return hasKey == hasTag
            ? new(inside.Get(DppAttribute.EnrolleeNonce, session.Curve.NonceLength), key, tag, inside.Get(DppAttribute.ConfigurationRequestObject))
            : throw DppException.Malformed("Initiator Protocol Key", "comes without its tag, or the other way round.");
    }

    /// <summary>One component of associated data: the status.</summary>
    public static byte[] Response(Authenticated session, ConfigurationResponseContent content)
    {
        var head = new AttributeWriter().Add(DppAttribute.Status, (byte)content.Status);
        var inside = new AttributeWriter().Add(DppAttribute.EnrolleeNonce, content.EnrolleeNonce.Span);
        foreach (var text in content.Objects)
            inside.Add(DppAttribute.ConfigurationObject, text.Span);
        inside.AddIf(!content.EnvelopedData.IsEmpty, DppAttribute.EnvelopedData, content.EnvelopedData.Span);
        inside.AddIf(content.SendConnectionStatus, DppAttribute.SendConnectionStatus, []);
        inside.AddIf(!content.CsrAttributes.IsEmpty, DppAttribute.CsrAttributesRequest, content.CsrAttributes.Span);
        if (content.NewCurve is { } curve)
            inside.AddGroup(curve).Add(DppAttribute.ResponderProtocolKey, content.ConfiguratorKey.Span);
        return head.Wrap(session.Ke, inside, head.ToArray()).ToArray();
    }

    /// <exception cref="DppException"/>
    public static ConfigurationResponseContent OpenResponse(Authenticated session, ReadOnlyMemory<byte> response)
    {
        var attributes = AttributeList.Parse(response, "Configuration Response");
        var status = (DppStatus)attributes.GetByte(DppAttribute.Status);
        var inside = attributes.Unwrap(session.Ke, "Configuration Response", attributes.BeforeWrapped);
        var content = new ConfigurationResponseContent(status, inside.Get(DppAttribute.EnrolleeNonce, session.Curve.NonceLength))
        {
            Objects = [.. inside.GetAll(DppAttribute.ConfigurationObject).Take(MaxObjects)],
            SendConnectionStatus = inside.TryGet(DppAttribute.SendConnectionStatus, out _),
            EnvelopedData = inside.TryGet(DppAttribute.EnvelopedData, out var enveloped) ? enveloped : default,
            CsrAttributes = inside.TryGet(DppAttribute.CsrAttributesRequest, out var csr) ? csr : default,
        };
        if (status != DppStatus.NewKeyNeeded)
            return content;
        var group = inside.Get(DppAttribute.FiniteCyclicGroup, 2).Span;
        var curve = DppCurve.ByGroup(group[0] | group[1] << 8) ?? throw DppException.Malformed("Finite Cyclic Group", "is not known.");
        return content with { NewCurve = curve, ConfiguratorKey = inside.Get(DppAttribute.ResponderProtocolKey) };
    }

    /// <summary>Two components: the header, and an empty one.</summary>
    public static DppFrame Result(Authenticated session, DppStatus status, ReadOnlyMemory<byte> enrolleeNonce) => Sealed(session, DppFrameType.ConfigurationResult,
        new AttributeWriter().Add(DppAttribute.Status, (byte)status).Add(DppAttribute.EnrolleeNonce, enrolleeNonce.Span));

    public static DppFrame ConnectionStatus(Authenticated session, ReadOnlyMemory<byte> json, ReadOnlyMemory<byte> enrolleeNonce) => Sealed(session, DppFrameType.ConnectionStatusResult,
        new AttributeWriter().Add(DppAttribute.EnrolleeNonce, enrolleeNonce.Span).Add(DppAttribute.ConnectionStatus, json.Span));

    private static DppFrame Sealed(Authenticated session, DppFrameType type, AttributeWriter inside) =>
        DppFrame.Create(type, new AttributeWriter().Wrap(session.Ke, inside, DppFrame.HeaderOf(type), default(ReadOnlyMemory<byte>)), fromEnrollee: true);

    /// <exception cref="DppException"/>
    public static AttributeList OpenSealed(Authenticated session, DppFrame frame, ReadOnlyMemory<byte> enrolleeNonce)
    {
        var inside = frame.Attributes.Unwrap(session.Ke, frame.ToString(), frame.Header, default(ReadOnlyMemory<byte>));
        return inside.Get(DppAttribute.EnrolleeNonce).Span.SequenceEqual(enrolleeNonce.Span) ? inside : throw DppException.Malformed("Enrollee Nonce", "is of another request.");
    }
}

/// <summary>How a station fared with what it was given (DPP §6.4.5).</summary>
/// <param name="Result">A <see cref="DppStatus"/> as number; 255: not known.</param>
public sealed record DppConnectionStatus(int Result, ReadOnlyMemory<byte> Ssid, string? Channels)
{
    public byte[] Encode() => Json.Write(json =>
    {
        json.WriteStartObject();
        json.WriteNumber("result", Result);
        if (!Ssid.IsEmpty)
            json.WriteString("ssid64", Json.Base64Url(Ssid.Span));
        if (Channels is not null)
            json.WriteString("channelList", Channels);
        json.WriteEndObject();
    });

    /// <exception cref="DppException"/>
    public static DppConnectionStatus Parse(ReadOnlyMemory<byte> text)
    {
        using var json = Json.Parse(text, "Connection Status");
        int result = Json.Number(json.RootElement, "result") ?? throw DppException.Malformed("result", "is missing.");
        return new(result, Json.Text(json.RootElement, "ssid64") is { } ssid ? Json.Base64Url(ssid, "ssid64") : default, Json.Text(json.RootElement, "channelList"));
    }
}
