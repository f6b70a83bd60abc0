using System.Security.Cryptography;

namespace Hatchery.Dtls;

/// <summary>What both sides of a handshake share: order, flights, timer, keys, and waiting for answers.</summary>
internal abstract class HandshakeMachine(DtlsSession session, Moment now, ushort nextToReceive, ushort nextToSend) : IDisposable
{
    private const int SmallMtu = 508;
    private readonly TimeSpan _giveUp = now.Elapsed + session.Options.Timers.Handshake;
    private readonly Reassembly _incoming = new(session.Options.Limits.HandshakeMessage, session.Options.Limits.Reassembly, nextToReceive);
    private TimeSpan _interval = session.Options.Timers.Initial, _resendAt = Moment.Never, _sentAt;
    private int _retransmissions;
    private Flight _flight = new();
    private bool _ccsArrived, _suspended, _over;
    private byte[]? _early;
    private RecordProtection? _nextRead, _nextWrite;
    private ushort _sendSequence = nextToSend;

    protected DtlsSession Session { get; } = session;
    protected DtlsOptions Options => Session.Options;
    protected Chance Chance => Session.Host.Chance;
    protected Transcript Transcript { get; } = new();
    protected byte[] Randoms { get; } = new byte[64];
    protected SuiteInfo Suite { get; set; } = SuiteInfo.All[0];
    protected bool UsesExtendedMaster { get; set; }
    protected bool UsesEncryptThenMac { get; set; }
    protected byte[]? Master { get; private set; }
    protected byte[]? KeyBlock { get; private set; }
    /// <summary>RFC 6066 or RFC 8449; bytes of content that the peer takes.</summary>
    protected int MaxData { get; set; } = 16384;

    public bool WritesProtected { get; private set; }
    public bool HasSent { get; private set; }

    /// <summary>With PSK and EC-JPAKE a wrong secret shows when the Finished does not decrypt, and one try is all there is.</summary>
    public bool WrongKeyShowsInFinished => Session.ReadsProtected && Suite.KeyExchange is KeyExchange.Psk or KeyExchange.EcdhePsk or KeyExchange.Ecjpake;

    public TimeSpan Deadline => _resendAt < _giveUp ? _resendAt : _giveUp;

    /// <summary>The state is one in which ChangeCipherSpec comes next.</summary>
    protected abstract bool AwaitsChangeCipherSpec { get; }
    protected abstract void ChangedCipherSpec();
    protected abstract void Process(HandshakeType type, ReadOnlySpan<byte> body, Moment now);

    // ---- in ----

    public void ReceiveFragments(ReadOnlySpan<byte> content, bool isProtected, Moment now)
    {
        bool repeats = false;
        while (FragmentHeader.TryRead(content, out var header))
        {
            var bytes = content.Slice(FragmentHeader.Size, header.FragmentLength);
            content = content[(FragmentHeader.Size + header.FragmentLength)..];
            if (header.Type == HandshakeType.HelloRequest)
                continue;
            // An unprotected message of a protected epoch, or a Finished that is not protected, is somebody else's.
            bool isOld = (ushort)(header.MessageSequence - _incoming.Next) >= 0x8000;
            if (!isOld && (isProtected != Session.ReadsProtected || header.Type == HandshakeType.Finished && !isProtected))
                continue;
            repeats |= _incoming.Add(header, bytes) == Reassembly.Verdict.Old;
        }
        if (repeats)
            PeerRepeats(now);
        Advance(now);
    }

    /// <summary>Kept for reordering within a flight only: it is applied when its turn has come.</summary>
    public void ChangeCipherSpecArrived(Moment now)
    {
        if (Session.ReadsProtected)
            return;
        _ccsArrived = true;
        Advance(now);
    }

    /// <summary>A protected record that came before the key.</summary>
    public void KeepEarly(ReadOnlySpan<byte> record)
    {
        if (_early is null && record.Length <= DtlsSession.LongestEarlyRecord)
            _early = record.ToArray();
    }

