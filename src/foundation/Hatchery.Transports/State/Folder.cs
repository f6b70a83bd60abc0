using System.Runtime.InteropServices;

namespace Hatchery.Transports;

/// <summary>fsync of a folder: a rename is durable only then. The platform's file API does not open folders.</summary>
internal static partial class Folder
{
    private const int ReadOnlyCloseOnExec = 0x80000;

    public static void Flush(string folder)
    {
        if (OperatingSystem.IsWindows())
            return;
        int descriptor = Open(folder, OperatingSystem.IsLinux() ? ReadOnlyCloseOnExec : 0);
        if (descriptor < 0)
            throw new IOException($"{folder} could not be opened: error {Marshal.GetLastPInvokeError()}.");
        try
        {
            if (Synchronize(descriptor) != 0)
                throw new IOException($"{folder} could not be made durable: error {Marshal.GetLastPInvokeError()}.");
        }
        finally
        {
            _ = Close(descriptor);
        }
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Synchronize(int descriptor);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    private static partial int Close(int descriptor);
}
