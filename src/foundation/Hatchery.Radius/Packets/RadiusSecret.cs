using System.Security.Cryptography;
using System.Text;

namespace Hatchery.Radius;

/// <summary>A secret shared by two neighbors, and what RADIUS computes with it. MD5 and HMAC-MD5 are the standard's.</summary>
public sealed class RadiusSecret(SecretBytes value)
{
    /// <summary>What both sides use inside TLS (RFC 6614 §2.3).</summary>
    public static RadiusSecret RadSec { get; } = new("radsec");

    public RadiusSecret(string text) : this(new SecretBytes(Encoding.UTF8.GetBytes(text))) { }

    internal ReadOnlySpan<byte> Value => value.Reveal();

    /// <summary>MD5 over code, identifier, length, an authenticator, attributes and the secret (RFC 2865 §3, RFC 2866 §3).</summary>
    /// <param name="authenticator">The request's for an answer; 16 zero bytes for accounting and disconnect requests.</param>
    /// <param name="into">16 bytes.</param>
    internal void PacketMd5(ReadOnlySpan<byte> packet, ReadOnlySpan<byte> authenticator, Span<byte> into)
    {
        using var md5 = IncrementalHash.CreateHash(HashAlgorithmName.MD5);
        md5.AppendData(packet[..4]);
        md5.AppendData(authenticator);
        md5.AppendData(packet[RadiusPacket.HeaderLength..]);
        md5.AppendData(Value);
        md5.GetHashAndReset(into);
    }

    /// <summary>HMAC-MD5 over the packet with this authenticator in its header and zero bytes for the attribute's value (RFC 3579 §3.2).</summary>
    /// <param name="offset">Of Message-Authenticator's value within the packet.</param>
    internal void MessageAuthenticator(ReadOnlySpan<byte> packet, ReadOnlySpan<byte> authenticator, int offset, Span<byte> into)
    {
        using var hmac = IncrementalHash.CreateHMAC(HashAlgorithmName.MD5, Value);
        ReadOnlySpan<byte> zero = stackalloc byte[16];
        hmac.AppendData(packet[..4]);
        hmac.AppendData(authenticator);
        hmac.AppendData(packet[RadiusPacket.HeaderLength..offset]);
        hmac.AppendData(zero);
        hmac.AppendData(packet[(offset + 16)..]);
        hmac.GetHashAndReset(into);
    }

    /// <summary>Whether a Message-Authenticator is there, and right. More than one, or one of another length, is wrong.</summary>
    internal MessageAuthenticatorState CheckMessageAuthenticator(in RadiusPacket packet, ReadOnlySpan<byte> authenticator)
    {
        int offset = -1;
        foreach (var attribute in packet.Attributes)
            if (attribute.Type == RadiusAttribute.MessageAuthenticator)
            {
                if (offset >= 0 || attribute.Value.Length != 16)
                    return MessageAuthenticatorState.Wrong;
                offset = RadiusPacket.HeaderLength + attribute.Offset;
            }
        if (offset < 0)
            return MessageAuthenticatorState.Missing;
        Span<byte> expected = stackalloc byte[16];
        MessageAuthenticator(packet.Bytes.Span, authenticator, offset, expected);
        return CryptographicOperations.FixedTimeEquals(expected, packet.Bytes.Span.Slice(offset, 16)) ? MessageAuthenticatorState.Right : MessageAuthenticatorState.Wrong;
    }

    /// <summary>Whether an answer's Response Authenticator, or the authenticator of an accounting or disconnect request, is right.</summary>
    /// <param name="authenticator">As in <see cref="PacketMd5"/>.</param>
    internal bool CheckPacketMd5(in RadiusPacket packet, ReadOnlySpan<byte> authenticator)
    {
        Span<byte> expected = stackalloc byte[16];
        PacketMd5(packet.Bytes.Span, authenticator, expected);
        return CryptographicOperations.FixedTimeEquals(expected, packet.Authenticator);
    }

    public override string ToString() => "[secret]";
}

internal enum MessageAuthenticatorState { Missing, Wrong, Right }
