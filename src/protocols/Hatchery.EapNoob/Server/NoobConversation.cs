using System.Security.Cryptography;
using System.Text;
using Hatchery.EapNoob.Messages;
using Hatchery.Radius.Eap;

namespace Hatchery.EapNoob.Server;

/// <summary>A persistent association as a Reconnect Exchange found it; it must still be that one when the exchange ends.</summary>
internal sealed record KnownAssociation(long Version, int Cryptosuitep, string Nai, SecretBytes Kz);

/// <summary>What the server keeps between two messages of one conversation.</summary>
internal sealed class NoobConversation : IEapServerState
{
    /// <summary>Type of the request that is open; 0: an error, whose answer ends the conversation.</summary>
    public int Open;
    public string PeerId = "";
    public NoobMessage? Request2, Response2, Request3, Request7, Response7, Request8;
    /// <summary>Our ECDHE key: itself while the conversation stays in this process, its scalar where it was read back.</summary>
    private AgreementKey? _key;
    private SecretBytes? _scalar;
    /// <summary>In a Reconnect Exchange.</summary>
    public KnownAssociation? Known;
    /// <summary>Of the OOB message that the Completion Exchange goes by.</summary>
    public SecretBytes? Noob;
    public NoobIdForm NoobIdForm;
    /// <summary>Of the keys; null: none yet.</summary>
    public SecretBytes? Block;
    /// <summary>MACp or MACp2 as it must be.</summary>
    public byte[] ExpectedMac = [];
    /// <summary>What the admission policy said.</summary>
    public string Profile = "";

    public void Keep(AgreementKey key) => (_key, _scalar) = (key, null);

    /// <summary>Once; the caller disposes it.</summary>
    public AgreementKey TakeKey(int suite)
    {
        var key = _key ?? Cryptosuites.Restore(suite, _scalar!);
        (_key, _scalar) = (null, null);
        return key;
    }

    public NoobKeys Keys => new(Block!.Reveal().ToArray());

    public byte[] Write()
    {
        using var bytes = new MemoryStream();
        using var writer = new BinaryWriter(bytes, Encoding.UTF8);
        void Bytes(ReadOnlySpan<byte> value)
        {
            writer.Write(value.Length);
            writer.Write(value);
        }
        writer.Write(Open);
        writer.Write(PeerId);
        foreach (var message in new[] { Request2, Response2, Request3, Request7, Response7, Request8 })
            Bytes(message is null ? default : message.Raw.Span);
        foreach (var secret in new[] { _scalar ?? _key?.ExportScalar(), Noob, Block })
            Bytes(secret is null ? default : secret.Reveal());
        writer.Write((int)NoobIdForm);
        Bytes(ExpectedMac);
        writer.Write(Profile);
        writer.Write(Known is not null);
        if (Known is { } known)
        {
            writer.Write(known.Version);
            writer.Write(known.Cryptosuitep);
            writer.Write(known.Nai);
            Bytes(known.Kz.Reveal());
        }
        writer.Flush();
        return bytes.ToArray();
    }

    public static NoobConversation Read(ReadOnlyMemory<byte> bytes, NoobVariant variant)
    {
        using var reader = new BinaryReader(new MemoryStream(bytes.ToArray()), Encoding.UTF8);
        byte[] Bytes() => reader.ReadBytes(reader.ReadInt32());
        NoobMessage? Message(bool request)
        {
            byte[] text = Bytes();
            return text.Length == 0 ? null : request ? NoobRequests.Parse(text, variant) : NoobResponses.Parse(text, variant);
        }
        SecretBytes? Secret()
        {
            byte[] value = Bytes();
            var secret = value.Length == 0 ? null : new SecretBytes(value);
            CryptographicOperations.ZeroMemory(value);
            return secret;
        }
        return new NoobConversation
        {
            Open = reader.ReadInt32(),
            PeerId = reader.ReadString(),
            Request2 = Message(true),
            Response2 = Message(false),
            Request3 = Message(true),
            Request7 = Message(true),
            Response7 = Message(false),
            Request8 = Message(true),
            _scalar = Secret(),
            Noob = Secret(),
            Block = Secret(),
            NoobIdForm = (NoobIdForm)reader.ReadInt32(),
            ExpectedMac = Bytes(),
            Profile = reader.ReadString(),
            Known = reader.ReadBoolean() ? new KnownAssociation(reader.ReadInt64(), reader.ReadInt32(), reader.ReadString(), Secret()!) : null,
        };
    }
}
