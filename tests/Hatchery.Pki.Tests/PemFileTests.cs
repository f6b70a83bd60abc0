using CsCheck;

namespace Hatchery.Pki.Tests;

public sealed class PemFileTests
{
    private const string Voucher = "OWNERSHIP VOUCHER";

    [Fact]
    public void What_is_written_is_read()
    {
        Gen.Byte.Array[1, 500].Sample(bytes =>
        {
            string text = PemFile.Write(Voucher, bytes);
            Assert.StartsWith("-----BEGIN OWNERSHIP VOUCHER-----\n", text, StringComparison.Ordinal);
            Assert.EndsWith("\n-----END OWNERSHIP VOUCHER-----\n", text, StringComparison.Ordinal);
            Assert.Equal(bytes, PemFile.Read(text, Voucher));
            Assert.Equal(bytes, PemFile.Read("a note\r\n" + text.Replace("\n", "\r\n", StringComparison.Ordinal) + PemFile.Write("OTHER", [1]), Voucher));
        }, iter: 200, threads: 1);
        Assert.Equal([[1], [2]], PemFile.ReadAll(PemFile.Write("A", [1]) + PemFile.Write("B", [3]) + PemFile.Write("A", [2]), "A"));
        Assert.Empty(PemFile.ReadAll("", "A"));
    }

    [Theory]
    [InlineData("", "no block A")]
    [InlineData("-----BEGIN B-----\nAQ==\n-----END B-----\n", "no block A")]
    [InlineData("-----BEGIN A-----\nAQ==\n-----END A-----\n-----BEGIN A-----\nAQ==\n-----END A-----\n", "2 blocks A")]
    [InlineData("x\n-----BEGIN A-----\nAQ==\n", "line 2")]
    [InlineData("-----BEGIN A-----\nAQ==\n-----END B-----\n", "line 3")]
    [InlineData("-----BEGIN A-----\nAQ==\n-----BEGIN B-----\n", "line 3")]
    [InlineData("-----END A-----\n", "line 1")]
    [InlineData("-----BEGIN A-----\nDEK-Info: x\nAQ==\n-----END A-----\n", "line 2")]
    [InlineData("-----BEGIN A-----\nA*==\n-----END A-----\n", "line 2")]
    [InlineData("-----BEGIN A-----\nAQ=\n-----END A-----\n", "line 1")]
    [InlineData("-----BEGIN A-----\n-----END A-----\n", "empty")]
    public void What_is_broken_is_named(string text, string says) =>
        Assert.Contains(says, Assert.Throws<PkiException>(() => PemFile.Read(text, "A")).Message, StringComparison.Ordinal);

    [Fact]
    public void Any_text_is_read_or_refused()
    {
        byte[] good = System.Text.Encoding.ASCII.GetBytes(PemFile.Write("A", new byte[100]));
        Mutate.Bytes(good).Sample(text =>
        {
            try
            {
                PemFile.Read(System.Text.Encoding.Latin1.GetString(text), "A");
            }
            catch (PkiException)
            {
                // Declared.
            }
        }, iter: 3000, threads: 1);
    }
}
