using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using Hatchery.Pki;
using Hatchery.Tls;

namespace Hatchery.Est.Device;

/// <summary>An EST client (RFC 7030). It judges the server itself, by its two trust anchor databases, before it says anything but GET /cacerts: the carrier accepts any server for
/// now and reports the chain. A key is saved before it is asked for, a certificate before the old one is given up.</summary>
public sealed class EstDevice(EstDeviceState state, EstDeviceOptions options, Chance chance) : IParty<EstDeviceState>
{
    private enum Waits { Nothing, Channel, CaCerts, Fingerprint, Password, CsrAttrs, Certificate, Retry, Confirmation, Renewal }

    private static readonly TimeSpan s_noRetryAfter = TimeSpan.FromSeconds(60);
    private const int MaxRedirects = 5;

    private Waits _waits;
    private string _host = "", _label = "";
    private int _port;
    private string? _identity;
    private bool _authorized, _haveAnchors, _confirming, _renewing;
    private TrustSource _source;
    private ReadOnlyMemory<byte> _binding;
    private string? _boundTo;
    private CsrDemands? _demands;
    private ImmutableArray<Certificate> _offered = [];
    private ReadOnlyMemory<byte> _keyAsked;
    private byte[] _senderNonce = [];
    private HttpChallenge? _challenge;
    private int _nonceCount, _challenged, _failures, _redirects, _waited;

    public EstDeviceState State { get; private set; } = state;
    public TimeSpan Deadline { get; private set; } = Moment.Never;
    /// <summary>What the server wants in requests; null: it was not asked yet.</summary>
    public CsrDemands? Demands => _demands;

    public void Start(Moment now, Moves<EstDeviceState> moves)
    {
        if (ParseServer(State.Server) is not var (host, port, label))
        {
            moves.End(new Outcome(false, $"'{State.Server}' is no server of the form host:port/label."));
            return;
        }
        (_host, _port, _label) = (host, port, label);
        if (options.Goal == EstGoal.Reenroll && State.Chain.IsEmpty)
        {
            moves.End(new Outcome(false, "There is no certificate to renew."));
            return;
        }
        _renewing = !State.Chain.IsEmpty && (options.Goal == EstGoal.Reenroll || options.Goal == EstGoal.Enroll && IsDue(now));
        if (options.Goal == EstGoal.Enroll && !State.Chain.IsEmpty && !_renewing)
        {
            _confirming = !State.Confirmed || options.ProveOperation;
            if (!_confirming)
            {
                Done("enrolled before", now, moves);
                return;
            }
        }
        if (State.PendingUntil is { } until && now.Wall is { } wall && until > wall)
        {
            (_waits, Deadline) = (Waits.Retry, now.Elapsed + (until - wall));
            return;
        }
        bool needsPassword = options.Srp || options.AskPassword && options.Goal is not (EstGoal.CaCerts or EstGoal.CsrAttrs) && !(options.Bootstrap && State.ExplicitAnchors.IsEmpty);
        if (needsPassword && State.Password is null && State.Chain.IsEmpty)
            AskPassword(moves);
        else
            Connect(now, moves);
    }

    private bool IsDue(Moment now) => now.Wall is { } wall && wall >= DeviceTrust.RenewalAt(State, options.RenewAt);

    private void Connect(Moment now, Moves<EstDeviceState> moves)
    {
        Deadline = Moment.Never;
        (_authorized, _challenged, _boundTo) = (false, 0, null);
        (_binding, _challenge) = (default, null);
        bool usable = !State.Chain.IsEmpty && (now.Wall is not { } wall || Certificate.Parse(State.Chain[0]).NotAfter > wall);
        _identity = usable ? EstDeviceState.CertificateItem : !State.IdentityChain.IsEmpty ? EstDeviceState.IdentityItem : null;
        ChannelSecurity security = options.Psk is not null ? options.Psk
            : options.Srp && State.Password is { } password && !usable ? new SrpSecurity(State.User, password)
            : new ChannelSecurity.Certificates(_identity, [], Provisional: true, []);
        moves.Connect(new Destination("https", _host, _port, security, _confirming && options.ProveOperation ? EstPlayers.DomainService : EstPlayers.Server));
        _waits = Waits.Channel;
    }

