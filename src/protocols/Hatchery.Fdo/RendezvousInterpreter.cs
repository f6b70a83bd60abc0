using System.Collections.Immutable;
using Hatchery.Cryptography.Cose;

namespace Hatchery.Fdo;

/// <summary>A server that may be asked.</summary>
/// <param name="Scheme">"http", "https", "tcp", "tls", "coap+tcp", "coap".</param>
/// <param name="Host">A DNS name, or an address in text form.</param>
/// <param name="ServerCertificateHash">RVSvCertHash: of the server's certificate.</param>
/// <param name="CaCertificateHash">RVClCertHash: of a CA certificate in the server's chain.</param>
public sealed record RendezvousTarget(string Scheme, string Host, int Port, FdoHash? ServerCertificateHash = null, FdoHash? CaCertificateHash = null)
{
    /// <summary>A pin is checked by the carrier; without one any TLS server will do, because the protocol proves the owner by itself.</summary>
    public Destination To(Player player)
    {
        ImmutableArray<byte[]> Pins(HashType type) => [.. new[] { ServerCertificateHash, CaCertificateHash }.Where(h => h?.Type == type).Select(h => h!.Value.ToArray())];
        var pinned = new ChannelSecurity.Certificates(null, [], false, Pins(HashType.Sha256)) { PinnedSha384 = Pins(HashType.Sha384) };
        return new Destination(Scheme, Host, Port, pinned.IsPinned ? pinned : new ChannelSecurity.None(), player);
    }
}

/// <summary>What one directive tells a device to do.</summary>
/// <param name="Directive">Its number, from 0.</param>
/// <param name="Bypass">The targets are owners (TO2 without a redirect blob), not rendezvous servers.</param>
/// <param name="Targets">In order; empty where the directive merely waits.</param>
/// <param name="Delay">Before the next directive, to be jittered; null: none given.</param>
public sealed record RendezvousAttempt(int Directive, bool Bypass, ImmutableArray<RendezvousTarget> Targets, TimeSpan? Delay, string? WifiSsid, int? Medium, bool UserInput);

/// <summary>What a device or owner can do.</summary>
/// <param name="Schemes">Best first.</param>
/// <param name="HasMedium">Whether an RVMedium number can be used; null: all.</param>
public sealed record RendezvousAbilities(ImmutableArray<string> Schemes, Func<int, bool>? HasMedium = null);

/// <param name="Skipped">Directives that were left out, and why.</param>
public sealed record RendezvousPlan(ImmutableArray<RendezvousAttempt> Attempts, ImmutableArray<(int Directive, string Why)> Skipped);

/// <summary>Reads rendezvous directives (FDO 1.1 §3.7).</summary>
public static class RendezvousInterpreter
{
    /// <summary>What a device waits after the last directive that gives no delay of its own, before it starts over.</summary>
    public static readonly TimeSpan LastDelay = TimeSpan.FromSeconds(120);

    /// <summary>For a device: what to try, in order, for ever.</summary>
    public static RendezvousPlan ForDevice(RendezvousInfo info, RendezvousAbilities abilities) => Plan(info, abilities, device: true);

    /// <summary>For an owner: the rendezvous servers to register at, one list per directive of which one is enough.</summary>
    public static RendezvousPlan ForOwner(RendezvousInfo info, RendezvousAbilities abilities) => Plan(info, abilities, device: false);

    /// <summary>A delay with the standard's jitter of 25 % to either side.</summary>
    public static TimeSpan Jitter(TimeSpan delay, Chance chance, string use = "RV.Delay")
    {
        Span<byte> drawn = stackalloc byte[2];
        chance.Fill(drawn, use);
        double part = (drawn[0] << 8 | drawn[1]) / 65535.0;
        return delay * (0.75 + 0.5 * part);
    }

    private static RendezvousPlan Plan(RendezvousInfo info, RendezvousAbilities abilities, bool device)
    {
        var attempts = ImmutableArray.CreateBuilder<RendezvousAttempt>();
        var skipped = ImmutableArray.CreateBuilder<(int, string)>();
        for (int i = 0; i < info.Directives.Length; i++)
        {
            try
            {
                var read = RendezvousDirectiveValues.Read(info.Directives[i]);
                if (Interpret(i, read, abilities, device, out var attempt) is { } why)
                    skipped.Add((i, why));
                else
                    attempts.Add(attempt!);
            }
            catch (FdoException e)
            {
                skipped.Add((i, e.Message));
            }
        }
        return new RendezvousPlan(attempts.ToImmutable(), skipped.ToImmutable());
    }

