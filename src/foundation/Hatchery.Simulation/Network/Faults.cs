namespace Hatchery.Simulation;

/// <summary>Faults at one certain packet, for <see cref="SimulatedNetwork.Intercept"/>. Packets that match are counted from 1.</summary>
public static class Faults
{
    public static OnPath DropNth(int n, Func<SimulatedPacket, bool>? where = null) => Nth(n, where, _ => PathVerdict.Drops);
    public static OnPath DuplicateNth(int n, Func<SimulatedPacket, bool>? where = null) => Nth(n, where, _ => new PathVerdict.Repeat(2));
    public static OnPath HoldNth(int n, TimeSpan by, Func<SimulatedPacket, bool>? where = null) => Nth(n, where, _ => new PathVerdict.Hold(by));

    /// <summary>Changes one bit of the payload's last byte, or of the checksum where there is no payload.</summary>
    public static OnPath CorruptNth(int n, Func<SimulatedPacket, bool>? where = null) =>
        Nth(n, where, p => new PathVerdict.Replace(p.Flip((p.Payload.IsEmpty ? SimulatedPacket.IpHeader + 16 : p.Bytes.Length - 1) * 8)));

    /// <summary>After so many bytes of payload of matching packets everything is dropped, both ways, between the two endpoints; retransmissions count too.</summary>
    public static OnPath CutAfter(int bytes, Func<SimulatedPacket, bool>? where = null)
    {
        int passed = 0;
        var cut = new HashSet<(string, string)>();
        return packet =>
        {
            var (from, to) = (packet.From.ToString(), packet.To.ToString());
            if (cut.Contains((from, to)) || cut.Contains((to, from)))
                return PathVerdict.Drops;
            if (where is not null && !where(packet))
                return PathVerdict.Passes;
            passed += packet.Payload.Length;
            if (passed <= bytes)
                return PathVerdict.Passes;
            cut.Add((from, to));
            return PathVerdict.Drops;
        };
    }

    private static OnPath Nth(int n, Func<SimulatedPacket, bool>? where, Func<SimulatedPacket, PathVerdict> verdict)
    {
        int seen = 0;
        return packet => (where is null || where(packet)) && ++seen == n ? verdict(packet) : PathVerdict.Passes;
    }
}