    public void Supplied(Supply supply, Moment now, Moves<EstDeviceState> moves)
    {
        if (supply is not Supply.ServerChain shown)
            return;
        _binding = ChannelBinding.Of(shown.TlsUnique, shown.TlsExporter);
        // The carrier made the same connection anew, to a server with the same certificate.
        if (_waits != Waits.Channel)
            return;
        bool bySecret = options.Psk is not null || options.Srp && shown.Chain.IsEmpty;
        if (!bySecret)
        {
            var verdict = DeviceTrust.Authorize(State, shown.Chain, _host, now);
            (_authorized, _source) = (verdict.Path is not null, verdict.Source);
            bool mayBootstrap = options.Bootstrap && State.ExplicitAnchors.IsEmpty;
            if (!_authorized && !mayBootstrap)
            {
                moves.End(new Outcome(false, $"The server is not authorized: {verdict.Refusal!.FieldName}: {verdict.Refusal.Message}"));
                return;
            }
        }
        else
            (_authorized, _source) = (true, TrustSource.None);
        Next(now, moves);
    }

    /// <summary>What is due on this connection.</summary>
    private void Next(Moment now, Moves<EstDeviceState> moves)
    {
        if (_confirming)
        {
            if (options.ProveOperation)
                moves.Send(new ServiceUse());
            else
                Send(EstOperation.CaCerts, default, moves);
            _waits = Waits.Confirmation;
        }
        else if (!_authorized || NeedsAnchors(now))
        {
            Send(EstOperation.CaCerts, default, moves);
            _waits = Waits.CaCerts;
        }
        else if (options.Goal == EstGoal.CaCerts)
            Done("the CA certificates were fetched", now, moves);
        else if (options.AskPassword && State.Password is null && State.Chain.IsEmpty && options.Goal != EstGoal.CsrAttrs)
            AskPassword(moves);
        else if (_demands is null)
        {
            Send(EstOperation.CsrAttrs, default, moves);
            _waits = Waits.CsrAttrs;
        }
        else
            Request(now, moves);
    }

    private bool NeedsAnchors(Moment now) => !_haveAnchors
        && (options.Goal == EstGoal.CaCerts || State.ExplicitAnchors.IsEmpty || State.AnchorsAt is not { } at || now.Wall is { } wall && wall > at + options.AnchorsFor || State.Chain.IsEmpty);

    private void AskPassword(Moves<EstDeviceState> moves)
    {
        _waits = Waits.Password;
        // Ten characters of base 32, as the administrator gives them out.
        moves.Ask(new HumanPrompt(EstSteps.TypePassword, EstPlayers.Installer, "User name and password for the EST server, separated by a colon", null, 50));
    }

    private void Send(EstOperation operation, ReadOnlyMemory<byte> payload, Moves<EstDeviceState> moves) =>
        moves.Send(new EstRequest(operation, _label, payload) { Authorization = Authorization(operation) });

    /// <summary>Only for a server that was authorized, and only after it has asked (RFC 7030, section 3.2.3).</summary>
    private string? Authorization(EstOperation operation) => _authorized && _challenge is not null && State.Password is { } password
        ? _challenge.Answer(State.User, password, Transport.EstHttp.Method(operation), Transport.EstHttp.Path(operation, _label), ++_nonceCount, chance) : null;

