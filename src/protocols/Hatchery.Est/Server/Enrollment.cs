using System.Security.Cryptography;
using System.Text;
using Hatchery.Pki;

namespace Hatchery.Est.Server;

/// <summary>A request as the server remembers it: while it waits for its decision, and for a while after, because the answer may have been lost.</summary>
/// <param name="Device">"kind:value".</param>
/// <param name="Subject">As asked for, for people.</param>
/// <param name="Certificate">DER; empty: waiting.</param>
public sealed record Enrollment(string Label, string Operation, string Device, string Subject, DateTimeOffset Since, ReadOnlyMemory<byte> Certificate)
{
    public static readonly Schema<Enrollment> Schema = new Schema<Enrollment>("est.enrollment", 1, new("", "", "", "", default, default))
        .Plain("label", s => s.Label, (s, v) => s with { Label = v }, Lifetime.Factory, "a server's record")
        .Plain("operation", s => s.Operation, (s, v) => s with { Operation = v }, Lifetime.Factory, "a server's record")
        .Plain("device", s => s.Device, (s, v) => s with { Device = v }, Lifetime.Factory, "a server's record")
        .Plain("subject", s => s.Subject, (s, v) => s with { Subject = v }, Lifetime.Factory, "a server's record")
        .Plain("since", s => s.Since, (s, v) => s with { Since = v }, Lifetime.Factory, "a server's record")
        .Plain("certificate", s => s.Certificate, (s, v) => s with { Certificate = v }, Lifetime.Factory, "a server's record")
        .Index("waiting", s => s.Certificate.IsEmpty ? s.Label : null);

    /// <summary>The same request, whenever and on whatever connection it is made: not over the request's bytes, because channel binding and signature are new each time.</summary>
    internal static RecordKey Key(string label, EstOperation operation, ClientIdentity identity, Pkcs10 request)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        void Add(ReadOnlySpan<byte> part)
        {
            Span<byte> length = stackalloc byte[4];
            System.Buffers.Binary.BinaryPrimitives.WriteInt32BigEndian(length, part.Length);
            hash.AppendData(length);
            hash.AppendData(part);
        }
        Add(Encoding.UTF8.GetBytes(label));
        Add(Encoding.UTF8.GetBytes(operation.Name()));
        Add(Encoding.UTF8.GetBytes(identity.Text));
        // A key that the server is to make is no part of the request.
        Add(operation == EstOperation.ServerKeyGen ? default : request.SubjectPublicKeyInfo.Span);
        Add(request.SubjectName.Span);
        foreach (var extension in request.Extensions)
        {
            Add(Encoding.ASCII.GetBytes(extension.Oid));
            Add(extension.Value.Span);
        }
        return new(Convert.ToHexStringLower(hash.GetHashAndReset()));
    }
}
