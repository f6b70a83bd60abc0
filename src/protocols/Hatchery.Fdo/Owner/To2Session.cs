using System.Collections.Immutable;
using System.Formats.Cbor;
using Hatchery.Cryptography.Cose;

namespace Hatchery.Fdo.Owner;

/// <summary>What the Owner Onboarding Service keeps between two messages of a TO2.</summary>
public sealed class To2Session : ISessionState<To2Session>, IDisposable
{
    internal To2Session(OwnershipVoucher voucher, string ownerKey, string serial, Nonce nonceTO2ProveDv, CipherSuite cipher, KeyExchangeSuite suite) =>
        (Voucher, OwnerKey, Serial, NonceTO2ProveDv, Cipher, Suite) = (voucher, ownerKey, serial, nonceTO2ProveDv, cipher, suite);

    internal OwnershipVoucher Voucher { get; }
    internal string OwnerKey { get; }
    internal string Serial { get; }
    internal Nonce NonceTO2ProveDv { get; }
    internal CipherSuite Cipher { get; }
    internal KeyExchangeSuite Suite { get; }

    /// <summary>Until ProveDevice.</summary>
    internal KeyExchange? Exchange { get; set; }
    /// <summary>Bad requests for entries that were forgiven.</summary>
    internal int BadEntryRequests { get; set; }

    /// <summary>From ProveDevice on.</summary>
    internal SessionKeys? Keys { get; set; }
    internal Nonce NonceTO2SetupDv { get; set; }
    internal Guid NewGuid { get; set; }
    internal RendezvousInfo? NewRendezvousInfo { get; set; }
    internal string Profile { get; set; } = "";

    /// <summary>From DeviceServiceInfoReady on.</summary>
    internal FdoHash? ReplacementHmac { get; set; }
    internal int MaxOwnerServiceInfo { get; set; }

    internal DeviceModules Modules { get; set; } = DeviceModules.None;
    internal bool DevmodComplete { get; set; }
    internal bool OwnerDone { get; set; }
    internal int Module { get; set; }
    internal ModuleCursor Cursor { get; set; }
    /// <summary>What modules gave the device, for the registry.</summary>
    internal ImmutableArray<string> Imparted { get; set; } = [];
    internal int Rounds { get; set; }
    internal int SilentRounds { get; set; }
    internal ServiceInfoJoiner Joiner { get; } = new();
    internal To2More More { get; private set; } = new();

    public void Dispose()
    {
        Keys?.Dispose();
        Exchange?.Dispose();
    }

    public byte[] Write()
    {
        var writer = new CborWriter();
        writer.WriteStartArray(24);
        writer.WriteByteString(Voucher.Raw.Span);
        writer.WriteTextString(OwnerKey);
        writer.WriteTextString(Serial);
        writer.WriteByteString(NonceTO2ProveDv.Value.Span);
        writer.WriteInt32((int)Cipher.Name);
        writer.WriteTextString(Suite.Name);
        writer.WriteByteString(Exchange is null ? [] : Exchange.Export().Reveal());
        writer.WriteInt32(BadEntryRequests);
        writer.WriteByteString(Keys is null ? [] : Keys.Material.Reveal());
        writer.WriteByteString(NonceTO2SetupDv.Value.Span);
        writer.WriteByteString(NewGuid.ToByteArray(bigEndian: true));
        writer.WriteByteString(NewRendezvousInfo is null ? [] : NewRendezvousInfo.Raw.Span);
        writer.WriteTextString(Profile);
        writer.WriteByteString(ReplacementHmac is null ? [] : ReplacementHmac.Raw.Span);
        writer.WriteInt32(MaxOwnerServiceInfo);
        Modules.Write(writer);
        writer.WriteInt32((DevmodComplete ? 1 : 0) | (OwnerDone ? 2 : 0));
        writer.WriteInt32(Module);
        writer.WriteByteString(Joiner.Export());
        writer.WriteTextString(string.Join('\n', Imparted));
        writer.WriteInt32(Cursor.Phase);
        writer.WriteInt64(Cursor.Offset);
        writer.WriteInt64((long)Rounds << 32 | (uint)SilentRounds);
        More.Write(writer, Cursor);
        writer.WriteEndArray();
        return writer.Encode();
    }