    public void Receive(IMessage message, Moment now, Moves<EstDeviceState> moves)
    {
        _failures = 0;
        try
        {
            switch (message)
            {
                case ServiceAccept { Accepted: true } when _waits == Waits.Confirmation:
                case CaCertsResponse when _waits == Waits.Confirmation:
                    Confirmed(now, moves);
                    break;
                case ServiceAccept or RefusedResponse when _waits == Waits.Confirmation:
                    moves.End(new Outcome(false, "The certificate that was issued is not accepted."));
                    break;
                case CaCertsResponse ca when _waits == Waits.CaCerts:
                    Take(ca, now, moves);
                    break;
                case CsrAttrsResponse attributes when _waits == Waits.CsrAttrs:
                    _demands = Read(attributes);
                    if (options.Goal == EstGoal.CsrAttrs)
                        moves.End(new Outcome(true, "the CSR attributes were fetched"));
                    else
                        Next(now, moves);
                    break;
                case CertificateResponse issued when _waits == Waits.Certificate:
                    Install(DeviceTrust.Issued(State, issued.Certificates, _keyAsked, now), State.PendingKey!, now, moves);
                    break;
                case FullCmcResponse cmc when _waits == Waits.Certificate:
                    Take(cmc.Content, now, moves);
                    break;
                case RefusedResponse { Cmc.IsEmpty: false } refused when _waits == Waits.Certificate:
                    Take(refused.Cmc, now, moves);
                    break;
                case ServerKeyGenResponse made when _waits == Waits.Certificate && options.Goal == EstGoal.ServerKeyGen:
                    Install(made, now, moves);
                    break;
                case PendingResponse pending:
                    Wait(pending, now, moves);
                    break;
                case RefusedResponse { Status: 401 } refused:
                    Challenged(refused, now, moves);
                    break;
                case RefusedResponse when _waits == Waits.CsrAttrs:
                    _demands = CsrDemands.None;
                    Next(now, moves);
                    break;
                case RefusedResponse { Status: 403 } when _waits == Waits.Certificate && _boundTo is not null && _boundTo != ChannelBinding.Password(_binding):
                    // The connection was made anew between the signature and the request.
                    Request(now, moves);
                    break;
                case RefusedResponse refused:
                    moves.End(new Outcome(false, $"The server answers {refused.Status}{(refused.Text.Length > 0 ? ": " + refused.Text : "")}", refused.StatusText));
                    break;
                case RedirectResponse redirect:
                    Follow(redirect, now, moves);
                    break;
                default:
                    moves.End(new Outcome(false, $"{message.Kind} was not expected."));
                    break;
            }
        }
        catch (PkiException e)
        {
            throw EstException.Of(e);
        }
    }

    private static CsrDemands Read(CsrAttrsResponse response) => response.Attributes.IsEmpty ? CsrDemands.None : CsrAttributes.Parse(response.Attributes).Demands();

    /// <summary>Section 4.1: what an authorized server sends is taken; what another one sends must be confirmed.</summary>
    private void Take(CaCertsResponse response, Moment now, Moves<EstDeviceState> moves)
    {
        var offered = DeviceTrust.Offered(response);
        if (_authorized)
        {
            var update = _source == TrustSource.Explicit ? AnchorUpdate.Learn(DeviceTrust.Explicit(State), offered, now.Wall) : AnchorUpdate.First(offered, null, now.Wall);
            if (update.Store.IsEmpty)
            {
                moves.End(new Outcome(false, "The server's CA certificates hold no usable root; what was trusted before stays."));
                return;
            }
            _haveAnchors = true;
            State = DeviceTrust.Take(State, update, implicitOff: State.ImplicitOff, now);
            moves.Save(State, new Fact.Imparted(Subject, "trust anchors of the EST CA", null));
            Next(now, moves);
            return;
        }
        var root = AnchorUpdate.Candidate(offered);
        if (root is null)
        {
            moves.End(new Outcome(false, "The server's CA certificates hold no root."));
            return;
        }
        _offered = offered;
        if (!options.RootSha256.IsEmpty)
        {
            if (System.Security.Cryptography.CryptographicOperations.FixedTimeEquals(root.Sha256(), options.RootSha256.Span))
                Confirm(root, now, moves);
            else
                moves.End(new Outcome(false, $"The root's fingerprint is {Convert.ToHexStringLower(root.Sha256())}, another one than was given. Nothing was taken."));
            return;
        }
        _waits = Waits.Fingerprint;
        string fingerprint = Convert.ToHexString(root.Sha256());
        moves.Show(new HumanPrompt(EstSteps.ShowFingerprint, EstPlayers.Installer, $"SHA-256 of {root.SubjectText}", new SecretText(fingerprint), 256));
        moves.Ask(new HumanPrompt(EstSteps.CompareFingerprint, EstPlayers.Installer, $"Is {fingerprint} the fingerprint that you were given?", new SecretText(fingerprint), 256));
    }

