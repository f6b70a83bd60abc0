using System.Text;
using Hatchery.EapNoob.Messages;

namespace Hatchery.EapNoob;

/// <summary>What the user carries (RFC 9140 §3.2.3): PeerId, Noob, Hoob. Prints as nothing secret.</summary>
/// <param name="noob">16 bytes, secret.</param>
/// <param name="hoob">16 bytes.</param>
public sealed class OobMessage(string peerId, ReadOnlySpan<byte> noob, ReadOnlySpan<byte> hoob)
{
    /// <summary>Of Noob, in bits.</summary>
    public const int EntropyBits = 128;

    public string PeerId => peerId;
    public SecretBytes Noob { get; } = new(noob);
    /// <summary>16 bytes.</summary>
    public ReadOnlyMemory<byte> Hoob { get; } = hoob.ToArray();

    /// <summary>ServerURL?P=…&amp;N=…&amp;H=… (RFC 9140 §3.2.3).</summary>
    /// <param name="serverUrl">Member ServerURL of ServerInfo; https, without a query of its own.</param>
    public SecretText ToUrl(string serverUrl) => new(serverUrl + "?" + Query());

    /// <summary>"P=…&amp;N=…&amp;H=…": where there is no URL to put in front.</summary>
    public SecretText ToQuery() => new(Query());

    private string Query() => $"P={Uri.EscapeDataString(PeerId)}&N={Base64Text.Encode(Noob.Reveal())}&H={Base64Text.Encode(Hoob.Span)}";

    /// <summary>For channels of bytes: length of PeerId (1), PeerId, Noob (16), Hoob (16). The RFC leaves this form open; it is ours.</summary>
    public byte[] ToBytes()
    {
        byte[] id = Encoding.UTF8.GetBytes(PeerId);
        return [(byte)id.Length, .. id, .. Noob.Reveal(), .. Hoob.Span];
    }

    /// <summary>From a URL or its query; parameters in any order, each once, others ignored.</summary>
    /// <exception cref="NoobException">1003.</exception>
    public static OobMessage Parse(string text)
    {
        int mark = text.IndexOf('?', StringComparison.Ordinal);
        string query = (mark < 0 ? text : text[(mark + 1)..]).Trim();
        int fragment = query.IndexOf('#', StringComparison.Ordinal);
        string? p = null, n = null, h = null;
        foreach (string pair in (fragment < 0 ? query : query[..fragment]).Split('&'))
        {
            if (pair.Length < 2 || pair[1] != '=')
                continue;
            ref string? into = ref p;
            switch (pair[0])
            {
                case 'P': break;
                case 'N': into = ref n; break;
                case 'H': into = ref h; break;
                default: continue;
            }
            if (into is not null)
                throw NoobException.Invalid(pair[..1], "it stands there twice.");
            into = Uri.UnescapeDataString(pair[2..]);
        }
        Span<byte> noob = stackalloc byte[16], hoob = stackalloc byte[16];
        if (p is null || p.Length == 0 || Encoding.UTF8.GetByteCount(p) > NoobLimits.PeerId)
            throw NoobException.Invalid("P", $"no PeerId of 1 to {NoobLimits.PeerId} bytes.");
        if (n is null || !Base64Text.TryDecode(n, noob))
            throw NoobException.Invalid("N", "no Noob of 16 bytes in base64url.");
        if (h is null || !Base64Text.TryDecode(h, hoob))
            throw NoobException.Invalid("H", "no Hoob of 16 bytes in base64url.");
        return new OobMessage(p, noob, hoob);
    }

    /// <exception cref="NoobException">1003.</exception>
    public static OobMessage Parse(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < 1 || bytes[0] is 0 or > NoobLimits.PeerId || bytes.Length != 1 + bytes[0] + 32 || !System.Text.Unicode.Utf8.IsValid(bytes.Slice(1, bytes[0])))
            throw NoobException.Invalid("OOB message", "not length, PeerId, Noob and Hoob.");
        int at = 1 + bytes[0];
        return new OobMessage(Encoding.UTF8.GetString(bytes[1..at]), bytes.Slice(at, 16), bytes.Slice(at + 16, 16));
    }

    public override string ToString() => $"OOB message for {PeerId}";
}
