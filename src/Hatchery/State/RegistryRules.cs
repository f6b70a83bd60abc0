using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;

namespace Hatchery;

/// <summary>How well a device holds a name.</summary>
public enum Standing
{
    /// <summary>Said by it, no more. Finds nothing; any number of devices may claim the same name.</summary>
    Claimed = 0,
    /// <summary>The subject of a device that has proven nothing yet. Finds that device for whoever says the same again; at most one device has it.</summary>
    Named = 1,
    /// <summary>Shown by a key or secret. Finds the device; at most one device has it.</summary>
    Proven = 2,
}

/// <summary>A device as the registry's rules see it.</summary>
public sealed record RegistryDevice(Guid Id, DateTimeOffset FirstSeen, DateTimeOffset LastSeen, string LastProtocol, string? Owner,
    string? Profile, string State, ImmutableDictionary<Identifier, Standing> Names)
{
    public bool HasProven => Names.Any(n => n.Value == Standing.Proven);

    public RegisteredDevice ToRegistered() => new(Id, FirstSeen, LastSeen, LastProtocol, Owner, Profile, State,
        [.. Names.OrderBy(n => n.Key.Kind, StringComparer.Ordinal).ThenBy(n => n.Key.Value, StringComparer.Ordinal)
            .Select(n => new RegisteredIdentifier(n.Key, n.Value == Standing.Proven))]);
}

/// <summary>What a batch of facts does to registry and audit log.</summary>
/// <param name="Devices">New and changed ones, as they are afterwards.</param>
/// <param name="Names">Names to add, or whose standing changes; in this order no two devices ever go by one name.</param>
public sealed record RegistryChanges(ImmutableArray<(RegistryDevice Device, bool IsNew)> Devices,
    ImmutableArray<(Guid Device, Identifier Name, Standing Standing)> Names, ImmutableArray<AuditEntry> Audit, AuditHead Head);

/// <summary>What facts mean for the registry; the same for all databases.
/// <para>A fact's subject is looked up in this order: the device that an earlier <see cref="Fact.Seen"/> of the same batch settled on for this
/// subject; the device that has the name proven; the device, without anything proven, that goes by it (<see cref="Standing.Named"/>). Otherwise the
/// device is unknown: the fact gets an audit line with no device, and only Seen makes an entry.</para>
/// <para>Seen with proven names: the subject, if proven, then the other proven names in their order; the first that is proven for a device finds it.
/// Names that another device has proven stay there, nothing is merged, and the audit line lists them. If none is found, a device that went by one of
/// these names unproven is taken up: proving the name shows that the entry was about this device. Its other unproven names sink to claims.</para>
/// <para>Seen with nothing proven: never touches a device that has proven anything, not even one that has proven this very name, or a stranger could
/// make it look seen, held or refused by saying its serial number. It finds or makes an entry that goes by the subject, so that an operator sees
/// who waits. A decision reported in the same batch falls on that entry, not on the proven device of the same name.</para>
/// <para>A claim never finds a device, so it can merge none. A device keeps at most <see cref="MaxClaims"/> claims; more are only in the audit log.</para></summary>
public static class RegistryRules
{
    public const int MaxClaims = 32;

    /// <summary>The names by which <see cref="Apply"/> may look for devices: load those that have one of them as Proven or Named.</summary>
    public static HashSet<Identifier> Mentioned(ImmutableArray<Fact> facts)
    {
        var names = new HashSet<Identifier>();
        foreach (var fact in facts)
        {
            names.Add(Storable.Name(fact.Subject));
            if (fact is Fact.Renamed renamed)
                names.Add(Storable.Name(renamed.NewName));
            else if (fact is Fact.Seen { Proven.IsDefault: false } seen)
                foreach (var proven in seen.Proven)
                    names.Add(Storable.Name(proven));
        }
        return names;
    }