    public static To2Session Read(ReadOnlyMemory<byte> bytes)
    {
        var reader = new CborReader(bytes);
        reader.ReadStartArray();
        var voucher = OwnershipVoucher.Parse(reader.ReadByteString());
        string ownerKey = reader.ReadTextString(), serial = reader.ReadTextString();
        var proveDv = new Nonce(reader.ReadByteString());
        var cipher = CipherSuite.Require(reader.ReadInt32());
        var suite = KeyExchangeSuite.Require(reader.ReadTextString());
        byte[] exchange = reader.ReadByteString();
        int badEntryRequests = reader.ReadInt32();
        byte[] keys = reader.ReadByteString();
        var session = new To2Session(voucher, ownerKey, serial, proveDv, cipher, suite)
        {
            Exchange = exchange.Length == 0 ? null : suite.RestoreOwner(exchange),
            BadEntryRequests = badEntryRequests,
            Keys = keys.Length == 0 ? null : cipher.Restore(new SecretBytes(keys)),
            NonceTO2SetupDv = new Nonce(reader.ReadByteString()),
            NewGuid = new Guid(reader.ReadByteString(), bigEndian: true),
        };
        byte[] info = reader.ReadByteString();
        session.NewRendezvousInfo = info.Length == 0 ? null : RendezvousInfo.Parse(info);
        session.Profile = reader.ReadTextString();
        byte[] hmac = reader.ReadByteString();
        session.ReplacementHmac = hmac.Length == 0 ? null : FdoHash.Parse(new BoundedCborReader(hmac, FdoException.Body), "ReplacementHMac", mac: true);
        session.MaxOwnerServiceInfo = reader.ReadInt32();
        session.Modules = DeviceModules.Read(reader);
        int flags = reader.ReadInt32();
        (session.DevmodComplete, session.OwnerDone) = ((flags & 1) != 0, (flags & 2) != 0);
        session.Module = reader.ReadInt32();
        session.Joiner.Import(reader.ReadByteString());
        session.Imparted = [.. reader.ReadTextString().Split('\n', StringSplitOptions.RemoveEmptyEntries)];
        int phase = reader.ReadInt32();
        session.Cursor = new ModuleCursor(phase, reader.ReadInt64(), 0);
        long rounds = reader.ReadInt64();
        (session.Rounds, session.SilentRounds) = ((int)(rounds >> 32), (int)rounds);
        session.More = To2More.Read(reader, out var memory);
        session.Cursor = session.Cursor with { Memory = memory };
        reader.ReadEndArray();
        return session;
    }
}

/// <summary>What devmod told about the device.</summary>
internal sealed record DeviceModules(bool Active, string Os, string Arch, string Version, string Device, string Separator, string Binary, int Count,
    ImmutableSortedSet<string> Names)
{
    public static readonly DeviceModules None = new(false, "", "", "", "", "", "", -1, []);

    public void Write(CborWriter writer)
    {
        writer.WriteStartArray(9);
        writer.WriteBoolean(Active);
        foreach (string text in new[] { Os, Arch, Version, Device, Separator, Binary })
            writer.WriteTextString(text);
        writer.WriteInt32(Count);
        writer.WriteTextString(string.Join('\n', Names));
        writer.WriteEndArray();
    }

    public static DeviceModules Read(CborReader reader)
    {
        reader.ReadStartArray();
        var result = new DeviceModules(reader.ReadBoolean(), reader.ReadTextString(), reader.ReadTextString(), reader.ReadTextString(), reader.ReadTextString(),
            reader.ReadTextString(), reader.ReadTextString(), reader.ReadInt32(), [.. reader.ReadTextString().Split('\n', StringSplitOptions.RemoveEmptyEntries)]);
        reader.ReadEndArray();
        return result;
    }
}
