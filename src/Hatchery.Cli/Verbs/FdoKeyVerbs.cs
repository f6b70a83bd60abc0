using System.CommandLine;
using System.Security.Cryptography;
using Hatchery.Cryptography;
using Hatchery.Fdo;
using Hatchery.Server;

namespace Hatchery.Cli.Verbs;

/// <summary>hatchery fdo key …: keys of manufacturers, resellers and owners, as PEM files.</summary>
internal static class FdoKeyVerbs
{
    public static Command Make()
    {
        var curve = new Option<string>("--curve") { Description = "p256 or p384; all keys of one voucher have the same.", DefaultValueFactory = _ => "p256" };
        curve.AcceptOnlyFromAmong("p256", "p384");
        var file = new Argument<FileInfo>("FILE") { Description = "Where the private key goes (PEM, PKCS#8, mode 0600)." };
        var create = new Command("new", "Makes a key pair, and prints the public key that a seller needs.") { file, curve };
        create.SetAction(result =>
        {
            using var key = ECDsa.Create(result.GetValue(curve) == "p384" ? ECCurve.NamedCurves.nistP384 : ECCurve.NamedCurves.nistP256);
            KeyFiles.WritePrivate(result.GetRequiredValue(file).FullName, key);
            Console.Write(key.ExportSubjectPublicKeyInfoPem() + "\n");
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
    public static ECDsa ReadPrivate(string path)
    {
        string pem = File.ReadAllText(path);
        foreach (string label in new[] { "PRIVATE KEY", "EC PRIVATE KEY" })
        {
            if (Block(pem, label) is not { } der)
                continue;
            using var read = ECDsa.Create();
            if (label == "PRIVATE KEY")
                read.ImportPkcs8PrivateKey(der, out _);
            else
                read.ImportECPrivateKey(der, out _);
            return SigningKeys.ImportPrivate(read.ExportPkcs8PrivateKey());
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
            throw new CommandException($"{path}: the key is not on P-256 or P-384.");
        }
        using var key = ReadPrivate(path);
        return FdoPublicKey.From(key);
    }

    public static void WritePrivate(string path, ECDsa key)
    {
        using var file = PrivateFile.Create(path);
        using var text = new StreamWriter(file);
        text.Write(key.ExportPkcs8PrivateKeyPem() + "\n");
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