    private void Advance(Moment now)
    {
        while (!_suspended && !_over)
        {
            if (AwaitsChangeCipherSpec && _ccsArrived && _nextRead is { } read)
            {
                _ccsArrived = false;
                _incoming.Clear();
                Session.InstallRead(read);
                _nextRead = null;
                ChangedCipherSpec();
                if (_early is { } record)
                {
                    _early = null;
                    Session.ReceiveEarly(record, now);
                }
                continue;
            }
            if (!_incoming.TryTake(out var type, out ushort sequence, out byte[] body))
                return;
            // The first two are over the messages before them, and are added by who verifies them.
            if (type is not (HandshakeType.Finished or HandshakeType.CertificateVerify or HandshakeType.HelloVerifyRequest))
                Transcript.Add(type, sequence, body);
            Process(type, body, now);
        }
    }

    protected void AddReceived(HandshakeType type, ReadOnlySpan<byte> body) => Transcript.Add(type, (ushort)(_incoming.Next - 1), body);

    protected static DtlsException Unexpected(HandshakeType type, object state) =>
        new(DtlsAlert.UnexpectedMessage, type.ToString(), $"{type} is not what comes next ({state}).");

    // ---- out ----

    protected void NewFlight() => _flight = new();

    protected void Add(HandshakeType type, byte[] body)
    {
        ushort sequence = _sendSequence++;
        Transcript.Add(type, sequence, body);
        _flight.Add(type, sequence, body, WritesProtected);
    }

    protected void AddChangeCipherSpec()
    {
        _flight.AddChangeCipherSpec();
        Session.InstallWrite(_nextWrite!);
        _nextWrite = null;
        WritesProtected = true;
    }

    /// <param name="awaitsReply">False: this is the last flight.</param>
    protected void Transmit(Moment now, bool awaitsReply)
    {
        if (_retransmissions == 0)
            _interval = Options.Timers.Initial;
        _retransmissions = 0;
        _sentAt = now.Elapsed;
        _resendAt = awaitsReply ? now.Elapsed + _interval : Moment.Never;
        HasSent = true;
        _flight.Transmit(Session, Options.Mtu, false);
    }

    protected Flight SentFlight => _flight;

    private void Resend(Moment now)
    {
        _sentAt = now.Elapsed;
        _flight.Transmit(Session, _retransmissions > 2 ? Math.Min(Options.Mtu, SmallMtu) : Options.Mtu, true);
    }

    /// <summary>The peer sends its flight again, so ours was lost: at most once per half interval, or two could keep each other busy.</summary>
    private void PeerRepeats(Moment now)
    {
        if (_suspended || _flight.IsEmpty || _resendAt == Moment.Never || now.Elapsed - _sentAt < _interval / 2)
            return;
        Resend(now);
    }

    public void Tick(Moment now)
    {
        if (now.Elapsed >= _giveUp)
        {
            Session.TimedOut($"The handshake took longer than {Options.Timers.Handshake.TotalSeconds:0.###} s.");
            return;
        }
        if (now.Elapsed < _resendAt)
            return;
        if (++_retransmissions > Options.Timers.Retransmissions)
        {
            Session.TimedOut($"The peer did not answer {_retransmissions} times.");
            return;
        }
        _interval = 2 * _interval < Options.Timers.Longest ? 2 * _interval : Options.Timers.Longest;
        _resendAt = now.Elapsed + _interval;
        Resend(now);
    }

    // ---- questions ----

    /// <summary>Stops the handshake until the answer is there.</summary>
    protected void Ask(DtlsQuestion question, Action<DtlsAnswer, Moment> then)
    {
        _suspended = true;
        _resendAt = Moment.Never;
        Session.Host.Ask(question, (answer, now) =>
        {
            if (_over || Session.IsEnded)
                return;
            _suspended = false;
            Session.Guarded(now, at =>
            {
                then(answer, at);
                Advance(at);
            });
        });
    }