    /// <param name="known">Every device that has one of <see cref="Mentioned"/> as Proven or Named, with all its names.</param>
    /// <param name="head">The audit log's, before.</param>
    public static RegistryChanges Apply(IEnumerable<RegistryDevice> known, AuditHead head, CommitBatch batch)
    {
        var turn = new Turn(known, head, batch);
        foreach (var fact in batch.Facts)
            turn.Take(fact);
        return turn.Changes();
    }

    /// <summary>Microseconds: what all databases keep.</summary>
    public static DateTimeOffset Round(DateTimeOffset at) => new(at.UtcTicks - at.UtcTicks % TimeSpan.TicksPerMicrosecond, TimeSpan.Zero);

    private sealed class Turn
    {
        private readonly CommitBatch _batch;
        private readonly DateTimeOffset _at;
        private readonly Dictionary<Guid, RegistryDevice> _devices = [];
        private readonly Dictionary<Identifier, Guid> _proven = [], _named = [], _settled = [];
        private readonly HashSet<Guid> _new = [], _changed = [];
        private readonly Dictionary<(Guid, Identifier), Standing> _names = [];
        private readonly ImmutableArray<AuditEntry>.Builder _audit;
        private AuditHead _head;

        public Turn(IEnumerable<RegistryDevice> known, AuditHead head, CommitBatch batch)
        {
            (_batch, _head, _at) = (batch, head, Round(batch.At));
            _audit = ImmutableArray.CreateBuilder<AuditEntry>(batch.Facts.Length);
            foreach (var device in known)
            {
                _devices[device.Id] = device;
                foreach (var (name, standing) in device.Names)
                    if (standing != Standing.Claimed)
                        (standing == Standing.Proven ? _proven : _named)[name] = device.Id;
            }
        }

        public void Take(Fact fact)
        {
            var subject = Storable.Name(fact.Subject);
            List<(Identifier, Guid)>? elsewhere = null;
            var id = fact is Fact.Seen seen ? See(seen, subject, ref elsewhere) : Find(subject);
            if (id is { } device)
                Change(device, fact, ref elsewhere);
            var entry = new AuditEntry(_head.Number + 1, _at, FactJson.KindOf(fact), id, subject.ToString(), Storable.Name(_batch.Listener),
                _batch.Remote is null ? null : Storable.Name(_batch.Remote), FactJson.Write(fact, elsewhere), "");
            entry = entry with { Chain = AuditChain.Next(_head.Chain, entry) };
            _head = new(entry.Number, entry.Chain);
            _audit.Add(entry);
        }

        private Guid? Find(Identifier subject) =>
            _settled.TryGetValue(subject, out var id) || _proven.TryGetValue(subject, out id) || _named.TryGetValue(subject, out id) ? id : null;

        private Guid See(Fact.Seen seen, Identifier subject, ref List<(Identifier, Guid)>? elsewhere)
        {
            List<Identifier> proven = seen.Proven.IsDefault ? [] : [.. seen.Proven.Select(Storable.Name).Distinct()];
            if (proven.Remove(subject))
                proven.Insert(0, subject);
            var id = First(_proven, proven) ?? First(_named, proven.Count > 0 ? proven : [subject]) ?? Make(seen, subject);
            var device = _devices[id];
            Set(device with { LastSeen = device.LastSeen > _at ? device.LastSeen : _at, LastProtocol = Storable.Name(seen.Protocol) });
            foreach (var name in proven)
                if (!Give(id, name, Standing.Proven))
                    (elsewhere ??= []).Add((name, _proven[name]));
            if (proven.Count == 0)
                Give(id, subject, Standing.Named);
            else
                Sink(id);
            foreach (var name in seen.Claimed.IsDefault ? [subject] : seen.Claimed.Select(Storable.Name).Prepend(subject))
                Give(id, name, Standing.Claimed);
            _settled[subject] = id;
            return id;
        }

        private static Guid? First(Dictionary<Identifier, Guid> where, List<Identifier> names)
        {
            foreach (var name in names)
                if (where.TryGetValue(name, out var id))
                    return id;
            return null;
        }

