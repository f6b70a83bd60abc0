using System.Collections.Immutable;
using System.Formats.Cbor;

namespace Hatchery.Cryptography.Cose;

/// <summary>A COSE header map with integer labels, values as encoded. Text labels are skipped.</summary>
public readonly struct CoseHeaders(ImmutableArray<(long Label, ReadOnlyMemory<byte> Value)> items)
{
    public const int Algorithm = 1, Iv = 5;
    private const int MaxItems = 16;

    public static readonly CoseHeaders Empty = new([]);

    public ImmutableArray<(long Label, ReadOnlyMemory<byte> Value)> Items => items.IsDefault ? [] : items;

    /// <summary>The encoding of the value.</summary>
    public bool TryGet(long label, out ReadOnlyMemory<byte> value)
    {
        foreach (var item in Items)
            if (item.Label == label)
            {
                value = item.Value;
                return true;
            }
        value = default;
        return false;
    }

    public static CoseHeaders Parse(BoundedCborReader reader, string field)
    {
        var items = ImmutableArray.CreateBuilder<(long, ReadOnlyMemory<byte>)>(2);
        reader.StartMap(field);
        for (int count = 0; reader.More(field); count++)
        {
            if (count == MaxItems)
                throw reader.Wrong(field, $"more than {MaxItems} headers.");
            if (!reader.IsNumber(field))
            {
                reader.Text(field);
                reader.Raw(field);
                continue;
            }
            long label = reader.Integer(field);
            foreach (var known in items)
                if (known.Item1 == label)
                    throw reader.Wrong(field, $"label {label} occurs twice.");
            items.Add((label, reader.Raw(field)));
        }
        reader.EndMap(field);
        return new CoseHeaders(items.ToImmutable());
    }

    /// <summary>In the order given, which must be that of deterministic encoding.</summary>
    public void Write(CborWriter writer)
    {
        writer.WriteStartMap(Items.Length);
        foreach (var (label, value) in Items)
        {
            writer.WriteInt64(label);
            writer.WriteEncodedValue(value.Span);
        }
        writer.WriteEndMap();
    }
}
