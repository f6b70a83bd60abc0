using System.Collections.Immutable;
using System.Formats.Asn1;

namespace Hatchery.Pki;

/// <summary>Reading and writing of ASN.1 with one kind of error.</summary>
internal static class Der
{
    // Peers do not always sort a SET OF; nothing here depends on its order.
    private static readonly AsnReaderOptions s_options = new() { SkipSetSortOrderVerification = true };

    public static readonly Asn1Tag Context0 = new(TagClass.ContextSpecific, 0, true), Context1 = new(TagClass.ContextSpecific, 1, true),
        Context2 = new(TagClass.ContextSpecific, 2, true), Context3 = new(TagClass.ContextSpecific, 3, true);

    public static AsnReader Open(ReadOnlyMemory<byte> encoded, AsnEncodingRules rules = AsnEncodingRules.DER) => new(encoded, rules, s_options);

    /// <summary>Exactly one value; what the reader refuses becomes a <see cref="PkiException"/> that names the field.</summary>
    public static T Read<T>(ReadOnlyMemory<byte> encoded, string field, int maxBytes, Func<AsnReader, T> read, AsnEncodingRules rules = AsnEncodingRules.DER)
    {
        if (encoded.Length > maxBytes)
            throw new PkiException(field, $"{encoded.Length} bytes; {maxBytes} are allowed.");
        try
        {
            var reader = Open(encoded, rules);
            var result = read(reader);
            reader.ThrowIfNotEmpty();
            return result;
        }
        catch (AsnContentException e)
        {
            throw new PkiException(field, $"the {field} cannot be read: {e.Message}", e);
        }
    }

    /// <summary>The values of a SET OF or SEQUENCE OF, each as its own encoding.</summary>
    public static ImmutableArray<ReadOnlyMemory<byte>> Values(AsnReader of, string field, int max = 64)
    {
        var values = ImmutableArray.CreateBuilder<ReadOnlyMemory<byte>>();
        while (of.HasData)
        {
            if (values.Count == max)
                throw new PkiException(field, $"more than {max} values.");
            values.Add(of.ReadEncodedValue());
        }
        return values.ToImmutable();
    }

    public static ReadOnlyMemory<byte> Write(Action<AsnWriter> write)
    {
        var writer = new AsnWriter(AsnEncodingRules.DER);
        write(writer);
        return writer.Encode();
    }

    /// <summary>UtcTime until 2049, GeneralizedTime from 2050 on (RFC 5280, section 4.1.2.5).</summary>
    public static void WriteTime(AsnWriter writer, DateTimeOffset time)
    {
        if (time.UtcDateTime.Year < 2050)
            writer.WriteUtcTime(time);
        else
            writer.WriteGeneralizedTime(time, omitFractionalSeconds: true);
    }

    public static DateTimeOffset ReadTime(AsnReader reader) =>
        reader.PeekTag().HasSameClassAndValue(Asn1Tag.UtcTime) ? reader.ReadUtcTime() : reader.ReadGeneralizedTime();

    /// <summary>Any of the string types of DirectoryString, and IA5String.</summary>
    /// <exception cref="AsnContentException">Another type, or text that its type does not allow.</exception>
    public static string ReadText(AsnReader reader)
    {
        var tag = reader.PeekTag();
        if (tag.TagClass != TagClass.Universal)
            throw new AsnContentException("Not a string.");
        var type = (UniversalTagNumber)tag.TagValue;
        return type switch
        {
            UniversalTagNumber.UTF8String or UniversalTagNumber.PrintableString or UniversalTagNumber.IA5String or UniversalTagNumber.T61String
                or UniversalTagNumber.BMPString or UniversalTagNumber.NumericString or UniversalTagNumber.VisibleString => reader.ReadCharacterString(type),
            _ => throw new AsnContentException("Not a string."),
        };
    }

    public static bool IsPrintable(string text) => !text.AsSpan().ContainsAnyExcept(s_printable);

    /// <summary>PrintableString where the characters allow it, else UTF-8.</summary>
    public static void WriteDirectoryString(AsnWriter writer, string text) =>
        writer.WriteCharacterString(IsPrintable(text) ? UniversalTagNumber.PrintableString : UniversalTagNumber.UTF8String, text);

    private static readonly System.Buffers.SearchValues<char> s_printable =
        System.Buffers.SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 '()+,-./:=?");
}
