using System.Collections.Immutable;

namespace Hatchery;

/// <summary>A name of a device: kind ("serial", "eui64", "fdo.guid", "spki-sha256") and value, text as people write it (hex in lower case).</summary>
public sealed record Identifier(string Kind, string Value)
{
    public override string ToString() => $"{Kind}:{Value}";
}

/// <summary>Something that the registry, the audit log and the policy must know, written in the same transaction as the change itself.</summary>
/// <param name="Subject">The device, by one of its identifiers.</param>
public abstract record Fact(Identifier Subject)
{
    /// <summary>A device was met. Proven identifiers find or make its registry entry; claimed ones never merge two entries.</summary>
    /// <param name="Proven">Shown by a key or a secret that only the device has.</param>
    /// <param name="Claimed">Merely said.</param>
    public sealed record Seen(Identifier Subject, string Protocol, ImmutableArray<Identifier> Proven, ImmutableArray<Identifier> Claimed) : Fact(Subject);

    /// <summary>The admission policy's answer, and what it saw.</summary>
    public sealed record Decided(Identifier Subject, Decision Decision, ImmutableArray<string> Evidence) : Fact(Subject);

    /// <summary>The device was given something.</summary>
    public sealed record Imparted(Identifier Subject, string Item, DateTimeOffset? Expires) : Fact(Subject);

    public sealed record OwnerChanged(Identifier Subject, string From, string To) : Fact(Subject);

    /// <summary>The device goes by another name from now on (FDO's new GUID, EAP-NOOB's new PeerId); both names find it.</summary>
    public sealed record Renamed(Identifier Subject, Identifier NewName) : Fact(Subject);

    /// <param name="ProtocolError">The protocol's own error, as sent.</param>
    /// <param name="Field">The field at fault, in the standard's name.</param>
    public sealed record Refused(Identifier Subject, string ProtocolError, string Field, string Sentence) : Fact(Subject);

    /// <summary>An act of an operator or of the server itself on a device or an artifact of it.</summary>
    public sealed record Administered(Identifier Subject, string Act, string By) : Fact(Subject);
}

/// <summary>What the admission policy says: admit with a profile, hold, or refuse.</summary>
public abstract record Decision
{
    public sealed record Admit(string Profile) : Decision;
    /// <param name="AskAgain">After which time the device may ask again.</param>
    public sealed record Hold(TimeSpan AskAgain) : Decision;
    public sealed record Refuse(string Reason) : Decision;
}

/// <summary>The one policy. Asked by every infrastructure role after it knows who the device is and before it gives it anything.</summary>
public interface IAdmission
{
    ValueTask<Decision> DecideAsync(AdmissionRequest request, CancellationToken cancel);
}

/// <param name="Proven">Identifiers that the device has proven in this ceremony.</param>
/// <param name="Claimed">Identifiers that it merely claims.</param>
/// <param name="Evidence">What was verified, in words for the audit log ("voucher of 2 entries, manufacturer key 3f…").</param>
public sealed record AdmissionRequest(Protocol Protocol, string Method, ImmutableArray<Identifier> Proven, ImmutableArray<Identifier> Claimed,
    ImmutableArray<string> Evidence);