    public void Answered(HumanAnswer answer, Moment now, Moves<EstDeviceState> moves)
    {
        if (_waits == Waits.Fingerprint && answer.Kind == EstSteps.CompareFingerprint)
        {
            if (answer.Confirmed)
                Confirm(AnchorUpdate.Candidate(_offered)!, now, moves);
            else
                moves.End(new Outcome(false, "The fingerprint was not confirmed. Nothing was taken."));
        }
        else if (_waits == Waits.Password && answer.Kind == EstSteps.TypePassword)
        {
            string typed = answer.Value?.Reveal() ?? "";
            int colon = typed.IndexOf(':', StringComparison.Ordinal);
            if (!answer.Confirmed || colon < 0)
            {
                moves.End(new Outcome(false, "No user name and password were given."));
                return;
            }
            State = State with { User = typed[..colon], Password = new SecretText(typed[(colon + 1)..]) };
            moves.Save(State);
            if (_authorized)
                Next(now, moves);
            else
                Connect(now, moves);
        }
    }

    /// <summary>From here on the server must prove itself by this anchor: a new connection.</summary>
    private void Confirm(Certificate root, Moment now, Moves<EstDeviceState> moves)
    {
        State = DeviceTrust.Take(State, AnchorUpdate.First(_offered, root, now.Wall), implicitOff: true, now);
        _haveAnchors = true;
        moves.Save(State, new Fact.Imparted(Subject, "trust anchor of the EST CA", null));
        Connect(now, moves);
    }

    private void Request(Moment now, Moves<EstDeviceState> moves)
    {
        if (options.Goal == EstGoal.ServerKeyGen)
        {
            // Its signature is not looked at; the key is thrown away.
            using var unused = DeviceRequest.NewKey(CsrDemands.None, options, chance);
            Ask(EstOperation.ServerKeyGen, unused, CsrDemands.None with { ChallengePassword = _demands!.ChallengePassword }, null, options.KeyGenAttributes, now, moves);
            return;
        }
        if (State.PendingKey is null)
        {
            State = State with { PendingKey = _renewing && options.KeepKey ? State.Key : DeviceRequest.NewKey(_demands!, options, chance) };
            moves.Save(State);
        }
        Ask(_renewing ? EstOperation.SimpleReenroll : EstOperation.SimpleEnroll, State.PendingKey!, _demands!, _renewing ? Certificate.Parse(State.Chain[0]) : null, [], now, moves);
    }

    private void Ask(EstOperation operation, SecretBytes key, CsrDemands demands, Certificate? replaces, ImmutableArray<RequestAttribute> attributes, Moment now, Moves<EstDeviceState> moves)
    {
        _boundTo = options.Link || demands.ChallengePassword ? ChannelBinding.Password(_binding) : null;
        if (demands.ChallengePassword && _boundTo is null)
            throw EstException.Malformed("csrattrs", "the server asks for linking of identity and proof of possession, and this TLS connection has no channel binding.");
        (var csr, _keyAsked) = DeviceRequest.Make(key, demands, State, options, replaces, _boundTo, attributes, chance);
        if (options.FullCmc is { } cmc && operation != EstOperation.ServerKeyGen)
            Send(EstOperation.FullCmc, DeviceRequest.Wrap(csr, key, State, _identity, replaces is null ? cmc : cmc with { Secret = null }, chance, now.Wall, out _senderNonce), moves);
        else
            Send(operation, csr, moves);
        _waits = Waits.Certificate;
    }

    /// <summary>A Full PKI Response must be signed under the EST CA and answer this request (RFC 5272, section 4).</summary>
    private void Take(ReadOnlyMemory<byte> content, Moment now, Moves<EstDeviceState> moves)
    {
        var response = CmcResponse.Parse(content);
        response.Verify(DeviceTrust.Explicit(State), new PathOptions { At = now.Wall }, _senderNonce, null);
        if (response.Failure is { } failure)
        {
            moves.End(new Outcome(false, $"The server answers {failure.Status}{(failure.FailInfo is { } info ? $", {info}" : "")}: {failure.Text}", failure.FailInfo?.ToString()));
            return;
        }
        var issued = response.Certificates.Where(c => c.IsAuthority || c.Key.Encoded.Span.SequenceEqual(_keyAsked.Span)).Select(c => c.Encoded);
        Install(DeviceTrust.Issued(State, CertsOnly.Encode(issued), _keyAsked, now), State.PendingKey!, now, moves);
    }

