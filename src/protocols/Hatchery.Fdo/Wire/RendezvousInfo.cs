using System.Collections.Immutable;
using System.Formats.Cbor;
using Hatchery.Cryptography.Cose;

namespace Hatchery.Fdo;

/// <summary>One [RVVariable, bstr .cbor value].</summary>
/// <param name="Value">The content of the byte string: an encoding, not looked at yet; empty where the array has one element.</param>
public readonly record struct RendezvousInstruction(RendezvousVariable Variable, ReadOnlyMemory<byte> Value);

/// <summary>RendezvousDirective: instructions whose order means nothing.</summary>
public sealed record RendezvousDirective(ImmutableArray<RendezvousInstruction> Instructions);

/// <summary>RendezvousInfo (FDO 1.1 §3.7): where a device finds its owner. Keeps the bytes it came from. What the directives mean is read by
/// <see cref="RendezvousInterpreter"/>; a directive that means nothing is skipped there, and does not make the whole unreadable.</summary>
public sealed class RendezvousInfo
{
    private const int MaxDirectives = 64, MaxInstructions = 32;

    private RendezvousInfo(ImmutableArray<RendezvousDirective> directives, ReadOnlyMemory<byte> raw) => (Directives, Raw) = (directives, raw);

    public RendezvousInfo(ImmutableArray<RendezvousDirective> directives)
    {
        Directives = directives;
        var writer = WireReading.Writer(128);
        writer.WriteStartArray(directives.Length);
        foreach (var directive in directives)
        {
            writer.WriteStartArray(directive.Instructions.Length);
            foreach (var (variable, value) in directive.Instructions)
            {
                writer.WriteStartArray(value.IsEmpty ? 1 : 2);
                writer.WriteInt32((int)variable);
                if (!value.IsEmpty)
                    writer.WriteByteString(value.Span);
                writer.WriteEndArray();
            }
            writer.WriteEndArray();
        }
        writer.WriteEndArray();
        Raw = writer.Finish();
    }

    public ImmutableArray<RendezvousDirective> Directives { get; }
    public ReadOnlyMemory<byte> Raw { get; }
    public bool IsEmpty => Directives.IsEmpty;
    public bool IsSameAs(RendezvousInfo other) => Raw.Span.SequenceEqual(other.Raw.Span);

    /// <summary>Throws <see cref="FdoException"/> 100.</summary>
    public static RendezvousInfo Parse(ReadOnlyMemory<byte> raw)
    {
        var reader = new BoundedCborReader(raw, FdoException.Body);
        var info = Parse(reader, "RendezvousInfo");
        reader.End("RendezvousInfo");
        return info;
    }

    internal static RendezvousInfo Parse(BoundedCborReader reader, string field)
    {
        int start = reader.Position;
        var directives = ImmutableArray.CreateBuilder<RendezvousDirective>(1);
        reader.StartArray(field);
        while (reader.More(field))
        {
            if (directives.Count == MaxDirectives)
                throw reader.Wrong(field, $"more than {MaxDirectives} directives.");
            var instructions = ImmutableArray.CreateBuilder<RendezvousInstruction>(4);
            reader.StartArray(field);
            while (reader.More(field))
            {
                if (instructions.Count == MaxInstructions)
                    throw reader.Wrong(field, $"more than {MaxInstructions} instructions in one directive.");
                reader.StartArray(field);
                long variable = reader.Integer(field, 0, int.MaxValue);
                instructions.Add(new((RendezvousVariable)variable, reader.More(field) ? reader.Bytes(field) : default));
                reader.EndArray(field);
            }
            reader.EndArray(field);
            directives.Add(new RendezvousDirective(instructions.ToImmutable()));
        }
        reader.EndArray(field);
        return new RendezvousInfo(directives.ToImmutable(), reader.Since(start));
    }

    /// <summary>Names no value: there may be a Wi-Fi password among them.</summary>
    public override string ToString() => $"{Directives.Length} directives";
}
