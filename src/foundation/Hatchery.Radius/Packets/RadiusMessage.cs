using System.Buffers.Binary;
using System.Net;
using System.Text;
using Hatchery.Radius.Eap;

namespace Hatchery.Radius;

/// <summary>A packet to be sent: its attributes in order. Message-Authenticator is put in front of them and hidden values are made when it is signed, because they depend on
/// secret and authenticator of the hop.</summary>
public sealed class RadiusMessage(RadiusCode code)
{
    /// <summary>Room for header, Message-Authenticator and both keys.</summary>
    private const int MaxAttributes = RadiusPacket.MaxLength - RadiusPacket.HeaderLength - 18 - 2 * 58;
    private byte[] _attributes = new byte[128];
    private int _length;

    public RadiusCode Code => code;
    /// <summary>Delivered as MS-MPPE-Recv-Key and MS-MPPE-Send-Key (RFC 2548). The message does not own them.</summary>
    public EapKeys? Keys { get; set; }
    /// <summary>Hidden as User-Password.</summary>
    public SecretBytes? Password { get; set; }

    /// <exception cref="ArgumentException">More than 253 bytes, or more than the packet holds.</exception>
    public RadiusMessage Add(RadiusAttribute type, ReadOnlySpan<byte> value)
    {
        if (value.Length > RadiusPacket.MaxValue)
            throw new ArgumentException($"{type} has {value.Length} bytes; an attribute holds 253.", nameof(value));
        if (_length + 2 + value.Length > MaxAttributes)
            throw new ArgumentException($"{type} does not fit into the packet.", nameof(value));
        if (_length + 2 + value.Length > _attributes.Length)
            Array.Resize(ref _attributes, Math.Min(MaxAttributes, Math.Max(_attributes.Length * 2, _length + 2 + value.Length)));
        (_attributes[_length], _attributes[_length + 1]) = ((byte)type, (byte)(2 + value.Length));
        value.CopyTo(_attributes.AsSpan(_length + 2));
        _length += 2 + value.Length;
        return this;
    }

    public RadiusMessage Add(RadiusAttribute type, string text) => Add(type, Encoding.UTF8.GetBytes(text));