    /// <summary>By the identity's key, or by whoever holds it.</summary>
    protected void Sign(DtlsIdentity identity, DtlsSignatureScheme scheme, ReadOnlySpan<byte> message, string use, Moment now, Action<byte[], Moment> then)
    {
        byte[] hash = CertificateMessage.Hash(scheme, message);
        if (identity.Key is { } key)
        {
            then(Chance.Signer(key, use).SignHash(hash, DSASignatureFormat.Rfc3279DerSequence), now);
            return;
        }
        Ask(new DtlsQuestion.Sign(Session, scheme, hash), (answer, at) => then((answer as DtlsAnswer.Signed)?.Signature
            ?? throw new DtlsException(DtlsAlert.InternalError, "signature", "Nobody made the signature."), at));
    }

    /// <summary>Whether what the peer proved to hold is trusted.</summary>
    protected void Judge(DtlsPeerCredential peer, string? serverName, Moment now, Action<Moment> then)
    {
        if (Options.AskTrust)
        {
            Ask(new DtlsQuestion.Judge(Session, peer), (answer, at) => Go((answer as DtlsAnswer.Judged ?? new(new(DtlsAlert.InternalError, "Nobody judged."))).Refusal, at));
            return;
        }
        Go(Options.Trust is { } trust ? trust(peer, serverName, now) : new(DtlsAlert.UnknownCa, "Nothing is trusted."), now);

        void Go(DtlsRefusal? refusal, Moment at)
        {
            if (refusal is not null)
                throw new DtlsException(refusal.Alert, "Certificate", refusal.Sentence);
            then(at);
        }
    }

    // ---- keys ----

    /// <summary>Zeroes the premaster secret.</summary>
    protected void DeriveMaster(byte[] premaster)
    {
        if (UsesExtendedMaster)
        {
            Span<byte> hash = stackalloc byte[48];
            Master = KeySchedule.ExtendedMaster(Suite.Hash, premaster, Transcript.Hash(Suite.Hash, hash));
        }
        else
            Master = KeySchedule.Master(Suite.Hash, premaster, Randoms);
        CryptographicOperations.ZeroMemory(premaster);
        DeriveKeys();
    }

    protected void ResumeMaster(SecretBytes master)
    {
        Master = master.Reveal().ToArray();
        DeriveKeys();
    }

    private void DeriveKeys()
    {
        KeyBlock = KeySchedule.KeyBlock(Suite, Master, Randoms);
        _nextWrite = KeySchedule.Protection(Suite, KeyBlock, Session.IsClient, true, UsesEncryptThenMac);
        _nextRead = KeySchedule.Protection(Suite, KeyBlock, !Session.IsClient, false, UsesEncryptThenMac);
    }

    protected byte[] MakeFinished()
    {
        byte[] verify = new byte[KeySchedule.VerifyDataLength];
        Span<byte> hash = stackalloc byte[48];
        KeySchedule.VerifyData(Suite, Master, Session.IsClient, Transcript.Hash(Suite.Hash, hash), verify);
        return verify;
    }

    protected void CheckFinished(ReadOnlySpan<byte> body)
    {
        Span<byte> hash = stackalloc byte[48], verify = stackalloc byte[KeySchedule.VerifyDataLength];
        KeySchedule.VerifyData(Suite, Master, !Session.IsClient, Transcript.Hash(Suite.Hash, hash), verify);
        if (!CryptographicOperations.FixedTimeEquals(verify, body))
            throw new DtlsException(DtlsAlert.DecryptError, "Finished.verify_data", "The peer saw another handshake.");
        AddReceived(HandshakeType.Finished, body);
    }

    protected void Complete(DtlsConnection connection, Flight? lastFlight, Moment now)
    {
        _over = true;
        Session.Complete(connection, lastFlight, now);
        Dispose();
    }

    protected SecretBytes KeyBlockToKeep() => new(Suite.KeyExchange == KeyExchange.Ecjpake ? KeyBlock : []);

    public void Dispose()
    {
        _over = true;
        _nextRead?.Dispose();
        _nextWrite?.Dispose();
        CryptographicOperations.ZeroMemory(Master);
        CryptographicOperations.ZeroMemory(KeyBlock);
        Forget();
    }

    /// <summary>Of what only the handshake needed.</summary>
    protected abstract void Forget();
}
