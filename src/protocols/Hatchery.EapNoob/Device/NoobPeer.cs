using System.Collections.Immutable;
using System.Security.Cryptography;
using Hatchery.EapNoob.Messages;
using Hatchery.Radius.Eap;

namespace Hatchery.EapNoob.Device;

/// <summary>A device: tries to get into the network until it is registered and let in, with the help of its user; begun in state 4, it reconnects (RFC 9140 §3.2, §3.4).
/// <para>Humans: it shows <see cref="NoobSteps.ShowAtPeer"/> (a URL to scan), asks for <see cref="NoobSteps.DeliverToPeer"/> (a URL or its query, typed or scanned), and takes
/// <see cref="NoobSteps.PowerOn"/> as the user's wish not to wait.</para></summary>
public sealed class NoobPeer(NoobPeerState state, NoobPeerOptions options, Chance chance) : IParty<NoobPeerState>, IDisposable
{
    /// <summary>As many as NoobTimeout and the longest SleepTime make.</summary>
    private const int MaxNoobs = 4;

    private PeerConversation? _conversation;
    private SecretText? _input;
    private readonly List<TimeSpan> _since = [];
    private TimeSpan _wake = Moment.Never;
    private int _nai, _failures;
    private bool _asks, _ended, _alerted;

    public NoobPeerState State { get; private set; } = state;

    /// <summary>Keys of the conversation that succeeded; null before.</summary>
    public EapKeys? Keys { get; private set; }

    public TimeSpan Deadline
    {
        get
        {
            if (_ended || _conversation is not null)
                return Moment.Never;
            return ShowsNoobs && _since.Count > 0 && _since[^1] + options.NoobTimeout / 2 is var renewal && renewal < _wake ? renewal : _wake;
        }
    }

    private bool ShowsNoobs => State.State == AssociationState.WaitingForOob && State.Dirp.HasFlag(OobDirections.PeerToServer);

    public void Start(Moment now, Moves<NoobPeerState> moves)
    {
        // What was shown before counts from now: how long the device was off it cannot know.
        foreach (var _ in State.Noobs)
            _since.Add(now.Elapsed);
        if (ShowsNoobs && State.Noobs.Length > 0)
            moves.Show(Prompt(State.Noobs[^1].Noob));
        if (State.State == AssociationState.WaitingForOob)
            Ask(moves);
        Connect(now, moves);
    }

    private void Connect(Moment now, Moves<NoobPeerState> moves)
    {
        // Whoever is registered and begins again has lost its keys or its place (RFC 9140 §3.4).
        if (State.State == AssociationState.Registered)
            State = State with { State = AssociationState.Reconnecting };
        _wake = Moment.Never;
        _conversation = new PeerConversation(State, Nai(), options, chance);
        moves.Connect(options.Network);
    }

    private string Nai()
    {
        if (State.State != AssociationState.Unregistered)
            return State.Nai;
        return State.ConfiguredNai.Length > 0 ? State.ConfiguredNai : options.Nais[_nai];
    }

    public void Receive(IMessage message, Moment now, Moves<NoobPeerState> moves)
    {
        if (_conversation is not { } conversation)
            return;
        switch (message)
        {
            case IdentityRequest:
                moves.Send(new IdentityResponse(conversation.Nai));
                break;
            case NoobMessage request:
                Carry(conversation.Receive(request), moves);
                break;
            case ConversationEnd { Succeeded: true } when conversation.IsVerified:
                _ended = true;
                End(conversation);
                moves.End(new Outcome(true, State.Nai));
                break;
            case ConversationEnd:
                Over("The network refused.", now, moves);
                break;
        }
    }

    private void Carry(PeerTurn turn, Moves<NoobPeerState> moves)
    {
        if (turn.State is { } changed)
        {
            if (changed.Noobs.IsEmpty)
                _since.Clear();
            State = changed;
            moves.Save(State, Facts(turn));
        }
        Keys = turn.Keys ?? Keys;
        moves.Send(new PeerAnswer(turn.Answer, turn.Keys is null ? EapDecision.Fail : EapDecision.ConditionalSuccess, turn.Keys));
    }

