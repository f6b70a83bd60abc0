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

    public WitnessKey(ReadOnlySpan<byte> key)
    {
        if (key.Length != 32)
            throw new ArgumentException("A witness key has 32 bytes.", nameof(key));
        _key = key.ToArray();
    }

    /// <summary>16 hex digits of HMAC-SHA256 over the label, a zero byte and the value.</summary>
    public string Fingerprint(string label, ReadOnlySpan<byte> value)
    {
        int labelBytes = System.Text.Encoding.UTF8.GetMaxByteCount(label.Length);
        int size = labelBytes + 1 + value.Length;
        byte[]? rented = size > 1024 ? System.Buffers.ArrayPool<byte>.Shared.Rent(size) : null;
        Span<byte> buffer = rented ?? stackalloc byte[1024];
        int n = System.Text.Encoding.UTF8.GetBytes(label, buffer);
        buffer[n++] = 0;
        value.CopyTo(buffer[n..]);
        Span<byte> mac = stackalloc byte[32];
        HMACSHA256.HashData(_key, buffer[..(n + value.Length)], mac);
        CryptographicOperations.ZeroMemory(buffer[..(n + value.Length)]);
        if (rented is not null)
            System.Buffers.ArrayPool<byte>.Shared.Return(rented);
        return Convert.ToHexStringLower(mac[..8]);
    }

    public override string ToString() => "[witness key]";
}