    private void Challenged(RefusedResponse refused, Moment now, Moves<EstDeviceState> moves)
    {
        if (!_authorized)
        {
            moves.End(new Outcome(false, "A server that is not authenticated asks for a password. It gets none.", refused.StatusText));
            return;
        }
        var challenge = HttpChallenge.Parse(refused.Challenges).FirstOrDefault();
        bool stale = challenge is { Stale: true } && _challenged == 1;
        if (challenge is null || State.Password is null || _challenged > 0 && !stale)
        {
            moves.End(new Outcome(false, State.Password is null ? "The server asks for user name and password, and there are none."
                : $"The server does not take user name and password{(refused.Text.Length > 0 ? ": " + refused.Text : "")}", refused.StatusText));
            return;
        }
        (_challenge, _nonceCount) = (challenge, 0);
        _challenged++;
        if (_waits == Waits.Certificate)
            Request(now, moves);
        else
            Next(now, moves);
    }

    private void Wait(PendingResponse pending, Moment now, Moves<EstDeviceState> moves)
    {
        if (options.Waits is { } most && ++_waited > most)
        {
            moves.End(new Outcome(false, $"The server says that the request waits for a decision{(pending.Text.Length > 0 ? ": " + pending.Text : "")}", pending.IsUnavailable ? "503" : "202"));
            return;
        }
        var delay = pending.RetryAfter ?? s_noRetryAfter;
        delay = delay < TimeSpan.FromSeconds(1) ? TimeSpan.FromSeconds(1) : delay > options.LongestWait ? options.LongestWait : delay;
        delay += delay * (Jitter() / 10);
        State = State with { PendingUntil = now.Wall is { } wall ? wall + delay : null };
        moves.Save(State);
        (_waits, Deadline) = (Waits.Retry, now.Elapsed + delay);
    }

    /// <summary>0 to 1.</summary>
    private double Jitter() => chance.Bytes(1, "EST.jitter")[0] / 255.0;

    private void Install(ServerKeyGenResponse made, Moment now, Moves<EstDeviceState> moves)
    {
        using var given = made.Key;
        if (made.Form == KeyForm.Pkcs8 && !options.KeyGenAttributes.IsEmpty)
            throw EstException.Malformed("key", "the key came in the clear where an encrypted one was asked for.");
        var opener = made.Form == KeyForm.Pkcs8 ? null : options.OpenKey ?? throw EstException.Malformed("key", "the key is encrypted, and there is nothing to open it with.");
        using var opened = opener?.Invoke(given.Reveal().ToArray(), DeviceTrust.Explicit(State), now.Wall);
        var key = GeneratedKey.Read((opened ?? given).Reveal(), options.Tolerance);
        Install(DeviceTrust.Issued(State, made.Certificates, key.Public.Encoded, now), GeneratedKey.Secret(key), now, moves);
    }

    private void Install(ImmutableArray<byte[]> chain, SecretBytes key, Moment now, Moves<EstDeviceState> moves)
    {
        var leaf = Certificate.Parse(chain[0]);
        State = State with
        {
            PreviousKey = State.Key,
            PreviousChain = State.Chain,
            Key = key,
            Chain = chain,
            Confirmed = false,
            PendingKey = null,
            PendingUntil = null,
            // Used up, or not needed any more: the certificate authenticates from now on.
            Password = null,
        };
        (_demands, _renewing, _confirming, _waited) = (null, false, true, 0);
        moves.Save(State, new Fact.Imparted(Subject, $"certificate {leaf.SerialText}", leaf.NotAfter));
        Connect(now, moves);
    }

    private void Confirmed(Moment now, Moves<EstDeviceState> moves)
    {
        _confirming = false;
        State = State with { Confirmed = true, PreviousKey = null, PreviousChain = [] };
        moves.Save(State);
        Done("enrolled", now, moves);
    }

