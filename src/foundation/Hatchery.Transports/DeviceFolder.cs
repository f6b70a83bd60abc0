namespace Hatchery.Transports;

/// <summary>A device's files in one folder of the disk. Names are relative and stay inside; links are not followed out of it; a file appears as a whole.</summary>
/// <param name="root">Made if it is missing.</param>
/// <param name="maxBytes">Of one file.</param>
public sealed class DeviceFolder(string root, long maxBytes = 256 * 1024 * 1024) : IDeviceFiles
{
    private readonly string _root = Path.GetFullPath(root);

    public IDeviceFileWriter Create(string name)
    {
        string path = Resolve(name);
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            return new Writer(path, maxBytes);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DeviceFileException($"{name} cannot be written: {e.Message}", e);
        }
    }

    public byte[]? Read(string name)
    {
        string path = Resolve(name);
        return File.Exists(path) ? File.ReadAllBytes(path) : null;
    }

    private string Resolve(string name)
    {
        if (name.Length is 0 or > 255 || name.Contains('\0', StringComparison.Ordinal) || Path.IsPathRooted(name) || name.EndsWith('/'))
            throw new DeviceFileException("The name is empty, too long, absolute, or names a folder.");
        string path = Path.GetFullPath(Path.Combine(_root, name));
        if (!path.StartsWith(_root + Path.DirectorySeparatorChar, StringComparison.Ordinal))
            throw new DeviceFileException("The name leads out of the folder.");
        // A link on the way, also one that was put there meanwhile, must not lead out.
        for (var folder = new DirectoryInfo(Path.GetDirectoryName(path)!); folder is not null && folder.FullName.Length > _root.Length; folder = folder.Parent)
            if (folder.LinkTarget is not null)
                throw new DeviceFileException("The name leads over a link.");
        if (new FileInfo(path).LinkTarget is not null)
            throw new DeviceFileException("The name is a link.");
        return path;
    }

    private sealed class Writer : IDeviceFileWriter
    {
        private readonly string _path, _temporary;
        private readonly long _max;
        private readonly FileStream _stream;
        private bool _committed;

        public Writer(string path, long max)
        {
            (_path, _temporary, _max) = (path, path + ".part", max);
            File.Delete(_temporary);
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows())
                options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            _stream = new FileStream(_temporary, options);
        }

        public void Write(ReadOnlySpan<byte> bytes)
        {
            if (_stream.Length + bytes.Length > _max)
                throw new DeviceFileException($"The file is larger than {_max} bytes.");
            try
            {
                _stream.Write(bytes);
            }
            catch (IOException e)
            {
                throw new DeviceFileException(e.Message, e);
            }
        }

        public void Commit()
        {
            try
            {
                _stream.Flush(flushToDisk: true);
                _stream.Dispose();
                File.Move(_temporary, _path, overwrite: true);
                _committed = true;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new DeviceFileException(e.Message, e);
            }
        }

        public void Dispose()
        {
            _stream.Dispose();
            if (!_committed)
                File.Delete(_temporary);
        }
    }
}
