using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Hatchery.Cryptography;

/// <summary>An EVP_PKEY. Safe to share for reading.</summary>
internal sealed class EvpKey : SafeHandle
{
    public EvpKey() : base(0, true) { }

    public EvpKey(nint key) : this() => SetHandle(key);

    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle()
    {
        LibCrypto.EVP_PKEY_free(handle);
        return true;
    }
}

/// <summary>An EVP_PKEY_CTX: one thread at a time.</summary>
internal sealed class EvpContext : SafeHandle
{
    public EvpContext() : base(0, true) { }

    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle()
    {
        LibCrypto.EVP_PKEY_CTX_free(handle);
        return true;
    }
}

/// <summary>Keeps a few native objects that are dear to make and belong to one thread at a time. What does not fit is freed.</summary>
internal sealed class HandlePool<T>(Func<T> make) : IDisposable where T : SafeHandle
{
    private readonly T?[] _kept = new T?[Math.Clamp(Environment.ProcessorCount, 2, 16)];
    private volatile bool _disposed;

    /// <exception cref="CryptographicException">None could be made.</exception>
    public T Rent()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        for (int i = 0; i < _kept.Length; i++)
        {
            if (_kept[i] is not null && Interlocked.Exchange(ref _kept[i], null) is { } kept)
                return kept;
        }
        return make();
    }

    public void Return(T item)
    {
        for (int i = 0; i < _kept.Length && !_disposed; i++)
        {
            if (_kept[i] is null && Interlocked.CompareExchange(ref _kept[i], item, null) is null)
            {
                if (_disposed)
                    Dispose();
                return;
            }
        }
        item.Dispose();
    }

    public void Dispose()
    {
        _disposed = true;
        for (int i = 0; i < _kept.Length; i++)
            Interlocked.Exchange(ref _kept[i], null)?.Dispose();
    }
}
