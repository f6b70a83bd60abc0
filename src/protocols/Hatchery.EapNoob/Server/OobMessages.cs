using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using Hatchery.EapNoob.Messages;

namespace Hatchery.EapNoob.Server;

/// <summary>What a user is to confirm before a device becomes his.</summary>
/// <param name="PeerInfo">What the device claims to be, a JSON object; nothing of it is proven.</param>
/// <param name="Station">Where the network saw it: NAS and link-layer address; empty: unknown.</param>
public sealed record WaitingDevice(string PeerId, string PeerInfo, string Station, DateTimeOffset Since, AssociationState State, OobDirections Directions, string Account)
{
    /// <summary>In which it was last seen beginning.</summary>
    public SessionId Session { get; init; }

    /// <summary>Manufacturer, model, serial number and name as the device claims them, in one line.</summary>
    public string Claims
    {
        get
        {
            var info = Encoding.UTF8.GetBytes(PeerInfo);
            string?[] parts = [Infos.Text(info, "Manufacturer") ?? Infos.Text(info, "Make"), Infos.Text(info, "Model"),
                (Infos.Text(info, "SerialNumber") ?? Infos.Text(info, "Serial")) is { } serial ? $"serial number {serial}" : null, Infos.Text(info, "PeerName")];
            string text = string.Join(" ", parts.Where(p => !string.IsNullOrEmpty(p)));
            return text.Length > 0 ? text : "a device that says nothing of itself";
        }
    }
}

/// <summary>A device of an account.</summary>
public sealed record OwnedDevice(string PeerId, string PeerInfo, string Account, string Nai, int Cryptosuite, DateTimeOffset Since);

/// <summary>Moves OOB messages between users and associations (RFC 9140 §3.2.3). Who the user is was found out before.</summary>
public sealed class OobMessages(IRecordStore store, Chance chance, NoobServerOptions options)
{
    /// <summary>Null: no device of this PeerId waits here.</summary>
    public async ValueTask<WaitingDevice?> FindAsync(string peerId, Caller caller, CancellationToken cancel) =>
        await GetAsync(store.Begin(caller), peerId, cancel) is { Value: var waiting } ? View(waiting) : null;

    /// <summary>Devices that wait, in the order of PeerIds.</summary>
    public async ValueTask<ImmutableArray<WaitingDevice>> ListAsync(string? after, int limit, Caller caller, CancellationToken cancel) =>
        [.. (await store.Begin(caller).ListAsync(WaitingPeer.Schema, after is null ? null : new RecordKey(after), limit, cancel)).Select(w => View(w.Value))];

    /// <param name="account">Null: of all accounts.</param>
    public async ValueTask<ImmutableArray<OwnedDevice>> OwnedAsync(string? account, string? after, int limit, Caller caller, CancellationToken cancel)
    {
        var unit = store.Begin(caller);
        var found = account is null ? await unit.ListAsync(RegisteredPeer.Schema, after is null ? null : new RecordKey(after), limit, cancel)
            : await unit.FindAsync(RegisteredPeer.Schema, "account", account, limit, cancel);
        return [.. found.Select(f => new OwnedDevice(f.Value.PeerId, Encoding.UTF8.GetString(f.Value.PeerInfo.Span), f.Value.Account, f.Value.Nai, f.Value.Cryptosuitep, f.Value.Since))];
    }

    private static async ValueTask<Stored<WaitingPeer>?> GetAsync(IUnitOfWork unit, string peerId, CancellationToken cancel) =>
        NoobIdentifiers.IsOurs(peerId) ? await unit.GetAsync(WaitingPeer.Schema, NoobIdentifiers.Key(peerId), cancel) : null;

    private static WaitingDevice View(WaitingPeer w) => new(w.PeerId, Encoding.UTF8.GetString(w.PeerInfo.Span), w.Station, w.Since, w.State, w.Dirp, w.Account) { Session = new SessionId(w.Session) };

