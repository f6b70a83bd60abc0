namespace Hatchery.Coap.Oscore;

/// <summary>What binds a response to its request (RFC 8613 section 5.2): the request's kid, Partial IV and nonce.</summary>
internal sealed class OscoreExchange(OscoreContext context, byte[] kid, byte[] partialIv, byte[] nonce)
{
    private ulong? _lastNotification;

    public OscoreContext Context => context;
    public byte[] Nonce => nonce;
    /// <summary>The peer asked; we answer.</summary>
    public bool IsRecipient { get; init; }
    public ulong RequestSequence { get; init; }
    /// <summary>The request's nonce serves one response at most.</summary>
    public bool NonceIsSpent { get; set; }

    /// <summary>Null: no sequence number is left, or none reserved.</summary>
    public CoapContent? ProtectResponse(in CoapContent content, bool isNotification)
    {
        var iv = Array.Empty<byte>();
        var responseNonce = nonce;
        if (isNotification || NonceIsSpent)
        {
            if (!context.TryNext(out iv))
                return null;
            responseNonce = context.Keys.Nonce(context.Parameters.SenderId.Span, iv);
        }
        else
            NonceIsSpent = true;
        bool observes = content.Options.Has(CoapOptionNumber.Observe);
        // The order of notifications is that of the Partial IVs; the inner Observe is empty (section 4.1.3.5.2).
        var inner = observes ? content with { Options = content.Options.Set(CoapOptionNumber.Observe, []) } : content;
        var ciphertext = context.Keys.Encrypt(responseNonce, OscoreForm.Plaintext(inner), context.Keys.Aad(kid, partialIv));
        return new CoapContent(observes ? CoapCode.Content : CoapCode.Changed, OscoreForm.Outer(content.Options, new OscoreOption(iv, null, null), content.Options.Observe), ciphertext);
    }

    /// <param name="isNotification">Must be newer than the last.</param>
    /// <exception cref="CoapException">Not authentic, or not protected at all.</exception>
    public CoapContent UnprotectResponse(in CoapContent outer, bool isNotification)
    {
        if (!outer.Options.TryGet(CoapOptionNumber.Oscore, out var value) || outer.Payload.IsEmpty)
            throw new CoapException("format", "OSCORE", "The response is not protected.");
        var option = OscoreOption.Parse(value);
        bool hasIv = !option.PartialIv.IsEmpty;
        if (isNotification && !hasIv)
            throw new CoapException("format", "OSCORE", "A notification without Partial IV.");
        var responseNonce = hasIv ? context.Keys.Nonce(context.Parameters.RecipientId.Span, option.PartialIv.Span) : nonce;
        var plaintext = context.Keys.Decrypt(responseNonce, outer.Payload.Span, context.Keys.Aad(kid, partialIv))
            ?? throw new CoapException("format", "ciphertext", "The response is not authentic.");
        var content = OscoreForm.Inner(outer, plaintext);
        if (!content.Options.Has(CoapOptionNumber.Observe))
            return content;
        ulong number = hasIv ? CoapOption.ReadUInt(option.PartialIv.Span)!.Value : 0;
        if (isNotification && number <= _lastNotification)
            throw new CoapException("format", "Partial IV", "A notification that is not newer than the last.");
        if (hasIv)
            _lastNotification = number;
        return content with { Options = content.Options.Set(CoapOptionNumber.Observe, number & 0xffffff) };
    }
}

/// <summary>What is protected and what is not (RFC 8613 section 4.1).</summary>
internal static class OscoreForm
{
    /// <summary>Class U: for proxies to read.</summary>
    private static bool IsOuter(ushort number) =>
        number is CoapOptionNumber.UriHost or CoapOptionNumber.UriPort or CoapOptionNumber.ProxyUri or CoapOptionNumber.ProxyScheme or CoapOptionNumber.HopLimit;

    /// <summary>Code, options of class E, payload (section 5.3).</summary>
    public static byte[] Plaintext(in CoapContent content)
    {
        var options = content.Options.Where(static n => !IsOuter(n)).Wire.Span;
        var bytes = new byte[1 + options.Length + (content.Payload.IsEmpty ? 0 : 1 + content.Payload.Length)];
        bytes[0] = content.Code.Value;
        options.CopyTo(bytes.AsSpan(1));
        if (!content.Payload.IsEmpty)
        {
            bytes[1 + options.Length] = 0xff;
            content.Payload.Span.CopyTo(bytes.AsSpan(2 + options.Length));
        }
        return bytes;
    }

    public static CoapOptions Outer(CoapOptions options, in OscoreOption oscore, uint? observe)
    {
        var outer = options.Where(IsOuter).Add(CoapOptionNumber.Oscore, oscore.Encode());
        return observe is { } value ? outer.Add(CoapOptionNumber.Observe, value) : outer;
    }

    /// <summary>Outer options that must have been protected are discarded.</summary>
    public static CoapContent Inner(in CoapContent outer, byte[] plaintext)
    {
        if (plaintext.Length == 0)
            throw new CoapException("4.00", "plaintext", "The plaintext is empty.");
        var rest = plaintext.AsMemory(1);
        if (CoapOptions.Measure(rest.Span, out int length) is { } wrong)
            throw new CoapException("4.00", "plaintext", $"The protected options cannot be read: {wrong}");
        if (rest.Length == length + 1)
            throw new CoapException("4.00", "plaintext", "A payload marker without a payload.");
        var options = new CoapOptions(rest[..length]).Where(static n => n != CoapOptionNumber.Oscore);
        foreach (var option in outer.Options)
            if (IsOuter(option.Number))
                options = options.Add(option.Number, option.Value.Span);
        return new CoapContent(new CoapCode(plaintext[0]), options, rest.Length > length ? rest[(length + 1)..] : default);
    }
}
