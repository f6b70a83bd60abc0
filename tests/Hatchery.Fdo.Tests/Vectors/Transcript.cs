using System.Text.Json;

namespace Hatchery.Fdo.Tests;

/// <summary>A recorded run of another implementation, device and servers.</summary>
public sealed class Transcript
{
    private readonly JsonElement _root;

    private Transcript(string name)
    {
        Name = name;
        using var document = JsonDocument.Parse(File.ReadAllBytes(VectorPath(name + ".json")));
        _root = document.RootElement.Clone();
        Messages = [.. _root.GetProperty("messages").EnumerateArray().Select(m => new RecordedMessage(m.GetProperty("type").GetInt32(),
            Hex(m, "body")!, Hex(m, "plaintext"), m.GetProperty("direction").GetString() == "to-server"))];
    }

    public static readonly string[] WithGcm =
        ["p256-x509-ecdh256-a128gcm-reuse", "p256-x509-ecdh256-a256gcm-2hops", "p256-x5chain-ecdh256-a128gcm", "p384-x509-ecdh384-a256gcm"];

    public static readonly string[] WithRsa = ["rsa2048restr-x509-asymkex2048-a128gcm", "rsa2048restr-x509-dhkexid14-a128gcm", "rsapkcs3072-x509-dhkexid15-a256gcm", "rsapss3072-x509-asymkex3072-a256gcm"];
    /// <summary>In go-fdo's reading of encrypt-then-MAC.</summary>
    public static readonly string[] WithMac = ["p256-cose-ecdh256-aes128cbc", "p384-cose-ecdh384-aes256ctr", "p256-x509-ecdh256-aes128ctr", "p384-x509-ecdh384-aes256cbc"];

    public static TheoryData<string> Gcm => [.. WithGcm, .. WithRsa];
    public static TheoryData<string> Mac => [.. WithMac];
    public static TheoryData<string> All => [.. WithGcm, .. WithRsa, .. WithMac];

    public static Transcript Read(string name) => new(name);
    public static string VectorPath(string file) => Path.Combine(AppContext.BaseDirectory, "Vectors", file);

    public string Name { get; }
    public IReadOnlyList<RecordedMessage> Messages { get; }
    public bool IsGcm => CipherSuiteNumber is 1 or 3;
    public int CipherSuiteNumber => _root.GetProperty("cipher_suite").GetInt32();
    /// <summary>The session's keys as the recorded run had them.</summary>
    public SessionKeys SessionKeys(int side) => IsGcm ? CipherSuite.Require(CipherSuiteNumber).Restore(new SecretBytes(Exchange(side, "sek")))
        : CipherSuite.Require(CipherSuiteNumber).Restore(new SecretBytes([(byte)EncryptThenMacProfile.GoFdo, .. Exchange(side, "sek"), .. Exchange(side, "svk")]));
    public FdoPrivateKey Signing(string name) => FdoPrivateKey.Import(Key(name), KeyType);
    public PublicKeyType KeyType => (PublicKeyType)_root.GetProperty("key_type").GetInt32();
    public string KexSuite => _root.GetProperty("kex_suite").GetString()!;
    public bool IsReuse => _root.TryGetProperty("credential_reuse", out var reuse) && reuse.GetBoolean();
    public byte[] Key(string name) => Hex(_root.GetProperty("keys"), name)!;
    public bool HasKey(string name) => _root.GetProperty("keys").TryGetProperty(name, out _);
    public byte[]? Bytes(string name) => Hex(_root, name);
    /// <param name="side">0: device, 1: owner.</param>
    public bool HasExchange(int side, string name) => _root.GetProperty("key_exchange")[side].TryGetProperty(name, out _);
    public byte[] Exchange(int side, string name) => Hex(_root.GetProperty("key_exchange")[side], name)!;

    public RecordedMessage First(int type) => Messages.First(m => m.Type == type);
    public T Parse<T>(int type) where T : FdoMessage => (T)FdoCodec.Parse(type, First(type).Body);

    private static byte[]? Hex(JsonElement at, string name) =>
        at.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? Convert.FromHexString(value.GetString()!) : null;
}

public sealed record RecordedMessage(int Type, byte[] Body, byte[]? Plaintext, bool IsUp);
