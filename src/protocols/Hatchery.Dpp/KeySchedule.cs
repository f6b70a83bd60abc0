using System.Security.Cryptography;

namespace Hatchery.Dpp;

/// <summary>Every derivation of DPP, named as in the standard.</summary>
internal static class KeySchedule
{
    /// <summary>§6.3.2.</summary>
    public static byte[] K1(DppCurve curve, ReadOnlySpan<byte> mx) => curve.Hkdf([], "first intermediate key"u8, mx);

    /// <summary>§6.3.3.</summary>
    public static byte[] K2(DppCurve curve, ReadOnlySpan<byte> nx) => curve.Hkdf([], "second intermediate key"u8, nx);

    /// <summary>bk (§6.3.3); <paramref name="lx"/> empty without mutual authentication.</summary>
    public static byte[] Bk(DppCurve curve, ReadOnlySpan<byte> initiatorNonce, ReadOnlySpan<byte> responderNonce, ReadOnlySpan<byte> mx, ReadOnlySpan<byte> nx, ReadOnlySpan<byte> lx)
    {
        byte[] ikm = [.. mx, .. nx, .. lx], bk = new byte[curve.HashLength];
        HKDF.Extract(curve.Hash, ikm, [.. initiatorNonce, .. responderNonce], bk);
        CryptographicOperations.ZeroMemory(ikm);
        return bk;
    }

    public static byte[] Ke(DppCurve curve, byte[] bk) => Expand(curve, bk, "DPP Key"u8, curve.HashLength);

    /// <summary>cp: what the challengePassword of a CSR holds, in base64 (§6.4.5).</summary>
    public static byte[] CsrChallengePassword(DppCurve curve, byte[] bk) => Expand(curve, bk, "CSR challengePassword"u8, 64);

    /// <summary>Of a backup (§6.4.6).</summary>
    public static byte[] EnvelopedDataPassword(DppCurve curve, byte[] bk) => Expand(curve, bk, "Enveloped Data Password"u8, curve.HashLength);

    /// <summary>§6.4.7: proves to the Configurator that the new protocol key is of the device that it authenticated.</summary>
    public static byte[] NewKeyTag(DppCurve original, byte[] bk, ReadOnlySpan<byte> sx, ReadOnlyMemory<byte> enrolleeNonce, ReadOnlyMemory<byte> configuratorKey, ReadOnlyMemory<byte> enrolleeKey)
    {
        byte[] k = original.Hkdf(bk, "New DPP Protocol Key"u8, sx);
        byte[] tag = original.HmacOf(k, enrolleeNonce, X(configuratorKey), X(enrolleeKey));
        CryptographicOperations.ZeroMemory(k);
        return tag;
    }

    /// <param name="initiatorBootstrapping">Empty without mutual authentication. Points are uncompressed.</param>
    public static byte[] RAuth(DppCurve curve, ReadOnlyMemory<byte> initiatorNonce, ReadOnlyMemory<byte> responderNonce, ReadOnlyMemory<byte> initiatorKey, ReadOnlyMemory<byte> responderKey,
        ReadOnlyMemory<byte> initiatorBootstrapping, ReadOnlyMemory<byte> responderBootstrapping) =>
        curve.HashOf(initiatorNonce, responderNonce, X(initiatorKey), X(responderKey), X(initiatorBootstrapping), X(responderBootstrapping), s_zero);

    public static byte[] IAuth(DppCurve curve, ReadOnlyMemory<byte> initiatorNonce, ReadOnlyMemory<byte> responderNonce, ReadOnlyMemory<byte> initiatorKey, ReadOnlyMemory<byte> responderKey,
        ReadOnlyMemory<byte> initiatorBootstrapping, ReadOnlyMemory<byte> responderBootstrapping) =>
        curve.HashOf(responderNonce, initiatorNonce, X(responderKey), X(initiatorKey), X(responderBootstrapping), X(initiatorBootstrapping), s_one);

    /// <summary>§6.5: from the Connectors' keys and the Enrollee's fresh one.</summary>
    public static byte[] ReconfigKe(DppCurve curve, ReadOnlySpan<byte> configuratorNonce, ReadOnlySpan<byte> enrolleeNonce, ReadOnlySpan<byte> mx) =>
        curve.Hkdf([.. configuratorNonce, .. enrolleeNonce], "dpp reconfig key"u8, mx);

    /// <summary>§6.6.2.</summary>
    public static byte[] Pmk(DppCurve curve, ReadOnlySpan<byte> nx) => curve.Hkdf([], "DPP PMK"u8, nx);

    /// <summary>16 bytes (§6.6.2). Points are uncompressed.</summary>
    public static byte[] PmkId(ReadOnlySpan<byte> own, ReadOnlySpan<byte> peer)
    {
        int width = own.Length / 2;
        var a = own.Slice(1, width);
        var b = peer.Slice(1, width);
        return SHA256.HashData((ReadOnlySpan<byte>)(a.SequenceCompareTo(b) < 0 ? [.. a, .. b] : [.. b, .. a]))[..16];
    }

    private static readonly byte[] s_zero = [0], s_one = [1];

    /// <summary>x of an uncompressed point.</summary>
    internal static ReadOnlyMemory<byte> X(ReadOnlyMemory<byte> point) => point.IsEmpty ? point : point.Slice(1, point.Length / 2);

    private static byte[] Expand(DppCurve curve, byte[] bk, ReadOnlySpan<byte> info, int length)
    {
        byte[] okm = new byte[length];
        HKDF.Expand(curve.Hash, bk, okm, info);
        return okm;
    }
}
