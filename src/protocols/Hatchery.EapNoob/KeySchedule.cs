using System.Buffers.Binary;
using System.Security.Cryptography;
using Hatchery.EapNoob.Messages;
using Hatchery.Radius.Eap;

namespace Hatchery.EapNoob;

/// <summary>The output of the KDF (RFC 9140 §3.5, table 8). Zeroed on dispose.</summary>
public sealed class NoobKeys : IDisposable
{
    private readonly byte[] _block;

    internal NoobKeys(byte[] block) => _block = block;

    /// <summary>64 bytes.</summary>
    public ReadOnlySpan<byte> Msk => _block.AsSpan(0, 64);
    /// <summary>64 bytes.</summary>
    public ReadOnlySpan<byte> Emsk => _block.AsSpan(64, 64);
    /// <summary>64 bytes, for the application.</summary>
    public ReadOnlySpan<byte> Amsk => _block.AsSpan(128, 64);
    /// <summary>32 bytes; public.</summary>
    public ReadOnlySpan<byte> MethodId => _block.AsSpan(192, 32);
    /// <summary>32 bytes: Kms or Kms2.</summary>
    public ReadOnlySpan<byte> Kms => _block.AsSpan(224, 32);
    /// <summary>32 bytes: Kmp or Kmp2.</summary>
    public ReadOnlySpan<byte> Kmp => _block.AsSpan(256, 32);
    /// <summary>32 bytes; made in KeyingModes 0 and 3, in others only for a variant that replaces Kz each time.</summary>
    public ReadOnlySpan<byte> Kz => _block.AsSpan(288, 32);

    internal ReadOnlySpan<byte> Block => _block;

    /// <summary>Session-Id is the method's type and MethodId (RFC 9140 §6.1).</summary>
    public EapKeys ToEap(string peerId)
    {
        Span<byte> sessionId = stackalloc byte[33];
        sessionId[0] = NoobEap.Type;
        MethodId.CopyTo(sessionId[1..]);
        return new EapKeys(Msk, Emsk, sessionId) { PeerId = peerId };
    }

    public void Dispose() => CryptographicOperations.ZeroMemory(_block);
}

public static class KeySchedule
{
    /// <summary>The one-step KDF of SP 800-56A §5.8.2.1 with SHA-256 (RFC 9140 §3.5).</summary>
    /// <param name="z">The shared secret; in KeyingMode 1 Kz.</param>
    /// <param name="np">PartyUInfo: the peer's nonce, 32 bytes.</param>
    /// <param name="ns">PartyVInfo: the server's nonce, 32 bytes.</param>
    /// <param name="suppPrivInfo">Noob (16 bytes) in KeyingMode 0, Kz (32) in 2 and 3, nothing in 1.</param>
    /// <param name="datalength">As <see cref="NoobVariant.Datalength"/>.</param>
    public static NoobKeys Derive(ReadOnlySpan<byte> z, ReadOnlySpan<byte> np, ReadOnlySpan<byte> ns, ReadOnlySpan<byte> suppPrivInfo, bool datalength)
    {
        var block = new byte[320];
        Span<byte> input = stackalloc byte[4 + 32 + 8 + 32 + 32 + 1 + 32];
        int at = 4;
        Append(z, input, ref at);
        Append("EAP-NOOB"u8, input, ref at);
        Append(np, input, ref at);
        Append(ns, input, ref at);
        if (datalength)
            input[at++] = (byte)suppPrivInfo.Length;
        Append(suppPrivInfo, input, ref at);
        for (int counter = 1; counter <= 10; counter++)
        {
            BinaryPrimitives.WriteInt32BigEndian(input, counter);
            SHA256.HashData(input[..at], block.AsSpan((counter - 1) * 32));
        }
        CryptographicOperations.ZeroMemory(input);
        return new NoobKeys(block);
    }

    private static void Append(ReadOnlySpan<byte> value, Span<byte> input, ref int at)
    {
        value.CopyTo(input[at..]);
        at += value.Length;
    }

    /// <summary>As <see cref="Derive"/>, for a Reconnect Exchange.</summary>
    /// <param name="z">Null in KeyingMode 1.</param>
    internal static NoobKeys Reconnect(byte[]? z, ReadOnlySpan<byte> np2, ReadOnlySpan<byte> ns2, SecretBytes kz, bool datalength) =>
        z is null ? Derive(kz.Reveal(), np2, ns2, default, datalength) : Derive(z, np2, ns2, kz.Reveal(), datalength);
}

/// <summary>The JSON array that Hoob and the MACs are computed over (RFC 9140 §3.3.2): 17 elements, of which all but the first and the last are the same for all of an exchange's hashes.</summary>
public static class HashInput
{
    private static ReadOnlySpan<byte> Empty => "\"\""u8;

    /// <summary>Elements 2 to 16 of an Initial Exchange's array, with the commas between them.</summary>
    /// <param name="nai">As <see cref="InitialNai"/>.</param>
    internal static byte[] Initial(MemberTable request2, MemberTable response2, MemberTable request3, MemberTable response3, string nai) => Join(
        request2.Slice(Member.Vers), response2.Slice(Member.Verp), request2.Slice(Member.PeerId), request2.Slice(Member.Cryptosuites), request2.Slice(Member.Dirs),
        request2.Slice(Member.ServerInfo), response2.Slice(Member.Cryptosuitep), response2.Slice(Member.Dirp), Quoted(nai), response2.Slice(Member.PeerInfo), "0"u8.ToArray(),
        request3.Slice(Member.PKs), request3.Slice(Member.Ns), response3.Slice(Member.PKp), response3.Slice(Member.Np));

