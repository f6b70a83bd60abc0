using System.Collections.Immutable;
using System.Formats.Cbor;
using Hatchery.Cryptography.Cose;

namespace Hatchery.Fdo;

/// <summary>One [key, bstr .cbor value] of ServiceInfo (FDO 1.1 §3.8).</summary>
/// <param name="Key">"module:message".</param>
/// <param name="Value">The content of the byte string. As a rule one encoded item; some peers split one over several pairs, see <see cref="ServiceInfoJoiner"/>.</param>
public readonly record struct ServiceInfoPair(string Key, ReadOnlyMemory<byte> Value)
{
    public ReadOnlySpan<char> Module => Key.AsSpan(0, Math.Max(0, Key.IndexOf(':', StringComparison.Ordinal)));
    public ReadOnlySpan<char> Message => Key.AsSpan(Key.IndexOf(':', StringComparison.Ordinal) + 1);
    public override string ToString() => $"{Key} ({Value.Length} bytes)";

    /// <summary>Bytes of the pair's encoding, to stay below a peer's limit.</summary>
    public int EncodedSize
    {
        get
        {
            int key = System.Text.Encoding.UTF8.GetByteCount(Key);
            return 1 + Head(key) + key + Head(Value.Length) + Value.Length;
        }
    }

    private static int Head(int length) => length < 24 ? 1 : length < 256 ? 2 : length < 65536 ? 3 : 5;
}

internal static class ServiceInfoList
{
    private const int MaxPairs = 1024;

    public static ImmutableArray<ServiceInfoPair> Parse(BoundedCborReader reader)
    {
        const string Name = "ServiceInfo";
        var pairs = ImmutableArray.CreateBuilder<ServiceInfoPair>(2);
        reader.StartArray(Name);
        while (reader.More(Name))
        {
            if (pairs.Count == MaxPairs)
                throw reader.Wrong(Name, $"more than {MaxPairs} pairs.");
            reader.StartArray("ServiceInfoKV");
            string key = reader.Text("ServiceInfoKey");
            int colon = key.IndexOf(':', StringComparison.Ordinal);
            if (colon <= 0 || colon == key.Length - 1)
                throw reader.Wrong("ServiceInfoKey", "not of the form module:message.");
            var value = reader.Bytes("ServiceInfoVal");
            reader.EndArray("ServiceInfoKV");
            pairs.Add(new ServiceInfoPair(key, value));
        }
        reader.EndArray(Name);
        return pairs.DrainToImmutable();
    }

    public static void Write(CborWriter writer, ImmutableArray<ServiceInfoPair> pairs)
    {
        writer.WriteStartArray(pairs.Length);
        foreach (var pair in pairs)
        {
            writer.WriteStartArray(2);
            writer.WriteTextString(pair.Key);
            writer.WriteByteString(pair.Value.Span);
            writer.WriteEndArray();
        }
        writer.WriteEndArray();
    }

    public static int Size(ImmutableArray<ServiceInfoPair> pairs)
    {
        int size = 8;
        foreach (var pair in pairs)
            size += pair.EncodedSize;
        return size;
    }
}

/// <summary>68, inside the encryption: [IsMoreServiceInfo, ServiceInfo].</summary>
public sealed record DeviceServiceInfo(bool IsMoreServiceInfo, ImmutableArray<ServiceInfoPair> ServiceInfo) : FdoMessage
{
    public override StepKind Kind => FdoSteps.DeviceServiceInfo;
    private protected override int Capacity => ServiceInfoList.Size(ServiceInfo);

    public static DeviceServiceInfo Parse(ReadOnlyMemory<byte> body)
    {
        var reader = WireReading.Door(body, "TO2.DeviceServiceInfo");
        reader.StartArray("TO2.DeviceServiceInfo");
        bool more = reader.Bool("IsMoreServiceInfo");
        var pairs = ServiceInfoList.Parse(reader);
        reader.EndArray("TO2.DeviceServiceInfo");
        reader.End("TO2.DeviceServiceInfo");
        return new DeviceServiceInfo(more, pairs) { Received = body };
    }

    private protected override void Write(CborWriter writer)
    {
        writer.WriteStartArray(2);
        writer.WriteBoolean(IsMoreServiceInfo);
        ServiceInfoList.Write(writer, ServiceInfo);
        writer.WriteEndArray();
    }
}

/// <summary>69, inside the encryption: [IsMoreServiceInfo, IsDone, ServiceInfo].</summary>
public sealed record OwnerServiceInfo(bool IsMoreServiceInfo, bool IsDone, ImmutableArray<ServiceInfoPair> ServiceInfo) : FdoMessage
{
    public override StepKind Kind => FdoSteps.OwnerServiceInfo;
    private protected override int Capacity => ServiceInfoList.Size(ServiceInfo);

    public static OwnerServiceInfo Parse(ReadOnlyMemory<byte> body)
    {
        var reader = WireReading.Door(body, "TO2.OwnerServiceInfo");
        reader.StartArray("TO2.OwnerServiceInfo");
        bool more = reader.Bool("IsMoreServiceInfo"), done = reader.Bool("IsDone");
        var pairs = ServiceInfoList.Parse(reader);
        reader.EndArray("TO2.OwnerServiceInfo");
        reader.End("TO2.OwnerServiceInfo");
        return new OwnerServiceInfo(more, done, pairs) { Received = body };
    }

    private protected override void Write(CborWriter writer)
    {
        writer.WriteStartArray(3);
        writer.WriteBoolean(IsMoreServiceInfo);
        writer.WriteBoolean(IsDone);
        ServiceInfoList.Write(writer, ServiceInfo);
        writer.WriteEndArray();
    }
}
