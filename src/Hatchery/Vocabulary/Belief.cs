using System.Security.Cryptography;

namespace Hatchery;

public enum BeliefKind { Identifier, SymmetricSecret, KeyPair, Certificate, TrustAnchor, OwnerCredential, ServiceEndpoint, NetworkParameters, AccessPolicy, Software }

/// <summary>What an item is about; the rules for network-, infrastructure- and service-centric read this.</summary>
public enum About { Device, Network, Domain, Service, Owner, Peer }

/// <summary>Who imparted an item. Never declared: taken from the input that caused the save.</summary>
public enum Origin { Factory, User, Protocol }

/// <summary>One item that a device holds.</summary>
/// <param name="Fingerprint">16 hex digits of an HMAC-SHA256 under a key of this run or installation (<see cref="WitnessKey"/>): a bare hash of a PIN is the PIN.</param>
/// <param name="SecretBits">Entropy in bits, for a secret; null for what is no secret.</param>
public sealed record Belief(string Item, BeliefKind Kind, About About, Origin ImpartedBy, string Fingerprint, int? SecretBits);

public enum Change { Added, Replaced, Removed }

public sealed record BeliefChange(Change Change, Belief Belief);

/// <summary>The key under which correlators, digests and beliefs are fingerprinted; 32 bytes. Processes that are to be read together share one.</summary>
public sealed class WitnessKey
{
    private readonly byte[] _key;
    /// <summary>The thread's, with the key that it was set up with: setting one up costs more than using it.</summary>
    [ThreadStatic]
    private static (byte[] Key, IncrementalHash Mac)? s_kept;

    public WitnessKey(ReadOnlySpan<byte> key)
    {
        if (key.Length != 32)
            throw new ArgumentException("A witness key has 32 bytes.", nameof(key));
        _key = key.ToArray();
    }

    /// <summary>16 hex digits of HMAC-SHA256 over the label, a zero byte and the value.</summary>
    public string Fingerprint(string label, ReadOnlySpan<byte> value)
    {
        if (s_kept is not { } kept || kept.Key != _key)
        {
            s_kept?.Mac.Dispose();
            s_kept = kept = (_key, IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, _key));
        }
        int size = System.Text.Encoding.UTF8.GetMaxByteCount(label.Length) + 1;
        Span<byte> head = size <= 256 ? stackalloc byte[256] : new byte[size];
        int n = System.Text.Encoding.UTF8.GetBytes(label, head);
        head[n++] = 0;
        Span<byte> mac = stackalloc byte[32];
        kept.Mac.AppendData(head[..n]);
        kept.Mac.AppendData(value);
        kept.Mac.GetHashAndReset(mac);
        return Convert.ToHexStringLower(mac[..8]);
    }

    public override string ToString() => "[witness key]";
}
