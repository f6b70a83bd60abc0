using System.Security.Cryptography;
using Hatchery.Cryptography;

namespace Hatchery.Simulation;

/// <summary>A vector and the code differ in what they draw or sign.</summary>
public sealed class RecordedChanceException(string use, string sentence) : Exception($"{use}: {sentence}")
{
    public string Use => use;
}

/// <summary>Randomness from a vector: values by name, each name in the order of its draws. RSA keys sign as they are: PKCS #1 v1.5 repeats by itself.</summary>
public sealed class RecordedChance : Chance
{
    private readonly Dictionary<string, Queue<byte[]>> _values = [];

    /// <param name="values">For <see cref="Fill"/> the bytes; for keys the private scalar, big endian, of the curve's width; for signatures r and s, each of the curve's width.</param>
    public RecordedChance Add(string use, params ReadOnlySpan<byte[]> values)
    {
        if (!_values.TryGetValue(use, out var queue))
            _values.Add(use, queue = new());
        foreach (var value in values)
            queue.Enqueue(value);
        return this;
    }

    public override void Fill(Span<byte> destination, string use)
    {
        var value = Take(use);
        if (value.Length != destination.Length)
            throw new RecordedChanceException(use, $"{destination.Length} bytes were drawn; the vector has {value.Length}.");
        value.CopyTo(destination);
    }

    public override AgreementKey NewAgreementKey(ECCurve curve, string use)
    {
        if (X25519Agreement.IsCurve(curve))
            return X25519Agreement.FromPrivate(Take(use));
        var key = EcAgreement.FromPrivate(curve, TakeScalar(curve, use));
        OperationMeter.Count("generate " + NamedCurve.Of(curve).Name);
        return key;
    }

    public override ECDsa NewSigningKey(ECCurve curve, string use)
    {
        var key = ECDsa.Create(new ECParameters { Curve = curve, D = TakeScalar(curve, use) });
        OperationMeter.Count("generate " + NamedCurve.Of(curve).Name);
        return key;
    }

    /// <summary>The key's public half is enough: the recorded signature is verified over exactly the hash to be signed, and returned.</summary>
    public override ECDsa Signer(ECDsa key, string use) => new RecordedEcdsa(key.ExportParameters(false), () => Take(use), use);

    /// <summary>Throws if something of the vector was not drawn.</summary>
    public void AssertUsed()
    {
        foreach (var (use, queue) in _values)
            if (queue.Count > 0)
                throw new RecordedChanceException(use, $"{queue.Count} recorded values were not drawn.");
    }

    private byte[] TakeScalar(ECCurve curve, string use)
    {
        var scalar = Take(use);
        int width = NamedCurve.Of(curve).Width;
        return scalar.Length == width ? scalar : throw new RecordedChanceException(use, $"The private scalar has {scalar.Length} bytes; the curve has {width}.");
    }

    private byte[] Take(string use) => _values.TryGetValue(use, out var queue)
        ? queue.TryDequeue(out var value) ? value : throw new RecordedChanceException(use, "More was drawn than the vector has.")
        : throw new RecordedChanceException(use, "The vector has no value of this name.");

    private sealed class RecordedEcdsa(ECParameters parameters, Func<byte[]> take, string use) : DerivedEcdsa(parameters)
    {
        private protected override byte[] Sign(byte[] hash)
        {
            var signature = take();
            return IsValid(hash, signature) ? signature
                : throw new RecordedChanceException(use, $"The recorded signature is not one over what is to be signed (hash {Convert.ToHexStringLower(hash)}).");
        }
    }
}
