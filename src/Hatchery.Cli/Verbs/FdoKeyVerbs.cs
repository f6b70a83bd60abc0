using System.CommandLine;
using System.Security.Cryptography;
using Hatchery.Fdo;
using Hatchery.Server;

namespace Hatchery.Cli.Verbs;

/// <summary>hatchery fdo key …: keys of manufacturers, resellers and owners, as PEM files.</summary>
internal static class FdoKeyVerbs
{
    public static Command Make()
    {
        var curve = new Option<string>("--curve") { Description = "p256, p384, rsa2048 or rsa3072; all keys of one voucher are of the same kind.", DefaultValueFactory = _ => "p256" };
        curve.AcceptOnlyFromAmong("p256", "p384", "rsa2048", "rsa3072");
        var file = new Argument<FileInfo>("FILE") { Description = "Where the private key goes (PEM, PKCS#8, mode 0600)." };
        var create = new Command("new", "Makes a key pair, and prints the public key that a seller needs.") { file, curve };
        create.SetAction(result =>
        {
            using var key = FdoKeys.New(result.GetRequiredValue(curve));
            KeyFiles.WritePrivate(result.GetRequiredValue(file).FullName, key);
            Console.Write(PemEncoding.WriteString("PUBLIC KEY", key.SubjectPublicKeyInfo.Span) + "\n");
            return 0;
        });
        var show = new Command("show", "Prints the public key of a key file, and its fingerprint (SHA-256 of the SubjectPublicKeyInfo).") { file };
        show.SetAction(result =>
        {
            var key = KeyFiles.ReadPublic(result.GetRequiredValue(file).FullName);
            Console.WriteLine($"{key.Type}  {key.Fingerprint}");
            Console.Write(PemEncoding.WriteString("PUBLIC KEY", key.SubjectPublicKeyInfo.Span) + "\n");
            return 0;
        });
        return new Command("key", "Keys of manufacturers, resellers and owners.") { create, show };
    }
}

/// <summary>Keys in PEM files.</summary>
internal static class KeyFiles
{
    public static FdoPrivateKey ReadPrivate(string path, PublicKeyType? rsaType = null)
    {
        string pem = File.ReadAllText(path);
        try
        {
            if (Block(pem, "PRIVATE KEY") is { } pkcs8)
                return FdoPrivateKey.Import(pkcs8, rsaType);
            if (Block(pem, "EC PRIVATE KEY") is { } ec)
            {
                using var read = ECDsa.Create();
                read.ImportECPrivateKey(ec, out _);
                return FdoPrivateKey.Import(read.ExportPkcs8PrivateKey());
            }
        }
        catch (CryptographicException e)
        {
            throw new CommandException($"{path}: {e.Message}");
        }
        throw new CommandException($"{path} holds no private key in PEM form.");
    }

    /// <summary>A PUBLIC KEY, a CERTIFICATE chain (leaf first), or the public half of a private key.</summary>
    public static FdoPublicKey ReadPublic(string path)
    {
        string pem = File.ReadAllText(path);
        try
        {
            if (Block(pem, "PUBLIC KEY") is { } spki)
                return FdoPublicKey.FromSubjectPublicKeyInfo(spki);
            if (Block(pem, "CERTIFICATE") is not null)
                return FdoPublicKey.FromChain([.. Blocks(pem, "CERTIFICATE").Select(c => (ReadOnlyMemory<byte>)c)]);
        }
        catch (ArgumentException)
        {
            throw new CommandException($"{path}: the key is neither on P-256 or P-384 nor RSA of 2048 or 3072 bits.");
        }
        using var key = ReadPrivate(path);
        return FdoPublicKey.From(key);
    }

    public static void WritePrivate(string path, FdoPrivateKey key)
    {
        byte[] pkcs8 = key.ExportPkcs8();
        using var file = PrivateFile.Create(path);
        using var text = new StreamWriter(file);
        text.Write(PemEncoding.WriteString("PRIVATE KEY", pkcs8) + "\n");
        CryptographicOperations.ZeroMemory(pkcs8);
    }

    private static byte[]? Block(string pem, string label) => Blocks(pem, label).FirstOrDefault();

    private static List<byte[]> Blocks(string pem, string label)
    {
        var found = new List<byte[]>();
        var rest = pem.AsSpan();
        while (PemEncoding.TryFind(rest, out var block))
        {
            if (rest[block.Label].SequenceEqual(label))
                found.Add(Convert.FromBase64String(rest[block.Base64Data].ToString()));
            rest = rest[block.Location.End..];
        }
        return found;
    }
}
