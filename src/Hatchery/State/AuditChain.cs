using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Hatchery;

/// <summary>The last entry's number and chain value.</summary>
public readonly record struct AuditHead(long Number, string Chain)
{
    /// <summary>Of a log without entries: 32 zero bytes.</summary>
    public static readonly AuditHead Empty = new(0, new string('0', 64));
}

/// <summary>The audit log's hash chain. It shows an entry that was altered, removed from the middle or put in. Entries cut off at the end show
/// only against a head kept elsewhere.</summary>
public static class AuditChain
{
    /// <summary>Hex SHA-256 over the previous chain value (32 bytes), number and UTC ticks (8 bytes each, big-endian), and kind, device, subject,
    /// listener, remote and detail, each UTF-8 behind its length (4 bytes, big-endian; FFFFFFFF: null).</summary>
    public static string Next(string previous, AuditEntry entry)
    {
        // In one piece: the hash is asked once, which is most of what it costs.
        var device = entry.Device?.ToString("D");
        int most = 48 + Size(entry.Kind) + Size(device) + Size(entry.Subject) + Size(entry.Listener) + Size(entry.Remote) + Size(entry.Detail);
        byte[]? rented = most > 2048 ? System.Buffers.ArrayPool<byte>.Shared.Rent(most) : null;
        Span<byte> bytes = rented ?? stackalloc byte[2048];
        Convert.FromHexString(previous, bytes, out _, out _);
        BinaryPrimitives.WriteInt64BigEndian(bytes[32..], entry.Number);
        BinaryPrimitives.WriteInt64BigEndian(bytes[40..], entry.At.UtcTicks);
        int length = 48;
        foreach (string? text in (ReadOnlySpan<string?>)[entry.Kind, device, entry.Subject, entry.Listener, entry.Remote, entry.Detail])
            length += Write(text, bytes[length..]);
        Span<byte> result = stackalloc byte[32];
        SHA256.HashData(bytes[..length], result);
        if (rented is not null)
            System.Buffers.ArrayPool<byte>.Shared.Return(rented);
        return Convert.ToHexStringLower(result);
    }

    private static int Size(string? text) => 4 + Encoding.UTF8.GetMaxByteCount(text?.Length ?? 0);

    private static int Write(string? text, Span<byte> into)
    {
        int length = text is null ? 0 : Encoding.UTF8.GetBytes(text, into[4..]);
        BinaryPrimitives.WriteInt32BigEndian(into, text is null ? -1 : length);
        return 4 + length;
    }

    /// <summary>The number of the first entry that does not continue the chain behind the head; null if all do.</summary>
    public static long? FirstBroken(AuditHead head, IEnumerable<AuditEntry> entries)
    {
        foreach (var entry in entries)
        {
            if (entry.Number != head.Number + 1 || entry.Chain != Next(head.Chain, entry))
                return entry.Number;
            head = new(entry.Number, entry.Chain);
        }
        return null;
    }

    /// <summary>Reads the whole log and checks it: the head, or the number of the first entry at fault.</summary>
    public static async ValueTask<(AuditHead Head, long? FirstBroken)> VerifyAsync(IRegistry registry, CancellationToken cancel)
    {
        var head = AuditHead.Empty;
        while (true)
        {
            var page = await registry.AuditAsync(head.Number, 500, null, cancel);
            if (page.IsEmpty)
                return (head, null);
            if (FirstBroken(head, page) is { } broken)
                return (head, broken);
            head = new(page[^1].Number, page[^1].Chain);
        }
    }
}

/// <summary>A fact as the audit log keeps it.</summary>
internal static class FactJson
{
    private const int MaxSentence = 2000;

    public static string KindOf(Fact fact) => fact switch
    {
        Fact.Seen => "seen",
        Fact.Decided => "decided",
        Fact.Imparted => "imparted",
        Fact.OwnerChanged => "owner-changed",
        Fact.Renamed => "renamed",
        Fact.Refused => "refused",
        Fact.Administered => "administered",
        _ => throw new ArgumentException($"The audit log knows no {fact.GetType().Name}.", nameof(fact)),
    };

    /// <param name="elsewhere">Names that belong to other devices and were not taken from them.</param>
    public static string Write(Fact fact, List<(Identifier Name, Guid Device)>? elsewhere)
    {
        using var document = DocumentWriter.Take();
        var json = document.Json;
        json.WriteStartObject();
        Members(json, fact);
        if (elsewhere is { Count: > 0 })
        {
            json.WriteStartArray("belongsToOthers");
            foreach (var (name, device) in elsewhere)
            {
                json.WriteStartObject();
                json.WriteString("name", name.ToString());
                json.WriteString("device", device);
                json.WriteEndObject();
            }
            json.WriteEndArray();
        }
        json.WriteEndObject();
        return Encoding.UTF8.GetString(document.Written);
    }

    private static void Members(Utf8JsonWriter json, Fact fact)
    {
        switch (fact)
        {
            case Fact.Seen seen:
                Text(json, "protocol", seen.Protocol);
                Names(json, "proven", seen.Proven);
                Names(json, "claimed", seen.Claimed);
                break;
            case Fact.Decided decided:
                var (word, name, value) = decided.Decision switch
                {
                    Decision.Admit admit => ("admit", "profile", admit.Profile),
                    Decision.Hold hold => ("hold", "askAgain", hold.AskAgain.ToString("c")),
                    Decision.Refuse refuse => ("refuse", "reason", refuse.Reason),
                    _ => throw new ArgumentException($"The audit log knows no {decided.Decision.GetType().Name}.", nameof(fact)),
                };
                json.WriteString("decision", word);
                Text(json, name, value);
                json.WriteStartArray("evidence");
                foreach (var evidence in decided.Evidence.IsDefault ? [] : decided.Evidence)
                    json.WriteStringValue(Storable.Printable(evidence, MaxSentence));
                json.WriteEndArray();
                break;
            case Fact.Imparted imparted:
                Text(json, "item", imparted.Item);
                if (imparted.Expires is { } expires)
                    json.WriteString("expires", expires);
                break;
            case Fact.OwnerChanged changed:
                Text(json, "from", changed.From);
                Text(json, "to", changed.To);
                break;
            case Fact.Renamed renamed:
                json.WriteString("newName", Storable.Name(renamed.NewName).ToString());
                break;
            case Fact.Refused refused:
                Text(json, "error", refused.ProtocolError);
                Text(json, "field", refused.Field);
                Text(json, "sentence", refused.Sentence);
                break;
            case Fact.Administered administered:
                Text(json, "act", administered.Act);
                Text(json, "by", administered.By);
                break;
        }
    }

    private static void Text(Utf8JsonWriter json, string name, string value) => json.WriteString(name, Storable.Printable(value, MaxSentence));

    private static void Names(Utf8JsonWriter json, string name, ImmutableArray<Identifier> identifiers)
    {
        json.WriteStartArray(name);
        foreach (var identifier in identifiers.IsDefault ? [] : identifiers)
            json.WriteStringValue(Storable.Name(identifier).ToString());
        json.WriteEndArray();
    }
}