    public RadiusMessage Add(RadiusAttribute type, uint value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, value);
        return Add(type, bytes);
    }

    /// <summary>4 bytes for IPv4, 16 for IPv6: the attribute must be of that kind.</summary>
    public RadiusMessage Add(RadiusAttribute type, IPAddress address) => Add(type, address.GetAddressBytes());

    /// <summary>One vendor's attribute in a Vendor-Specific of its own (RFC 2865 §5.26).</summary>
    public RadiusMessage AddVendor(uint vendor, byte type, ReadOnlySpan<byte> value)
    {
        if (value.Length > RadiusPacket.MaxValue - 6)
            throw new ArgumentException($"A vendor's attribute holds {RadiusPacket.MaxValue - 6} bytes.", nameof(value));
        Span<byte> bytes = stackalloc byte[6 + value.Length];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, vendor);
        (bytes[4], bytes[5]) = (type, (byte)(2 + value.Length));
        value.CopyTo(bytes[6..]);
        return Add(RadiusAttribute.VendorSpecific, bytes);
    }

    /// <summary>An EAP packet in as many EAP-Message attributes as it takes, side by side (RFC 3579 §3.1).</summary>
    public RadiusMessage AddEap(ReadOnlySpan<byte> packet)
    {
        for (; packet.Length > RadiusPacket.MaxValue; packet = packet[RadiusPacket.MaxValue..])
            Add(RadiusAttribute.EapMessage, packet[..RadiusPacket.MaxValue]);
        return Add(RadiusAttribute.EapMessage, packet);
    }

    /// <summary>All attributes of the type, in their order.</summary>
    public RadiusMessage CopyAll(in RadiusPacket from, RadiusAttribute type)
    {
        foreach (var attribute in from.Attributes)
            if (attribute.Type == type)
                Add(type, attribute.Value);
        return this;
    }

    /// <summary>An Access-Request or Status-Server, with Message-Authenticator in front.</summary>
    /// <param name="authenticator">16 unpredictable bytes.</param>
    internal byte[] SignRequest(byte identifier, ReadOnlySpan<byte> authenticator, RadiusSecret secret)
    {
        var packet = Write(identifier, authenticator, secret, authenticator, messageAuthenticator: true, null);
        authenticator.CopyTo(packet.AsSpan(4));
        secret.MessageAuthenticator(packet, authenticator, RadiusPacket.HeaderLength + 2, packet.AsSpan(RadiusPacket.HeaderLength + 2, 16));
        return packet;
    }

    /// <summary>An Accounting-Request, Disconnect-Request or CoA-Request: the authenticator is a digest (RFC 2866 §3).</summary>
    internal byte[] SignDigestRequest(byte identifier, RadiusSecret secret)
    {
        ReadOnlySpan<byte> zero = stackalloc byte[16];
        var packet = Write(identifier, zero, secret, zero, messageAuthenticator: true, null);
        secret.MessageAuthenticator(packet, zero, RadiusPacket.HeaderLength + 2, packet.AsSpan(RadiusPacket.HeaderLength + 2, 16));
        secret.PacketMd5(packet, zero, packet.AsSpan(4, 16));
        return packet;
    }

    /// <summary>An answer. Message-Authenticator is the first attribute of every answer to an Access-Request, whatever the client does with it: that is what stops a forged
    /// answer with a chosen MD5 prefix (CVE-2024-3596).</summary>
    internal byte[] SignAnswer(byte identifier, ReadOnlySpan<byte> requestAuthenticator, RadiusSecret secret, bool messageAuthenticator, Chance chance)
    {
        var packet = Write(identifier, default, secret, requestAuthenticator, messageAuthenticator, chance);
        if (messageAuthenticator)
            secret.MessageAuthenticator(packet, requestAuthenticator, RadiusPacket.HeaderLength + 2, packet.AsSpan(RadiusPacket.HeaderLength + 2, 16));
        secret.PacketMd5(packet, requestAuthenticator, packet.AsSpan(4, 16));
        return packet;
    }

    private byte[] Write(byte identifier, ReadOnlySpan<byte> authenticator, RadiusSecret secret, ReadOnlySpan<byte> hidingAuthenticator, bool messageAuthenticator, Chance? chance)
    {
        byte[] keys = HideKeys(secret, hidingAuthenticator, chance);
        byte[] password = Password is { } p ? HiddenAttributes.HidePassword(secret, hidingAuthenticator, p.Reveal()) : [];
        int length = RadiusPacket.HeaderLength + (messageAuthenticator ? 18 : 0) + _length + keys.Length + (password.Length > 0 ? 2 + password.Length : 0);
        var packet = new byte[length];
        (packet[0], packet[1]) = ((byte)code, identifier);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(2), (ushort)length);
        authenticator.CopyTo(packet.AsSpan(4));
        int at = RadiusPacket.HeaderLength;
        if (messageAuthenticator)
        {
            (packet[at], packet[at + 1]) = ((byte)RadiusAttribute.MessageAuthenticator, 18);
            at += 18;
        }
        _attributes.AsSpan(0, _length).CopyTo(packet.AsSpan(at));
        at += _length;
        keys.CopyTo(packet.AsSpan(at));
        at += keys.Length;
        if (password.Length > 0)
        {
            (packet[at], packet[at + 1]) = ((byte)RadiusAttribute.UserPassword, (byte)(2 + password.Length));
            password.CopyTo(packet.AsSpan(at + 2));
        }
        return packet;
    }

    private byte[] HideKeys(RadiusSecret secret, ReadOnlySpan<byte> authenticator, Chance? chance)
    {
        if (Keys is not { } keys)
            return [];
        Span<byte> salts = stackalloc byte[2];
        (chance ?? throw new InvalidOperationException("Requests carry no keys.")).Fill(salts, "RADIUS.MS-MPPE-Salt");
        // Two salts of one packet differ in the last bit.
        ushort salt = (ushort)(BinaryPrimitives.ReadUInt16BigEndian(salts) & 0x7ffe | 0x8000);
        var both = new RadiusMessage(code)
            .AddVendor(HiddenAttributes.Microsoft, HiddenAttributes.MppeRecvKey, HiddenAttributes.HideKey(secret, authenticator, salt, keys.Msk.Reveal()[..32]))
            .AddVendor(HiddenAttributes.Microsoft, HiddenAttributes.MppeSendKey, HiddenAttributes.HideKey(secret, authenticator, (ushort)(salt | 1), keys.Msk.Reveal()[32..64]));
        return both._attributes.AsSpan(0, both._length).ToArray();
    }
}
