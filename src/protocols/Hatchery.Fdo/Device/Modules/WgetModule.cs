using System.Security.Cryptography;
using Hatchery.Cryptography.Cose;

namespace Hatchery.Fdo.Device.Modules;

/// <summary>fdo.wget, the device's side: fetches a file from where the owner says. It stands under its name only when its hash was right.</summary>
/// <param name="requireHash">Refuse what comes without SHA-384: whoever sits on the way to the server could change it.</param>
public sealed class WgetModule(IDeviceFiles files, IDeviceFetcher fetcher, bool requireHash = false) : IDeviceModule
{
    /// <summary>A file up to this size is kept in the credential as it is, a larger one as its SHA-384.</summary>
    private const int Kept = 4096;

    private byte[]? _expectedHash;
    private string? _name;

    public string Name => "fdo.wget";

    public void Begin() => (_expectedHash, _name) = (null, null);

    public async ValueTask ReceiveAsync(string message, ReadOnlyMemory<byte> value, ModuleReplies replies, CancellationToken cancel)
    {
        var reader = new BoundedCborReader(value, FdoException.Content);
        switch (message)
        {
            case "sha-384":
                _expectedHash = reader.Bytes("fdo.wget:sha-384", 48).ToArray();
                break;
            case "name":
                _name = reader.Text("fdo.wget:name");
                break;
            case "url":
                await FetchAsync(reader.Text("fdo.wget:url"), replies, cancel);
                Begin();
                break;
        }
    }

    private async ValueTask FetchAsync(string url, ModuleReplies replies, CancellationToken cancel)
    {
        if (!Uri.TryCreate(url, UriKind.Absolute, out var from) || from.Scheme is not ("http" or "https"))
        {
            replies.AddText("error", "The URL is none of HTTP or HTTPS.");
            return;
        }
        if (_expectedHash is null && requireHash)
        {
            replies.AddText("error", "This device fetches nothing without its SHA-384.");
            return;
        }
        string name = _name ?? Uri.UnescapeDataString(from.Segments[^1]);
        try
        {
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA384);
            using var writer = files.Create(name);
            long length = await fetcher.FetchAsync(from, piece =>
            {
                hash.AppendData(piece.Span);
                writer.Write(piece.Span);
            }, cancel);
            var digest = hash.GetHashAndReset();
            if (_expectedHash is not null && !CryptographicOperations.FixedTimeEquals(digest, _expectedHash))
            {
                replies.AddText("error", "The SHA-384 is another.");
                return;
            }
            writer.Commit();
            replies.Deliver(new DeliveredItem("fdo.wget:" + name, new SecretBytes(length <= Kept ? files.Read(name)! : digest)));
            replies.AddNumber("done", length);
        }
        catch (Exception e) when (e is DeviceFetchException or DeviceFileException)
        {
            replies.AddText("error", e.Message);
        }
    }
}
