using System.Collections.Immutable;
using System.Formats.Asn1;

namespace Hatchery.Pki;

/// <summary>What a certification request is to say; <see cref="Sign"/> makes it.</summary>
public sealed record Pkcs10Builder
{
    /// <summary>DER of a Name; see <see cref="DirectoryName"/>.</summary>
    public ReadOnlyMemory<byte> Subject { get; init; } = DirectoryName.Empty;
    public ImmutableArray<CertificateExtension> Extensions { get; init; } = [];
    /// <summary>EST: base64 of the channel binding.</summary>
    public string? ChallengePassword { get; init; }
    /// <summary>Others than extensionRequest and challengePassword.</summary>
    public ImmutableArray<RequestAttribute> Attributes { get; init; } = [];

    /// <param name="key">The key to be certified.</param>
    /// <returns>DER.</returns>
    public ReadOnlyMemory<byte> Sign(SignatureKey key, Chance chance, string use = "PKCS10.signature")
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            writer.WriteInteger(0);
            writer.WriteEncodedValue(Subject.Span);
            writer.WriteEncodedValue(key.Public.Encoded.Span);
            using (writer.PushSetOf(Der.Context0))
            {
                if (ChallengePassword is { } password)
                    RequestAttribute.ChallengePassword(password).Write(writer);
                if (!Extensions.IsEmpty)
                    RequestAttribute.ExtensionRequest(Extensions).Write(writer);
                foreach (var attribute in Attributes)
                    attribute.Write(writer);
            }
        }
        return key.Frame(writer.Encode(), chance, use);
    }
}
