using System.Collections.Immutable;
using System.Net;
using System.Text;

namespace Hatchery.Simulation;

/// <param name="Number">From 1, over all media that this listener hears.</param>
/// <param name="Bytes">As on the medium.</param>
public sealed record OverheardFrame(int Number, Moment At, Medium Medium, string From, string To, Tag Tag, SessionId Session, bool Repeats, ReadOnlyMemory<byte> Bytes);

/// <summary>Where a listener found a value.</summary>
/// <param name="Frame">The frame that brought its first byte.</param>
/// <param name="Offset">Of its first byte or character: within the direction's stream of bytes for TCP, within the frame otherwise.</param>
/// <param name="Form">"raw", "reversed", "hex", "base64", "base64url", "UTF-16".</param>
/// <param name="Before">Of bytes of other frames of the same direction and connection heard before; 0: in its first one.</param>
public sealed record Overheard(OverheardFrame Frame, int Offset, string Form, int Before);

/// <summary>Hears every frame of the media that it is put on, as it leaves its sender.</summary>
public sealed class Eavesdropper
{
    private readonly List<OverheardFrame> _frames = [];
    private readonly Dictionary<int, SimulatedPacket> _packets = [];

    public IReadOnlyList<OverheardFrame> Frames => _frames;

    internal void Hear(SimulatedPacket packet, Moment at)
    {
        Hear(packet.IsTcp ? Medium.Tcp : Medium.Udp, packet.From.ToString(), packet.To.ToString(), packet.Bytes, at, packet.Tag, packet.Session, packet.Repeats);
        _packets.Add(_frames.Count, packet);
    }

    /// <summary>For media of other kinds.</summary>
    public void Hear(Medium medium, string from, string to, ReadOnlyMemory<byte> bytes, Moment at, Tag tag = default, SessionId session = default, bool repeats = false) =>
        _frames.Add(new OverheardFrame(_frames.Count + 1, at, medium, from, to, tag, session, repeats, bytes));

    /// <summary>Text as UTF-8 in all forms of <see cref="Search(ReadOnlySpan{byte})"/>, and as UTF-16.</summary>
    public ImmutableArray<Overheard> Search(string text) =>
        Search([.. ValueForms.Of(Encoding.UTF8.GetBytes(text)), new("UTF-16", Encoding.Unicode.GetBytes(text), false), new("UTF-16", Encoding.BigEndianUnicode.GetBytes(text), false)]);

    /// <summary>Finds a value in all that was heard: as it is, its bytes in reverse order, in hexadecimal of either case with or without separators, in base64 and base64url
    /// at any alignment; in TCP also across segments. Forms of less than four characters are not looked for. In the order of frames.</summary>
    public ImmutableArray<Overheard> Search(ReadOnlySpan<byte> value) => Search(ValueForms.Of(value));

    private ImmutableArray<Overheard> Search(IReadOnlyList<ValueForm> forms)
    {
        var found = new HashSet<Overheard>();
        foreach (var unit in Units())
        {
            var squeezed = ValueForms.Squeeze(unit.Bytes);
            foreach (var form in forms)
            {
                var (bytes, origin) = form.Squeezed ? squeezed : (unit.Bytes, null);
                for (int at = 0; at + form.Bytes.Length <= bytes.Length;)
                {
                    int hit = bytes.AsSpan(at).IndexOf(form.Bytes);
                    if (hit < 0)
                        break;
                    int offset = origin is null ? at + hit : origin[at + hit];
                    var (frame, before) = unit.FrameAt(offset);
                    found.Add(new Overheard(frame, offset, form.Name, before));
                    at += hit + 1;
                }
            }
        }
        return [.. found.OrderBy(f => f.Frame.Number).ThenBy(f => f.Offset).ThenBy(f => f.Form, StringComparer.Ordinal)];
    }

    /// <summary>The bytes of one direction of a TCP connection in order, as far as they were heard without a hole. Connections of the same endpoints follow each other.</summary>
    public byte[] Stream(IPEndPoint from, IPEndPoint to) =>
        [.. Directions().Where(d => d.From.Equals(from) && d.To.Equals(to)).SelectMany(d => d.Assemble().Bytes)];

    private IEnumerable<Unit> Units() => _frames.Where(f => !(_packets.TryGetValue(f.Number, out var p) && p.IsTcp))
        .Select(f => new Unit(f.Bytes.ToArray(), [(0, f)])).Concat(Directions().Select(d => d.Assemble()));

    private List<Direction> Directions()
    {
        var all = new List<Direction>();
        var open = new Dictionary<(IPEndPoint, IPEndPoint), Direction>();
        foreach (var frame in _frames)
        {
            if (!_packets.TryGetValue(frame.Number, out var packet) || !packet.IsTcp)
                continue;
            var key = (packet.From, packet.To);
            if (!open.TryGetValue(key, out var direction) || (packet.Opens && packet.Sequence != direction.Initial))
                all.Add(open[key] = direction = new Direction(packet.From, packet.To, packet.Sequence));
            if (!packet.Payload.IsEmpty)
                direction.Segments.Add((packet.Sequence, frame, packet.Payload));
        }
        return all;
    }

    private sealed record Unit(byte[] Bytes, List<(int Start, OverheardFrame Frame)> Frames)
    {
        public (OverheardFrame, int Before) FrameAt(int offset)
        {
            int i = Frames.FindLastIndex(f => f.Start <= offset);
            return (Frames[i].Frame, Frames[i].Start);
        }
    }

    private sealed class Direction(IPEndPoint from, IPEndPoint to, uint initial)
    {
        public IPEndPoint From => from;
        public IPEndPoint To => to;
        public uint Initial => initial;
        public List<(uint Sequence, OverheardFrame Frame, ReadOnlyMemory<byte> Payload)> Segments { get; } = [];

        /// <summary>A hole ends up as nothing between its edges: what was never sent was never heard. The first copy of a byte counts.</summary>
        public Unit Assemble()
        {
            using var bytes = new MemoryStream();
            var frames = new List<(int, OverheardFrame)>();
            long reached = 0;
            foreach (var (sequence, frame, payload) in Segments.OrderBy(s => s.Sequence - initial).ThenBy(s => s.Frame.Number))
            {
                long start = sequence - initial;
                int known = (int)Math.Max(0, reached - start);
                if (known >= payload.Length)
                    continue;
                frames.Add(((int)bytes.Length, frame));
                bytes.Write(payload.Span[known..]);
                reached = start + payload.Length;
            }
            return new Unit(bytes.ToArray(), frames);
        }
    }
}