    private ReadOnlySpan<Fact> Facts(PeerTurn turn) => turn.Answer is CompletionResponse
        ? new Fact[] { new Fact.Imparted(new Identifier("noob.peerid", State.PeerId), "Kz", null) } : default;

    public void Lost(CarrierFault fault, Moment now, Moves<NoobPeerState> moves)
    {
        if (_conversation is not { } conversation)
            return;
        if (fault.Broken is NoobException broken)
            Carry(conversation.Refuse(broken), moves);
        else
            Over(fault.Reason, now, moves);
    }

    /// <summary>The conversation ended without success, which is how an Initial and a Waiting Exchange are to end.</summary>
    private void Over(string reason, Moment now, Moves<NoobPeerState> moves)
    {
        var conversation = _conversation!;
        End(conversation);
        bool waits = State.State == AssociationState.WaitingForOob && conversation.HasBegun && conversation.Error is null;
        if (waits)
        {
            _failures = 0;
            Expire(now, moves);
            Renew(now, moves);
            Ask(moves);
            _wake = now.Elapsed + (State.SleepTime is { } seconds ? TimeSpan.FromSeconds(seconds) : options.SleepTimeDefault);
        }
        else
            Fail(conversation, reason, now, moves);
        if (_input is { } input && !_ended)
        {
            _input = null;
            Take(input, now, moves);
        }
    }

    private void Fail(PeerConversation conversation, string reason, Moment now, Moves<NoobPeerState> moves)
    {
        var error = conversation.Error;
        if (error is { } e)
            reason = e.Reason.Length > 0 ? $"Error {e.Code}: {e.Reason}" : $"Error {e.Code}.";
        if (error?.Code is 2001 or 2002 && !_alerted)
        {
            _alerted = true;
            moves.Show(new HumanPrompt(NoobSteps.AlertUser, NoobPlayers.User, error?.Code == 2002
                ? "The server does not know this device any more: it must be reset." : "The server does not want this device.", null, 0));
        }
        bool others = State.State == AssociationState.Unregistered && !conversation.HasBegun && State.ConfiguredNai.Length == 0;
        if (others)
            _nai = (_nai + 1) % options.Nais.Length;
        if (++_failures >= options.MaxFailures || error?.Code == (int)NoobErrorCode.StateMismatch)
        {
            _ended = true;
            moves.End(new Outcome(false, reason, error?.Code.ToString(System.Globalization.CultureInfo.InvariantCulture)));
            return;
        }
        if (others && _nai != 0)
        {
            // The next identity at once: it is the same attempt.
            _failures--;
            Connect(now, moves);
            return;
        }
        _wake = now.Elapsed + (error?.Code == (int)NoobErrorCode.UnwantedPeer ? options.UnwantedBackoff : Backoff());
    }

    /// <summary>Give or take a quarter.</summary>
    private TimeSpan Backoff()
    {
        var wait = options.Backoff * Math.Pow(2, Math.Min(_failures - 1, 16));
        if (wait > options.MaxBackoff)
            wait = options.MaxBackoff;
        return wait * (0.75 + 0.5 * chance.Bytes(1, "EAP-NOOB.backoff")[0] / 255);
    }

    /// <summary>A Noob expires with a probe that found nothing, not before: the user may have delivered it while the device slept (RFC 9140 §3.2.5).</summary>
    private void Expire(Moment now, Moves<NoobPeerState> moves)
    {
        int old = _since.TakeWhile(s => now.Elapsed - s > options.NoobTimeout).Count();
        if (old == 0)
            return;
        _since.RemoveRange(0, old);
        Save(State with { Noobs = State.Noobs.RemoveRange(0, old) }, moves);
    }

    /// <summary>Shows a new Noob when there is none, or the last is half its life old, so that what a user sees is good for a while.</summary>
    private void Renew(Moment now, Moves<NoobPeerState> moves)
    {
        if (!ShowsNoobs || (_since.Count > 0 && now.Elapsed - _since[^1] < options.NoobTimeout / 2))
            return;
        var noob = new SecretBytes(chance.Bytes(16, "EAP-NOOB.Noob"));
        var noobs = State.Noobs.Add(new IssuedNoob(noob, now.Wall));
        _since.Add(now.Elapsed);
        if (noobs.Length > MaxNoobs)
        {
            noobs = noobs.RemoveAt(0);
            _since.RemoveAt(0);
        }
        Save(State with { Noobs = noobs }, moves);
        moves.Show(Prompt(noob));
    }