    /// <summary>Null, or why the directive is left out.</summary>
    private static string? Interpret(int number, RendezvousDirectiveValues v, RendezvousAbilities abilities, bool device, out RendezvousAttempt? attempt)
    {
        attempt = null;
        if (device ? v.OwnerOnly : v.DevOnly)
            return device ? "for the owner only" : "for the device only";
        if (!device && v.Bypass)
            return "leads to the owner itself";
        if (v.ExtRV)
            return "an external rendezvous mechanism that is not known";
        if (device && v.Medium is { } medium && abilities.HasMedium is { } has && !has(medium))
            return $"medium {medium} is not there";
        TimeSpan? delay = v.Delay is { } seconds ? TimeSpan.FromSeconds(seconds) : null;
        ImmutableArray<string> hosts = [.. new[] { v.Dns, v.Address?.ToString() }.Where(h => !string.IsNullOrEmpty(h)).Select(h => h!)];
        var targets = ImmutableArray.CreateBuilder<RendezvousTarget>();
        if (!hosts.IsEmpty)
        {
            foreach (string scheme in Schemes(v.Protocol).Where(s => abilities.Schemes.Contains(s)))
                if ((device ? v.DevPort : v.OwnerPort) is var given && (given ?? FdoSchemes.DefaultPort(scheme)) is { } port and > 0)
                    foreach (string host in hosts)
                        targets.Add(new RendezvousTarget(scheme, host, port, v.ServerCertificateHash, v.CaCertificateHash));
            if (targets.Count == 0)
                return "no protocol that is supported here, or no port";
        }
        else if (!device || delay is null)
            return "no address";
        attempt = new RendezvousAttempt(number, v.Bypass, targets.ToImmutable(), delay, v.WifiSsid, v.Medium, v.UserInput);
        return null;
    }

    /// <summary>REST means the first of four that is supported; without a protocol it is TLS, and HTTPS for whoever cannot do without it.</summary>
    private static ImmutableArray<string> Schemes(int? protocol) => protocol switch
    {
        null => ["tls", "https"],
        (int)RendezvousProtocol.Rest => ["https", "http", "coap", "coap+tcp"],
        (int)RendezvousProtocol.Http => ["http"],
        (int)RendezvousProtocol.Https => ["https"],
        (int)RendezvousProtocol.Tcp => ["tcp"],
        (int)RendezvousProtocol.Tls => ["tls"],
        (int)RendezvousProtocol.CoapTcp => ["coap+tcp"],
        (int)RendezvousProtocol.CoapUdp => ["coap"],
        _ => [],
    };
}

/// <summary>The values of one directive; throws <see cref="FdoException"/> where one is malformed or given twice.</summary>
internal sealed record RendezvousDirectiveValues
{
    public bool DevOnly { get; init; }
    public bool OwnerOnly { get; init; }
    public bool Bypass { get; init; }
    public bool ExtRV { get; init; }
    public bool UserInput { get; init; }
    public System.Net.IPAddress? Address { get; init; }
    public int? DevPort { get; init; }
    public int? OwnerPort { get; init; }
    public string? Dns { get; init; }
    public FdoHash? ServerCertificateHash { get; init; }
    public FdoHash? CaCertificateHash { get; init; }
    public string? WifiSsid { get; init; }
    public int? Medium { get; init; }
    public int? Protocol { get; init; }
    public uint? Delay { get; init; }

    public static RendezvousDirectiveValues Read(RendezvousDirective directive)
    {
        var values = new RendezvousDirectiveValues();
        long seen = 0;
        foreach (var (variable, value) in directive.Instructions)
        {
            int number = (int)variable;
            if (number is < 0 or > (int)RendezvousVariable.ExtRV)
                continue;
            if ((seen & 1L << number) != 0)
                throw FdoException.Invalid($"RV{variable}", "given twice in one directive.");
            seen |= 1L << number;
            values = values.With(variable, value);
        }
        return values;
    }

    private RendezvousDirectiveValues With(RendezvousVariable variable, ReadOnlyMemory<byte> value)
    {
        string field = $"RV{variable}";
        var reader = new BoundedCborReader(value, FdoException.Content);
        return variable switch
        {
            RendezvousVariable.DevOnly => this with { DevOnly = true },
            RendezvousVariable.OwnerOnly => this with { OwnerOnly = true },
            RendezvousVariable.Bypass => this with { Bypass = true },
            RendezvousVariable.UserInput => this with { UserInput = !value.Span.SequenceEqual((ReadOnlySpan<byte>)[0xF4]) },
            RendezvousVariable.ExtRV => this with { ExtRV = true },
            RendezvousVariable.IPAddress => this with { Address = FdoSchemes.Address(reader.Bytes(field).Span) ?? throw FdoException.Invalid(field, "no IP address.") },
            RendezvousVariable.DevPort => this with { DevPort = reader.UInt16(field) },
            RendezvousVariable.OwnerPort => this with { OwnerPort = reader.UInt16(field) },
            RendezvousVariable.Dns => this with { Dns = reader.Text(field) },
            RendezvousVariable.SvCertHash => this with { ServerCertificateHash = FdoHash.Parse(reader, field, mac: false) },
            RendezvousVariable.ClCertHash => this with { CaCertificateHash = FdoHash.Parse(reader, field, mac: false) },
            RendezvousVariable.WifiSsid => this with { WifiSsid = reader.Text(field) },
            RendezvousVariable.Medium => this with { Medium = (int)reader.Integer(field, 0, 255) },
            RendezvousVariable.Protocol => this with { Protocol = (int)reader.Integer(field, 0, 255) },
            RendezvousVariable.Delaysec => this with { Delay = reader.UInt32(field) },
            _ => this,
        };
    }
}
