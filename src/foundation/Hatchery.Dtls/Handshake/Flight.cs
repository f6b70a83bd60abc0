namespace Hatchery.Dtls;

/// <summary>What one side sends before it waits. Sent again the messages are the same and the records are new.</summary>
internal sealed class Flight
{
    private readonly List<Item> _items = [];

    private readonly record struct Item(HandshakeType Type, ushort Sequence, byte[]? Body, byte Epoch)
    {
        public bool IsChangeCipherSpec => Body is null;
    }

    public bool IsEmpty => _items.Count == 0;

    public void Add(HandshakeType type, ushort sequence, byte[] body, bool isProtected) => _items.Add(new(type, sequence, body, isProtected ? (byte)1 : (byte)0));
    public void AddChangeCipherSpec() => _items.Add(new(default, 0, null, 0));

    /// <summary>As few datagrams as the MTU allows, each record holding one message or a fragment of one. A ClientHello stays whole: some servers want it so.</summary>
    public void Transmit(DtlsSession session, int mtu, bool repeats)
    {
        var host = session.Host;
        if (_items is [{ Type: HandshakeType.ClientHello, Body: { } hello }])
            mtu = Math.Max(mtu, RecordHeader.PlainLength + FragmentHeader.Size + hello.Length);
        int used = 0;
        var datagram = host.Begin(mtu);
        Span<byte> header = stackalloc byte[FragmentHeader.Size];
        foreach (var item in _items)
        {
            if (item.IsChangeCipherSpec)
            {
                if (used + RecordHeader.PlainLength + 1 > mtu)
                    Flush(ref datagram);
                used += session.WriteRecord(datagram[used..], ContentType.ChangeCipherSpec, false, [1], []);
                continue;
            }
            int offset = 0, length = item.Body!.Length;
            bool isProtected = item.Epoch == 1;
            do
            {
                int room = session.RoomFor(mtu - used, isProtected) - FragmentHeader.Size;
                if (used > 0 && room < Math.Min(length - offset, 64))
                {
                    Flush(ref datagram);
                    continue;
                }
                int take = Math.Min(length - offset, Math.Max(room, 1));
                new FragmentHeader(item.Type, length, item.Sequence, offset, take).Write(header);
                used += session.WriteRecord(datagram[used..], ContentType.Handshake, isProtected, header, item.Body.AsSpan(offset, take));
                offset += take;
                if (offset == length)
                    break;
            }
            while (true);
        }
        if (used > 0)
            host.End(session, used, default, repeats);

        void Flush(ref Span<byte> full)
        {
            host.End(session, used, default, repeats);
            used = 0;
            full = host.Begin(mtu);
        }
    }
}
