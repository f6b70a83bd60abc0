using System.Collections.Immutable;
using Hatchery.Cryptography.Cose;

namespace Hatchery.Fdo.Device;

/// <summary>What the device has to say in ServiceInfo: devmod first, then what its modules answer; cut into messages that the owner can take.</summary>
internal sealed class DeviceServiceInfoQueue
{
    private readonly Queue<ServiceInfoPair> _pairs = new();
    private int _room = ServiceInfoSizes.Smallest;

    public bool IsEmpty => _pairs.Count == 0;

    /// <param name="maxDeviceServiceInfo">As the owner said in message 67; less than the default counts as the default.</param>
    /// <param name="maxOwnerMessage">As the owner said in message 61; 0: nothing.</param>
    public void Limit(ushort? maxDeviceServiceInfo, ushort maxOwnerMessage) => _room = Math.Min(Math.Max(ServiceInfoSizes.Smallest, (int?)maxDeviceServiceInfo ?? 0),
        Math.Max(ServiceInfoSizes.Smallest, (maxOwnerMessage == 0 ? WireReading.MaxMessage : maxOwnerMessage) - ServiceInfoSizes.AroundMessage));

    public void Add(ImmutableArray<ServiceInfoPair> pairs)
    {
        foreach (var pair in pairs)
            _pairs.Enqueue(pair);
    }

    public void AddDevmod(DeviceOptions options)
    {
        var facts = options.Facts;
        void Text(string key, string? value)
        {
            if (value is not null)
                _pairs.Enqueue(new ServiceInfoPair("devmod:" + key, DeviceValue.Text(value)));
        }
        _pairs.Enqueue(new ServiceInfoPair("devmod:active", DeviceValue.True));
        Text("os", facts.Os);
        Text("arch", facts.Arch);
        Text("version", facts.Version);
        Text("device", facts.Device);
        Text("sn", facts.SerialNumber);
        Text("pathsep", facts.PathSeparator);
        Text("sep", facts.Separator);
        Text("nl", facts.Newline);
        Text("bin", facts.Binary);
        ImmutableArray<string> names = [.. options.Modules, "devmod"];
        _pairs.Enqueue(new ServiceInfoPair("devmod:nummodules", DeviceValue.Number(names.Length)));
        // So few names per message that each fits the smallest one.
        const int Batch = 16;
        for (int first = 0; first < names.Length; first += Batch)
        {
            int count = Math.Min(Batch, names.Length - first);
            var writer = WireReading.Writer(512);
            writer.WriteStartArray(2 + count);
            writer.WriteInt32(first);
            writer.WriteInt32(count);
            foreach (string name in names.Skip(first).Take(count))
                writer.WriteTextString(name);
            writer.WriteEndArray();
            _pairs.Enqueue(new ServiceInfoPair("devmod:modules", writer.Finish()));
        }
    }

    /// <summary>The next message; more follow while the queue is not empty.</summary>
    /// <exception cref="FdoException">500: a module made a pair that fits no message.</exception>
    public DeviceServiceInfo Next()
    {
        var pairs = ImmutableArray.CreateBuilder<ServiceInfoPair>();
        int left = _room - 5;
        while (_pairs.TryPeek(out var pair) && pair.EncodedSize <= left)
        {
            left -= pair.EncodedSize;
            pairs.Add(_pairs.Dequeue());
        }
        if (pairs.Count == 0 && _pairs.TryPeek(out var tooLong))
            throw new FdoException(FdoErrorCode.InternalServerError, tooLong.Key, $"{tooLong} does not fit a message of {_room} bytes.");
        return new DeviceServiceInfo(_pairs.Count > 0, pairs.ToImmutable());
    }
}