    /// <summary>Peer to server: a user brought the message that a device showed, has seen <see cref="WaitingDevice.Claims"/> and takes the device for his.</summary>
    /// <param name="account">Whose the device is from now on.</param>
    /// <exception cref="NoobException">2004: no such device waits here; 2002: a message was taken already; 3003: not this direction; 4001: Hoob is wrong. The user is to be told, the device
    /// is not.</exception>
    public async ValueTask<WaitingDevice> ReceiveAsync(OobMessage message, string account, Caller caller, CancellationToken cancel)
    {
        var unit = store.Begin(caller);
        if (await GetAsync(unit, message.PeerId, cancel) is not { Value: var waiting } stored)
            throw new NoobException(NoobErrorCode.UnexpectedPeerId, "P", "No such device waits here: another server's, one that began anew, or one that is registered already.");
        if (!waiting.Dirp.HasFlag(OobDirections.PeerToServer))
            throw new NoobException(NoobErrorCode.NoCommonDirection, "P", "This device takes a code, it shows none.");
        if (waiting.State != AssociationState.WaitingForOob)
            throw new NoobException(NoobErrorCode.StateMismatch, "P", "A code of this device was taken already.");
        byte[] hoob = HashInput.Hoob(OobDirections.PeerToServer, waiting.HashInput.Span, message.Noob.Reveal());
        if (!CryptographicOperations.FixedTimeEquals(hoob, message.Hoob.Span))
        {
            if (waiting.OobFailures + 1 >= options.OobRetries)
                unit.Delete(WaitingPeer.Schema, stored.Key, stored.Version);
            else
                unit.Replace(WaitingPeer.Schema, stored.Key, waiting with { OobFailures = waiting.OobFailures + 1 }, stored.Version, waiting.Since + options.WaitingLife);
            unit.Report(new Fact.Refused(NoobIdentifiers.Subject(waiting.PeerId), "4001", "H", $"An OOB message of account {account} has a wrong Hoob."));
            await CommitAsync(unit, cancel);
            throw new NoobException(NoobErrorCode.HmacFailure, "H", "The code is not this device's, or somebody was between the device and this server.");
        }
        waiting = waiting with { State = AssociationState.OobReceived, ReceivedNoob = message.Noob, NoobIdTries = 0, Account = account };
        unit.Replace(WaitingPeer.Schema, stored.Key, waiting, stored.Version, waiting.Since + options.WaitingLife);
        unit.Report(new Fact.Administered(NoobIdentifiers.Subject(waiting.PeerId), "OOB message received", account));
        await CommitAsync(unit, cancel);
        return View(waiting);
    }

    /// <summary>Server to peer: a message for the user to take to the device. The two newest are valid.</summary>
    /// <exception cref="NoobException">As <see cref="ReceiveAsync"/>.</exception>
    public async ValueTask<OobMessage> IssueAsync(string peerId, string account, Caller caller, CancellationToken cancel)
    {
        var unit = store.Begin(caller);
        if (await GetAsync(unit, peerId, cancel) is not { Value: var waiting } stored)
            throw new NoobException(NoobErrorCode.UnexpectedPeerId, "P", "No such device waits here.");
        if (!waiting.Dirp.HasFlag(OobDirections.ServerToPeer))
            throw new NoobException(NoobErrorCode.NoCommonDirection, "P", "This device shows a code, it takes none.");
        if (waiting.Account.Length > 0 && waiting.Account != account)
            throw new NoobException(NoobErrorCode.StateMismatch, "P", "Another account has begun to register this device.");
        byte[] noob = chance.Bytes(16, "EAP-NOOB.Noob");
        var issued = waiting.Issued.Add(new IssuedNoob(new SecretBytes(noob), caller.Wall));
        waiting = waiting with { Issued = issued.Length > 2 ? issued.RemoveRange(0, issued.Length - 2) : issued, Account = account };
        unit.Replace(WaitingPeer.Schema, stored.Key, waiting, stored.Version, waiting.Since + options.WaitingLife);
        unit.Report(new Fact.Administered(NoobIdentifiers.Subject(peerId), "OOB message issued", account));
        await CommitAsync(unit, cancel);
        return new OobMessage(peerId, noob, HashInput.Hoob(OobDirections.ServerToPeer, waiting.HashInput.Span, noob));
    }

    /// <summary>Forgets a registered device: it gets error 2002 until it is reset itself.</summary>
    /// <returns>False: there is none.</returns>
    public async ValueTask<bool> RemoveAsync(string peerId, string by, Caller caller, CancellationToken cancel)
    {
        var unit = store.Begin(caller);
        if (!NoobIdentifiers.IsOurs(peerId) || await unit.GetAsync(RegisteredPeer.Schema, NoobIdentifiers.Key(peerId), cancel) is not { } stored)
            return false;
        unit.Delete(RegisteredPeer.Schema, stored.Key, stored.Version);
        unit.Report(new Fact.Administered(NoobIdentifiers.Subject(peerId), "association removed", by));
        await CommitAsync(unit, cancel);
        return true;
    }

    private static async ValueTask CommitAsync(IUnitOfWork unit, CancellationToken cancel)
    {
        try
        {
            await unit.CommitAsync(cancel);
        }
        catch (ConflictException e)
        {
            throw new NoobException(NoobErrorCode.ApplicationError, "P", "Somebody else did something with this device just now.", e);
        }
    }
}
