using System.Security.Cryptography;
using Hatchery.Cryptography.Cose;

namespace Hatchery.Fdo.Device.Modules;

/// <summary>fdo.upload, the device's side: gives the owner files of the device's folder, and of no other place.</summary>
/// <param name="maxBytes">Of one file; a larger one is not given.</param>
public sealed class UploadModule(IDeviceFiles files, int maxBytes = 1 << 20) : IDeviceModule
{
    private bool _wantsHash;

    public string Name => "fdo.upload";

    public void Begin() => _wantsHash = false;

    public ValueTask ReceiveAsync(string message, ReadOnlyMemory<byte> value, ModuleReplies replies, CancellationToken cancel)
    {
        var reader = new BoundedCborReader(value, FdoException.Content);
        switch (message)
        {
            case "need-sha":
                _wantsHash = reader.Bool("fdo.upload:need-sha");
                break;
            case "name":
                Give(reader.Text("fdo.upload:name"), replies);
                _wantsHash = false;
                break;
        }
        return default;
    }

    /// <summary>The module has no word for a file that is not there: the session ends, and the owner reads why.</summary>
    private void Give(string name, ModuleReplies replies)
    {
        byte[]? content;
        try
        {
            content = files.Read(name);
        }
        catch (DeviceFileException e)
        {
            throw FdoException.Invalid("fdo.upload:name", $"refused: {e.Message}", e);
        }
        if (content is null)
            throw FdoException.Invalid("fdo.upload:name", "there is no such file.");
        if (content.Length > maxBytes)
            throw FdoException.Invalid("fdo.upload:name", $"the file has {content.Length} bytes; at most {maxBytes} are given.");
        replies.AddNumber("length", content.Length);
        replies.AddChunks("data", content);
        if (_wantsHash)
            replies.AddBytes("sha-384", SHA384.HashData(content));
    }
}
