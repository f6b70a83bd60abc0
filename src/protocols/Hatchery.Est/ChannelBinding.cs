using System.Security.Cryptography;
using System.Text;

namespace Hatchery.Est;

/// <summary>Links a request to the TLS session that carries it (RFC 7030, section 3.5): the channel binding, base64, as challengePassword.</summary>
public static class ChannelBinding
{
    /// <summary>Label and length of tls-exporter (RFC 9266, section 2); the context is empty.</summary>
    public const string ExporterLabel = "EXPORTER-Channel-Binding";
    public const int ExporterLength = 32;

    /// <summary>What binds: tls-unique (12 bytes) on TLS 1.2, tls-exporter (32 bytes) on 1.3; empty: this channel has none that is defined.</summary>
    public static ReadOnlyMemory<byte> Of(ReadOnlyMemory<byte> tlsUnique, ReadOnlyMemory<byte> tlsExporter) => !tlsUnique.IsEmpty ? tlsUnique : tlsExporter;

    /// <returns>Null: nothing to bind to.</returns>
    public static string? Password(ReadOnlyMemory<byte> binding) => binding.IsEmpty ? null : Convert.ToBase64String(binding.Span);

    /// <summary>In time that does not depend on where they differ.</summary>
    public static bool Matches(string challengePassword, ReadOnlyMemory<byte> binding) =>
        Password(binding) is { } expected && CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(expected), Encoding.UTF8.GetBytes(challengePassword));
}
