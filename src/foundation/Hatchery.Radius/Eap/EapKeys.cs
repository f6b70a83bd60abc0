namespace Hatchery.Radius.Eap;

/// <summary>What a method exports when it has succeeded (RFC 5247 §1.4). Prints as nothing secret.</summary>
/// <param name="msk">At least 64 bytes (RFC 3748 §7.10); the authenticator gets the first 64.</param>
/// <param name="emsk">64 bytes; stays with peer and server.</param>
/// <param name="sessionId">Session-Id: the method's type and its Method-Id; public.</param>
public sealed class EapKeys(ReadOnlySpan<byte> msk, ReadOnlySpan<byte> emsk, ReadOnlySpan<byte> sessionId) : IDisposable
{
    public SecretBytes Msk { get; } = new(msk.Length >= 64 ? msk : throw new ArgumentException("An MSK has at least 64 bytes.", nameof(msk)));
    public SecretBytes Emsk { get; } = new(emsk);
    public ReadOnlyMemory<byte> SessionId { get; } = sessionId.ToArray();
    /// <summary>As the method defines them; empty where it has none.</summary>
    public string PeerId { get; init; } = "";
    /// <inheritdoc cref="PeerId"/>
    public string ServerId { get; init; } = "";

    public void Dispose()
    {
        Msk.Dispose();
        Emsk.Dispose();
    }
}