    private HumanPrompt Prompt(SecretBytes noob)
    {
        var message = new OobMessage(State.PeerId, noob.Reveal(), HashInput.Hoob(OobDirections.PeerToServer, State.HashInput.Span, noob.Reveal()));
        string? url = Infos.Text(State.ServerInfo, "ServerURL") ?? Infos.Text(State.ServerInfo, "Url");
        string? name = Infos.Text(State.ServerInfo, "ServerName") ?? Infos.Text(State.ServerInfo, "Name");
        return new HumanPrompt(NoobSteps.ShowAtPeer, NoobPlayers.User, $"Open this address{(name is null ? "" : $" of {name}")} to register the device.",
            url is null ? message.ToQuery() : message.ToUrl(url), OobMessage.EntropyBits);
    }

    private void Ask(Moves<NoobPeerState> moves)
    {
        if (_asks || !State.Dirp.HasFlag(OobDirections.ServerToPeer))
            return;
        _asks = true;
        string? name = Infos.Text(State.ServerInfo, "ServerName") ?? Infos.Text(State.ServerInfo, "Name");
        moves.Ask(new HumanPrompt(NoobSteps.DeliverToPeer, NoobPlayers.User, $"Enter the code that {name ?? "the server"} shows for this device.", null, OobMessage.EntropyBits));
    }

    public void Answered(HumanAnswer answer, Moment now, Moves<NoobPeerState> moves)
    {
        if (_ended)
            return;
        if (answer.Kind == NoobSteps.PowerOn && _conversation is null)
            Connect(now, moves);
        else if (answer.Kind == NoobSteps.DeliverToPeer && answer.Value is { } value)
        {
            _asks = false;
            if (_conversation is not null)
                _input = value;
            else
                Take(value, now, moves);
        }
    }

    /// <summary>An OOB message from the server (RFC 9140 §3.2.3).</summary>
    private void Take(SecretText text, Moment now, Moves<NoobPeerState> moves)
    {
        if (State.State != AssociationState.WaitingForOob || !State.Dirp.HasFlag(OobDirections.ServerToPeer))
            return;
        OobMessage? message = null;
        try
        {
            message = OobMessage.Parse(text.Reveal());
        }
        catch (NoobException)
        {
        }
        bool valid = message is not null && message.PeerId.Equals(State.PeerId, StringComparison.Ordinal)
            && CryptographicOperations.FixedTimeEquals(HashInput.Hoob(OobDirections.ServerToPeer, State.HashInput.Span, message.Noob.Reveal()), message.Hoob.Span);
        if (valid)
        {
            Save(State with { State = AssociationState.OobReceived, ReceivedNoob = message!.Noob }, moves);
            Connect(now, moves);
            return;
        }
        int failures = State.OobFailures + 1;
        if (failures >= options.OobRetries)
        {
            _since.Clear();
            Save(State.Unregister(), moves);
            Connect(now, moves);
            return;
        }
        Save(State with { OobFailures = failures }, moves);
        moves.Show(new HumanPrompt(NoobSteps.AlertUser, NoobPlayers.User, "This code is not right for this device.", null, 0));
        Ask(moves);
    }

    private void Save(NoobPeerState changed, Moves<NoobPeerState> moves)
    {
        State = changed;
        moves.Save(State);
    }

    public void Supplied(Supply supply, Moment now, Moves<NoobPeerState> moves) { }

    public void Tick(Moment now, Moves<NoobPeerState> moves)
    {
        if (_ended || _conversation is not null)
            return;
        if (now.Elapsed >= _wake)
            Connect(now, moves);
        else
            Renew(now, moves);
    }

    private void End(PeerConversation conversation)
    {
        conversation.Dispose();
        _conversation = null;
    }

    public void Dispose() => _conversation?.Dispose();
}
