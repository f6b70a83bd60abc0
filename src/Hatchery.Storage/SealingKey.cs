using System.Buffers.Text;
using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;

namespace Hatchery.Storage;

/// <summary>The installation's master key, 32 bytes: raw, as 64 hex digits, or as base64 with or without padding; white space around the text forms is
/// ignored. Kept outside the data directory, or the key lies with what it seals. Every failure is a <see cref="StorageException"/> that says what to do and
/// shows nothing of the key.</summary>
public static class SealingKey
{
    private const int Length = 32;
    /// <summary>Of a file or a command's output; a key in any form is much shorter.</summary>
    private const int MostBytes = 1024;

    /// <summary>On Unix, refuses a file that anybody but its owner may read or write.</summary>
    public static SecretBytes FromFile(string path)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read);
            if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(file.SafeFileHandle) & ~(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute)) != 0)
                throw new StorageException($"The key file {path} is open to others than its owner. Run: chmod 600 {path}");
            return Parse(ReadAtMost(file), $"The key file {path}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StorageException($"The key file {path} cannot be read: {e.Message}", e);
        }
    }

    public static SecretBytes FromEnvironment(string variable) => Environment.GetEnvironmentVariable(variable) is { Length: > 0 } value
        ? Parse(Encoding.UTF8.GetBytes(value), $"The environment variable {variable}")
        : throw new StorageException($"The environment variable {variable} is not set; it should hold the master key.");

    /// <summary>Runs a program, without a shell, and takes the key from its standard output.</summary>
    public static async Task<SecretBytes> FromCommandAsync(string program, IEnumerable<string> arguments, CancellationToken cancel)
    {
        using var process = new Process { StartInfo = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, UseShellExecute = false } };
        try
        {
            process.Start();
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw new StorageException($"The key command {program} cannot be started: {e.Message}", e);
        }
        try
        {
            var output = new byte[MostBytes + 1];
            int read = await process.StandardOutput.BaseStream.ReadAtLeastAsync(output, output.Length, throwOnEndOfStream: false, cancel);
            if (read > MostBytes)
                throw new StorageException($"The key command {program} wrote more than {MostBytes} bytes; it should write the key and nothing else.");
            await process.WaitForExitAsync(cancel);
            if (process.ExitCode != 0)
                throw new StorageException($"The key command {program} failed with exit code {process.ExitCode}.");
            return Parse(output.AsSpan(0, read), $"The key command {program}");
        }
        finally
        {
            if (!process.HasExited)
                process.Kill();
        }
    }

    /// <summary>Makes a key and a file for it, in hex, mode 0600. Refuses to replace a file: what the old key sealed would be lost.</summary>
    public static SecretBytes CreateFile(string path, Chance chance)
    {
        var key = chance.Bytes(Length, "storage.master-key");
        try
        {
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows())
                options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            using var file = new FileStream(path, options);
            file.Write(Encoding.ASCII.GetBytes(Convert.ToHexStringLower(key) + "\n"));
            file.Flush(flushToDisk: true);
            return new SecretBytes(key);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StorageException($"The key file {path} cannot be made: {e.Message}", e);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
        }
    }

    private static byte[] ReadAtMost(Stream stream)
    {
        var bytes = new byte[MostBytes + 1];
        return bytes[..stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false)];
    }

    internal static SecretBytes Parse(ReadOnlySpan<byte> bytes, string source)
    {
        Span<byte> key = stackalloc byte[Length + 4];
        try
        {
            if (bytes.Length == Length)
                return new SecretBytes(bytes);
            var text = bytes.Trim(" \t\r\n"u8);
            if (text.Length == 2 * Length && Convert.FromHexString(text, key, out _, out int written) == System.Buffers.OperationStatus.Done && written == Length)
                return new SecretBytes(key[..Length]);
            Span<byte> padded = stackalloc byte[44];
            if (text.Length is 43 or 44)
            {
                padded[43] = (byte)'=';
                text.CopyTo(padded);
                if (Base64.DecodeFromUtf8(padded, key, out _, out written) == System.Buffers.OperationStatus.Done && written == Length)
                    return new SecretBytes(key[..Length]);
            }
            throw new StorageException($"{source} does not hold a key of {Length} bytes as 64 hex digits, base64 or raw.");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
        }
    }
}