        /// <summary>The id begins with the time in milliseconds, so that a database appends what belongs to new devices instead of scattering it, and goes on
        /// with a digest of what no other entry has, the number of its first audit line: no randomness, so runs repeat.</summary>
        private Guid Make(Fact.Seen seen, Identifier subject)
        {
            var text = Encoding.UTF8.GetBytes($"device {subject}");
            var input = new byte[16 + text.Length];
            BinaryPrimitives.WriteInt64BigEndian(input, _head.Number + 1);
            BinaryPrimitives.WriteInt64BigEndian(input.AsSpan(8), _at.UtcTicks);
            text.CopyTo(input, 16);
            Span<byte> digest = stackalloc byte[32];
            SHA256.HashData(input, digest);
            BinaryPrimitives.WriteInt64BigEndian(input, _at.ToUnixTimeMilliseconds());
            input.AsSpan(2, 6).CopyTo(digest);
            digest[6] = (byte)((digest[6] & 0x0f) | 0x80); // RFC 9562: version 8, made up by us
            digest[8] = (byte)((digest[8] & 0x3f) | 0x80);
            var id = new Guid(digest[..16], bigEndian: true);
            _new.Add(id);
            Set(new RegistryDevice(id, _at, _at, Storable.Name(seen.Protocol), null, null, "seen", ImmutableDictionary<Identifier, Standing>.Empty));
            return id;
        }

        private void Change(Guid id, Fact fact, ref List<(Identifier, Guid)>? elsewhere)
        {
            var device = _devices[id];
            switch (fact)
            {
                case Fact.Decided { Decision: var decision }:
                    Set(decision switch
                    {
                        Decision.Admit admit => device with { State = "admitted", Profile = Storable.Name(admit.Profile) },
                        Decision.Hold => device with { State = "held", Profile = null },
                        _ => device with { State = "refused", Profile = null },
                    });
                    break;
                case Fact.OwnerChanged changed:
                    Set(device with { Owner = changed.To.Length == 0 ? null : Storable.Name(changed.To) });
                    break;
                case Fact.Renamed renamed:
                    // As well proven as the device itself: a device that has proven nothing does not come to by a rename.
                    var name = Storable.Name(renamed.NewName);
                    if (Give(id, name, device.HasProven ? Standing.Proven : Standing.Named))
                        _settled[name] = id;
                    else
                        (elsewhere ??= []).Add((name, (device.HasProven ? _proven : _named)[name]));
                    break;
            }
        }

        /// <summary>False if another device has the name as proven, or goes by it, and keeps it.</summary>
        private bool Give(Guid id, Identifier name, Standing standing)
        {
            var device = _devices[id];
            bool has = device.Names.TryGetValue(name, out var held);
            if (has && held >= standing)
                return true;
            if (standing == Standing.Claimed)
            {
                if (device.Names.Count(n => n.Value == Standing.Claimed) >= MaxClaims)
                    return true;
            }
            else
            {
                var where = standing == Standing.Proven ? _proven : _named;
                if (where.TryGetValue(name, out var other) && other != id)
                    return false;
                where[name] = id;
                if (has && held == Standing.Named)
                    _named.Remove(name);
            }
            Name(device, name, standing);
            return true;
        }

        /// <summary>Once a device has proven something, what it went by and did not prove is a claim.</summary>
        private void Sink(Guid id)
        {
            foreach (var (name, standing) in _devices[id].Names)
                if (standing == Standing.Named)
                {
                    _named.Remove(name);
                    Name(_devices[id], name, Standing.Claimed);
                }
        }

        private void Name(RegistryDevice device, Identifier name, Standing standing)
        {
            _names[(device.Id, name)] = standing;
            Set(device with { Names = device.Names.SetItem(name, standing) });
        }

        private void Set(RegistryDevice device)
        {
            _devices[device.Id] = device;
            _changed.Add(device.Id);
        }

        public RegistryChanges Changes() => new([.. _changed.Select(id => (_devices[id], _new.Contains(id)))],
            [.. _names.OrderBy(n => n.Value == Standing.Named).Select(n => (n.Key.Item1, n.Key.Item2, n.Value))], _audit.ToImmutable(), _head);
    }
}
