using System.Collections.Immutable;
using System.Formats.Cbor;
using System.Security.Cryptography;
using Hatchery.Cryptography.Cose;

namespace Hatchery.Fdo;

/// <summary>X5CHAIN: an array of DER certificates, leaf first; also a single certificate stands in an array.</summary>
internal static class X5Chain
{
    public static ImmutableArray<ReadOnlyMemory<byte>> Parse(BoundedCborReader reader, string field, int max)
    {
        var chain = ImmutableArray.CreateBuilder<ReadOnlyMemory<byte>>(2);
        reader.StartArray(field);
        while (reader.More(field))
        {
            if (chain.Count == max)
                throw reader.Wrong(field, $"more than {max} certificates.");
            chain.Add(reader.Bytes(field));
        }
        reader.EndArray(field);
        return chain.Count > 0 ? chain.ToImmutable() : throw reader.Wrong(field, "the chain is empty.");
    }

    public static void Write(CborWriter writer, ImmutableArray<ReadOnlyMemory<byte>> chain)
    {
        writer.WriteStartArray(chain.Length);
        foreach (var certificate in chain)
            writer.WriteByteString(certificate.Span);
        writer.WriteEndArray();
    }

    /// <summary>OVDevCertChainHash: over the concatenated DER bytes, without any framing.</summary>
    public static FdoHash Hash(HashType type, ImmutableArray<ReadOnlyMemory<byte>> chain)
    {
        using var hash = IncrementalHash.CreateHash(type == HashType.Sha384 ? HashAlgorithmName.SHA384 : HashAlgorithmName.SHA256);
        foreach (var certificate in chain)
            hash.AppendData(certificate.Span);
        return new FdoHash(type, hash.GetHashAndReset());
    }
}