    /// <summary>Elements 2 to 16 of a Reconnect Exchange's array.</summary>
    internal static byte[] Reconnect(MemberTable request7, MemberTable response7, MemberTable request8, MemberTable response8, string nai) => Join(
        request7.Slice(Member.Vers), response7.Slice(Member.Verp), request7.Slice(Member.PeerId), request7.Slice(Member.Cryptosuites), default,
        request7.Slice(Member.ServerInfo), response7.Slice(Member.Cryptosuitep), default, Quoted(nai), response7.Slice(Member.PeerInfo), request8.Slice(Member.KeyingMode),
        request8.Slice(Member.PKs2), request8.Slice(Member.Ns2), response8.Slice(Member.PKp2), response8.Slice(Member.Np2));

    private static byte[] Quoted(string nai) =>
        [(byte)'"', .. System.Text.Json.JsonEncodedText.Encode(nai, System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping).EncodedUtf8Bytes, (byte)'"'];

    private static byte[] Join(params ReadOnlySpan<ReadOnlyMemory<byte>> elements)
    {
        int length = elements.Length - 1;
        foreach (var element in elements)
            length += element.IsEmpty ? 2 : element.Length;
        var joined = new byte[length];
        int at = 0;
        for (int i = 0; i < elements.Length; i++)
        {
            if (i > 0)
                joined[at++] = (byte)',';
            var element = elements[i].IsEmpty ? Empty : elements[i].Span;
            element.CopyTo(joined.AsSpan(at));
            at += element.Length;
        }
        return joined;
    }

    /// <summary>Element 10 of an Initial Exchange.</summary>
    /// <param name="used">As it stood in EAP-Response/Identity.</param>
    public static string InitialNai(NoobVariant variant, string? newNai, string used) => variant.NaiElement switch
    {
        NaiElement.NewNaiOnly => newNai ?? "",
        NaiElement.Realm => variant.RealmMember && newNai is not null ? newNai : RealmOf(newNai ?? used, variant),
        _ => newNai ?? used,
    };

    /// <summary>Element 10 of a Reconnect Exchange.</summary>
    /// <param name="stored">Of the persistent association.</param>
    public static string ReconnectNai(NoobVariant variant, string? newNai, string stored) => variant.NaiElement switch
    {
        NaiElement.NewNaiOnly => "",
        NaiElement.Realm => variant.RealmMember && newNai is not null ? newNai : RealmOf(newNai ?? stored, variant),
        _ => newNai ?? stored,
    };

    private static string RealmOf(string nai, NoobVariant variant)
    {
        int at = nai.LastIndexOf('@');
        return at < 0 ? variant.DefaultRealm : nai[(at + 1)..];
    }

    /// <summary>The whole array.</summary>
    /// <param name="first">1 or 2.</param>
    /// <param name="noob">16 bytes; empty in a Reconnect Exchange.</param>
    internal static byte[] Array(int first, ReadOnlySpan<byte> middle, ReadOnlySpan<byte> noob)
    {
        byte[] last = noob.IsEmpty ? [] : System.Text.Encoding.ASCII.GetBytes(Base64Text.Encode(noob));
        return [(byte)'[', (byte)('0' + first), (byte)',', .. middle, (byte)',', (byte)'"', .. last, (byte)'"', (byte)']'];
    }

    /// <summary>Hoob, 16 bytes: the fingerprint in the OOB message.</summary>
    /// <param name="direction">The one that the message really goes.</param>
    internal static byte[] Hoob(OobDirections direction, ReadOnlySpan<byte> middle, ReadOnlySpan<byte> noob) => SHA256.HashData(Array((int)direction, middle, noob))[..16];

    /// <summary>MACs or MACs2, 32 bytes.</summary>
    internal static byte[] Macs(NoobKeys keys, ReadOnlySpan<byte> middle, ReadOnlySpan<byte> noob) => HMACSHA256.HashData(keys.Kms, Array(2, middle, noob));

    /// <summary>MACp or MACp2, 32 bytes.</summary>
    internal static byte[] Macp(NoobKeys keys, ReadOnlySpan<byte> middle, ReadOnlySpan<byte> noob) => HMACSHA256.HashData(keys.Kmp, Array(1, middle, noob));

    /// <summary>NoobId, 16 bytes, in one of the forms in use.</summary>
    public static byte[] NoobId(ReadOnlySpan<byte> noob, NoobIdForm form)
    {
        string text = Base64Text.Encode(noob);
        return SHA256.HashData(System.Text.Encoding.ASCII.GetBytes(form switch
        {
            NoobIdForm.Concat => "NoobId" + text,
            NoobIdForm.JsonUnquoted => $"[\"NoobId\",{text}]",
            _ => $"[\"NoobId\",\"{text}\"]",
        }))[..16];
    }

    /// <summary>Which form of NoobId this is; null: it is not of this Noob.</summary>
    internal static NoobIdForm? FormOf(ReadOnlySpan<byte> noobId, ReadOnlySpan<byte> noob)
    {
        foreach (var form in new[] { NoobIdForm.JsonArray, NoobIdForm.Concat, NoobIdForm.JsonUnquoted })
            if (CryptographicOperations.FixedTimeEquals(NoobId(noob, form), noobId))
                return form;
        return null;
    }
}
