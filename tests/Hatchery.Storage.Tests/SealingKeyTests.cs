namespace Hatchery.Storage.Tests;

public sealed class SealingKeyTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();
    private readonly byte[] _key = [.. Enumerable.Range(200, 32).Select(i => (byte)i)];
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private string Write(byte[] bytes, UnixFileMode mode = UnixFileMode.UserRead | UnixFileMode.UserWrite)
    {
        var path = _directory.File("key");
        File.WriteAllBytes(path, bytes);
        File.SetUnixFileMode(path, mode);
        return path;
    }

    [Fact]
    public void A_key_is_read_in_each_form()
    {
        var base64 = Convert.ToBase64String(_key);
        foreach (var form in (byte[][])[_key, .. new[] { Convert.ToHexString(_key), $" {Convert.ToHexStringLower(_key)}\r\n", base64, base64.TrimEnd('=') + "\n" }.Select(System.Text.Encoding.ASCII.GetBytes)])
            Assert.Equal(_key, SealingKey.FromFile(Write(form)).Reveal().ToArray());
    }

    [Fact]
    public void What_is_no_key_is_refused_and_not_shown()
    {
        foreach (var form in (string[])["", "secret-too-short", new string('z', 64), new string('a', 63), new string('!', 44), new string('A', 45), new string('a', 5000)])
        {
            var refused = Assert.Throws<StorageException>(() => SealingKey.FromFile(Write(System.Text.Encoding.ASCII.GetBytes(form))));
            Assert.Contains("32 bytes", refused.Message, StringComparison.Ordinal);
            Assert.DoesNotContain("secret-too-short", refused.ToString(), StringComparison.Ordinal);
        }
        Assert.Throws<StorageException>(() => SealingKey.FromFile(_directory.File("none")));
    }

    [Fact]
    public void A_file_that_others_may_read_is_refused()
    {
        foreach (var mode in (UnixFileMode[])[UnixFileMode.GroupRead, UnixFileMode.OtherRead, UnixFileMode.OtherWrite])
        {
            var refused = Assert.Throws<StorageException>(() => SealingKey.FromFile(Write(_key, UnixFileMode.UserRead | UnixFileMode.UserWrite | mode)));
            Assert.Contains("chmod 600", refused.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_made_file_is_its_owners_and_is_never_made_twice()
    {
        var path = _directory.File("new");
        var key = SealingKey.CreateFile(path, new SystemDraws());
        Assert.Equal(32, key.Length);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
        Assert.Equal(key, SealingKey.FromFile(path));
        Assert.Throws<StorageException>(() => SealingKey.CreateFile(path, new SystemDraws()));
        Assert.Equal(key, SealingKey.FromFile(path));
    }

    [Fact]
    public void A_key_is_read_from_the_environment()
    {
        Environment.SetEnvironmentVariable("HATCHERY_TEST_KEY", Convert.ToHexString(_key));
        Assert.Equal(_key, SealingKey.FromEnvironment("HATCHERY_TEST_KEY").Reveal().ToArray());
        Environment.SetEnvironmentVariable("HATCHERY_TEST_KEY", null);
        Assert.Throws<StorageException>(() => SealingKey.FromEnvironment("HATCHERY_TEST_KEY"));
    }

    [Fact]
    public async Task A_key_is_read_from_a_command()
    {
        Assert.Equal(_key, (await SealingKey.FromCommandAsync("echo", [Convert.ToHexString(_key)], Cancel)).Reveal().ToArray());
        await Assert.ThrowsAsync<StorageException>(() => SealingKey.FromCommandAsync("false", [], Cancel));
        await Assert.ThrowsAsync<StorageException>(() => SealingKey.FromCommandAsync("/nonexistent", [], Cancel));
        // Endless output is cut off, and the program with it.
        await Assert.ThrowsAsync<StorageException>(() => SealingKey.FromCommandAsync("yes", [], Cancel));
    }

    public void Dispose() => _directory.Dispose();
}