    private void Done(string how, Moment now, Moves<EstDeviceState> moves)
    {
        if (!options.Stay || State.Chain.IsEmpty || now.Wall is not { } wall)
        {
            moves.End(new Outcome(true, how));
            return;
        }
        var at = DeviceTrust.RenewalAt(State, options.RenewAt + (Jitter() - 0.5) / 10);
        (_waits, Deadline) = (Waits.Renewal, at > wall ? now.Elapsed + (at - wall) : now.Elapsed);
    }

    private Identifier Subject => State.SerialNumber.Length > 0 ? new("serial", State.SerialNumber) : new("est.user", State.User);

    /// <summary>Another host needs consent (RFC 7030, section 3.2.1); the request is made anew there, for a new channel.</summary>
    private void Follow(RedirectResponse redirect, Moment now, Moves<EstDeviceState> moves)
    {
        string here = string.Create(CultureInfo.InvariantCulture, $"https://{(_host.Contains(':', StringComparison.Ordinal) ? $"[{_host}]" : _host)}:{_port}");
        if (++_redirects > MaxRedirects || !Uri.TryCreate(new Uri(here), redirect.Location, out var to) || to.Scheme != "https")
        {
            moves.End(new Outcome(false, _redirects > MaxRedirects ? "Too many redirects." : $"The redirect leads to {redirect.Location}, which is no address of an EST server.", "redirect"));
            return;
        }
        bool sameOrigin = to.IdnHost.Trim('[', ']').Equals(_host, StringComparison.OrdinalIgnoreCase) && to.Port == _port;
        if (!sameOrigin && !options.RedirectHosts.Contains(to.IdnHost))
        {
            moves.End(new Outcome(false, $"The server redirects to {to.IdnHost}, and nobody has consented to that.", "redirect"));
            return;
        }
        if (Transport.EstHttp.Parse(Uri.UnescapeDataString(to.AbsolutePath)) is not var (operation, label) || operation != redirect.Operation)
        {
            moves.End(new Outcome(false, $"The redirect leads to {to.AbsolutePath}, which is another operation.", "redirect"));
            return;
        }
        (_host, _port, _label) = (to.IdnHost.Trim('[', ']'), to.Port, label);
        Connect(now, moves);
    }

    public void Lost(CarrierFault fault, Moment now, Moves<EstDeviceState> moves)
    {
        if (fault.Broken is { } broken)
        {
            if (_waits == Waits.CsrAttrs)
            {
                _demands = CsrDemands.None;
                Next(now, moves);
            }
            else
                moves.End(new Outcome(false, broken.Message, broken.Error));
            return;
        }
        // Nothing was outstanding: a connection that idles may go.
        if (_waits is Waits.Retry or Waits.Renewal or Waits.Fingerprint or Waits.Password)
            return;
        if (++_failures > options.Attempts)
        {
            moves.End(new Outcome(false, fault.Reason));
            return;
        }
        var delay = TimeSpan.FromSeconds(Math.Min(options.LongestBackOff.TotalSeconds, options.FirstBackOff.TotalSeconds * Math.Pow(2, _failures - 1)));
        (_waits, Deadline) = (Waits.Retry, now.Elapsed + delay * (0.5 + Jitter() / 2));
    }

    public void Tick(Moment now, Moves<EstDeviceState> moves)
    {
        if (now.Elapsed < Deadline)
            return;
        Deadline = Moment.Never;
        if (_waits == Waits.Renewal)
            (_renewing, _demands) = (true, null);
        if (_waits is Waits.Retry or Waits.Renewal)
            Connect(now, moves);
    }

    /// <summary>Null: not host:port[/label].</summary>
    private static (string Host, int Port, string Label)? ParseServer(string server)
    {
        int slash = server.IndexOf('/', StringComparison.Ordinal);
        string authority = slash < 0 ? server : server[..slash], label = slash < 0 ? "" : server[(slash + 1)..];
        int colon = authority.LastIndexOf(':');
        if (colon <= 0 || !int.TryParse(authority.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out int port) || port is < 1 or > 65535)
            return null;
        return label.Length == 0 || Transport.EstHttp.IsLabel(label) ? (authority[..colon].Trim('[', ']'), port, label) : null;
    }
}
