using System.Security.Cryptography;
using Hatchery.Cryptography.Cose;

namespace Hatchery.Fdo.Device.Modules;

/// <summary>fdo.download, the device's side: takes one file after the other into the device's folder. Nothing stands under the file's name before
/// length and hash were right.</summary>
public sealed class DownloadModule(IDeviceFiles files) : IDeviceModule, IDisposable
{
    /// <summary>A file up to this size is kept in the credential as it is, a larger one as its SHA-384.</summary>
    private const int Kept = 4096;

    private IDeviceFileWriter? _writer;
    private string _name = "";
    private IncrementalHash? _hash;
    private byte[]? _expectedHash;
    private long? _length;
    private long _received;
    private bool _failed;

    public string Name => "fdo.download";

    public void Begin() => Forget();

    public ValueTask ReceiveAsync(string message, ReadOnlyMemory<byte> value, ModuleReplies replies, CancellationToken cancel)
    {
        var reader = new BoundedCborReader(value, FdoException.Content);
        switch (message)
        {
            case "name":
                Open(reader.Text("fdo.download:name"));
                break;
            case "length":
                _length = reader.Integer("fdo.download:length", 0, long.MaxValue);
                break;
            case "sha-384":
                _expectedHash = reader.Bytes("fdo.download:sha-384", 48).ToArray();
                break;
            case "data":
                Take(reader.Bytes("fdo.download:data").Span, replies);
                break;
            default:
                // Later versions may say more.
                break;
        }
        return default;
    }

    private void Open(string name)
    {
        // Length and hash may come before the name; what a former file left does not count.
        if (_hash is not null)
            Forget();
        _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA384);
        _name = name;
        try
        {
            _writer = files.Create(name);
        }
        catch (DeviceFileException)
        {
            // The data still comes; the answer at its end says that nothing was stored.
            _failed = true;
        }
    }

    private void Take(ReadOnlySpan<byte> data, ModuleReplies replies)
    {
        if (_hash is null)
            throw FdoException.Invalid("fdo.download:data", "comes before a name.");
        _hash.AppendData(data);
        _received += data.Length;
        if (!_failed)
        {
            try
            {
                _writer!.Write(data);
            }
            catch (DeviceFileException)
            {
                _failed = true;
            }
        }
        // Without a length the end is an empty chunk.
        if (_length is { } length ? _received >= length : data.IsEmpty)
            Finish(replies);
    }

    private void Finish(ModuleReplies replies)
    {
        bool right = !_failed && (_length is null || _received == _length)
            && (_expectedHash is null || CryptographicOperations.FixedTimeEquals(_hash!.GetCurrentHash(), _expectedHash));
        if (right)
        {
            try
            {
                _writer!.Commit();
                byte[] content = _received <= Kept ? files.Read(_name)! : _hash!.GetCurrentHash();
                replies.Deliver(new DeliveredItem("fdo.download:" + _name, new SecretBytes(content)));
            }
            catch (DeviceFileException)
            {
                right = false;
            }
        }
        replies.AddNumber("done", right ? _received : -1);
        Forget();
    }

    private void Forget()
    {
        _writer?.Dispose();
        _hash?.Dispose();
        (_writer, _hash, _expectedHash, _length, _received, _failed) = (null, null, null, null, 0, false);
    }

    public void Dispose() => Forget();
}
