using System.Net.Security;
using System.Security.Authentication;
using System.Security.Authentication.ExtendedProtection;

namespace Hatchery.Transports;

/// <summary>The first Finished message of a connection's latest handshake (RFC 5929 section 3). Defined for TLS 1.2 and older only: the
/// platform answers on TLS 1.3 too, but RFC 9266 says that it must not be used there.</summary>
public static class TlsUnique
{
    /// <summary>A security package's binding: 32 bytes of header, then the name of the type, a colon and the value.</summary>
    private const int Header = 32;

    /// <summary>12 bytes, or empty.</summary>
    public static ReadOnlyMemory<byte> Of(SslStream stream)
    {
#pragma warning disable SYSLIB0039, CA5397 // Older versions are named to exclude newer ones, not offered.
        if (stream.SslProtocol is not (SslProtocols.Tls12 or SslProtocols.Tls11 or SslProtocols.Tls))
            return default;
#pragma warning restore SYSLIB0039, CA5397
        using var binding = stream.TransportContext.GetChannelBinding(ChannelBindingKind.Unique);
        if (binding is null || binding.IsInvalid || binding.Size <= Header)
            return default;
        var bytes = new byte[binding.Size];
        System.Runtime.InteropServices.Marshal.Copy(binding.DangerousGetHandle(), bytes, 0, bytes.Length);
        var prefix = "tls-unique:"u8;
        return bytes.AsSpan(Header).StartsWith(prefix) ? bytes.AsMemory(Header + prefix.Length) : default;
    }
}
