using System.Security.Cryptography;
using Hatchery.Cryptography;

namespace Hatchery.Dtls;

/// <summary>The server's handshake, from a ClientHello whose cookie was good (RFC 6347, section 4.2; RFC 5246, section 7.4).</summary>
internal sealed class ServerHandshake : HandshakeMachine
{
    private enum Step { ClientHello, Certificate, KeyExchange, Verify, Ccs, Finished, Waits }

    private readonly DtlsServerOptions _options;
    private readonly SuiteInfo[] _suites;
    private readonly ServerMemory _memory;
    private readonly Func<ClientHello, bool> _isCookieGood;
    private Step _step = Step.ClientHello;
    private ClientHello _hello = null!;
    private EcJpake? _ecjpake;
    private AgreementKey? _key;
    private byte[] _ownId = [], _peerId = [];
    private bool _usesIds, _resumed, _givesTicket, _asksCertificate;
    private byte[] _sessionId = [];
    private CertificateForm _ownForm, _peerForm;
    private DtlsPeerCredential? _peer;
    private ReadOnlyMemory<byte>? _pskIdentity;
    private string? _protocol, _serverName;

    /// <param name="isCookieGood">Asked once more when the whole ClientHello is there.</param>
    public ServerHandshake(DtlsSession session, DtlsServerOptions options, SuiteInfo[] suites, ServerMemory memory, ushort sequence, Func<ClientHello, bool> isCookieGood, Moment now)
        : base(session, now, sequence, sequence)
    {
        (_options, _suites, _memory, _isCookieGood) = (options, suites, memory, isCookieGood);
    }

    protected override bool AwaitsChangeCipherSpec => _step == Step.Ccs;
    protected override void ChangedCipherSpec() => _step = Step.Finished;

    protected override void Process(HandshakeType type, ReadOnlySpan<byte> body, Moment now)
    {
        switch (type, _step)
        {
            case (HandshakeType.ClientHello, Step.ClientHello):
                HelloArrived(ClientHello.Parse(body), now);
                break;
            case (HandshakeType.Certificate, Step.Certificate):
                CertificateArrived(body);
                break;
            case (HandshakeType.ClientKeyExchange, Step.KeyExchange):
                KeyExchangeArrived(body, now);
                break;
            case (HandshakeType.CertificateVerify, Step.Verify):
                VerifyArrived(body, now);
                break;
            case (HandshakeType.Finished, Step.Finished):
                CheckFinished(body);
                FinishedArrived(now);
                break;
            default:
                throw Unexpected(type, _step);
        }
    }

    // ---- flight 4 ----

    private void HelloArrived(ClientHello hello, Moment now)
    {
        _hello = hello;
        // Smaller is newer.
        if (hello.Version > RecordHeader.Dtls12)
            throw new DtlsException(DtlsAlert.ProtocolVersion, "ClientHello.client_version", $"The client speaks {hello.Version:x4} at most; DTLS 1.2 is fefd.");
        if (!_isCookieGood(hello))
            throw new DtlsException(DtlsAlert.HandshakeFailure, "ClientHello.cookie", "The client changed its ClientHello behind the cookie.");
        if (hello.Extensions.Find(ExtensionType.RenegotiationInfo) is { } info && info is not [0])
            throw new DtlsException(DtlsAlert.HandshakeFailure, "ClientHello.extensions.renegotiation_info", "The client renegotiates what there is not.");
        if (hello.Extensions.List8(ExtensionType.EcPointFormats) is { } formats && !formats.Contains((byte)0))
            throw new DtlsException(DtlsAlert.IllegalParameter, "ClientHello.extensions.ec_point_formats", "Uncompressed points are missing.");
        hello.Random.CopyTo(Randoms, 0);
        Chance.Fill(Randoms.AsSpan(32), "DTLS.server_random");
        _serverName = hello.Extensions.ServerName();
        UsesExtendedMaster = hello.Extensions.HasEmpty(ExtensionType.ExtendedMasterSecret) && Options.ExtendedMasterSecret != DtlsUse.Off;
        if (!UsesExtendedMaster && Options.ExtendedMasterSecret == DtlsUse.Require)
            throw new DtlsException(DtlsAlert.InsufficientSecurity, "ClientHello.extensions", "The client has no extended master secret.");
        NewFlight();
        if (TryResume(now))
            return;
        Suite = Choose() ?? throw new DtlsException(DtlsAlert.HandshakeFailure, "ClientHello.cipher_suites", "The client offers no suite, group, scheme and form of certificate that would do.");
        var extensions = Answer();
        _sessionId = Suite.IsResumable && !_givesTicket && _options.SessionCache > 0 ? Chance.Bytes(32, "DTLS.server_session_id") : [];
        Add(HandshakeType.ServerHello, new ServerHello { Random = Randoms[32..], SessionId = _sessionId, Suite = (ushort)Suite.Id, Extensions = extensions }.Encode());
        if (Suite.HasCertificates)
            Add(HandshakeType.Certificate, CertificateMessage.Encode(Options.Identity, _ownForm));
        KeyExchange(now);
    }

    private SuiteInfo? Choose()
    {
        var groups = _hello.Extensions.List16(ExtensionType.SupportedGroups);
        var schemes = _hello.Extensions.List16(ExtensionType.SignatureAlgorithms);
        _group = Options.Groups.FirstOrDefault(g => groups is null ? g == DtlsGroup.P256 : groups.Contains((ushort)g));
        return Array.Find(_suites, s => _hello.Suites.Contains((ushort)s.Id) && Fits(s));

        bool Fits(SuiteInfo suite)
        {
            if (suite.HasEphemeral && _group == 0)
                return false;
            if (suite.KeyExchange == Dtls.KeyExchange.Ecjpake)
                return _hello.Extensions.Has(ExtensionType.EcjpakeKeys) && (groups is null || groups.Contains((ushort)DtlsGroup.P256));
            if (!suite.HasCertificates)
                return true;
            // Without the extension RFC 5246 means SHA-1, which nobody wants: the curve's own hash is assumed instead (RFC 7925, section 4.4).
            return (schemes is null || schemes.Contains((ushort)Options.Identity!.Scheme)) && (groups is null || groups.Contains((ushort)Options.Identity!.Group)) && TryForms();
        }
    }

    private DtlsGroup _group;

    private bool TryForms()
    {
        var own = Options.Identity!;
        var shown = _hello.Extensions.List8(ExtensionType.ServerCertificateType);
        bool takesRaw = shown?.Contains((byte)CertificateForm.RawKey) ?? false, takesX509 = shown?.Contains((byte)CertificateForm.X509) ?? true;
        if (own.Chain.IsEmpty ? !takesRaw : !takesX509 && !takesRaw)
            return false;
        _ownForm = own.Chain.IsEmpty || !takesX509 ? CertificateForm.RawKey : CertificateForm.X509;
        if (_options.ClientCertificates == DtlsClientCertificates.None)
            return true;
        var can = _hello.Extensions.List8(ExtensionType.ClientCertificateType);
        if (can is null)
        {
            _peerForm = CertificateForm.X509;
            return true;
        }
        foreach (byte form in can)
        {
            if (form == (byte)CertificateForm.RawKey && _options.AcceptRawKeys || form == (byte)CertificateForm.X509 && _options.AcceptCertificates)
            {
                _peerForm = (CertificateForm)form;
                return true;
            }
        }
        throw new DtlsException(DtlsAlert.UnsupportedCertificate, "ClientHello.extensions.client_certificate_type", "The client can show nothing that is taken here.");
    }

    /// <summary>Extensions of a ServerHello, also of one that resumes.</summary>
    private HelloExtensions Answer()
    {
        var (offered, all) = (_hello.Extensions, new HelloExtensions());
        if (offered.Has(ExtensionType.RenegotiationInfo) || _hello.Suites.Contains(ClientHello.RenegotiationScsv))
            all.Add(ExtensionType.RenegotiationInfo, [0]);
        if (Suite.IsCbc && Options.EncryptThenMac != DtlsUse.Off && offered.HasEmpty(ExtensionType.EncryptThenMac))
        {
            UsesEncryptThenMac = true;
            all.Add(ExtensionType.EncryptThenMac, []);
        }
        if (Suite.IsCbc && !UsesEncryptThenMac && Options.EncryptThenMac == DtlsUse.Require)
            throw new DtlsException(DtlsAlert.InsufficientSecurity, "ClientHello.extensions", "The client does not encrypt before it authenticates.");
        if (UsesExtendedMaster)
            all.Add(ExtensionType.ExtendedMasterSecret, []);
        if (Suite.HasCurve && !_resumed && offered.Has(ExtensionType.EcPointFormats))
            all.Add(ExtensionType.EcPointFormats, [1, 0]);
        if (Suite.KeyExchange == Dtls.KeyExchange.Ecjpake && !_resumed)
            all.Add(ExtensionType.EcjpakeKeys, EcjpakeRoundOne());
        if (Suite.HasCertificates && !_resumed)
            AnswerForms(all);
        _givesTicket = Suite.IsResumable && _options.Tickets && offered.Has(ExtensionType.SessionTicket);
        if (_givesTicket)
            all.Add(ExtensionType.SessionTicket, []);
        AnswerSizes(all);
        if (!Options.ApplicationProtocols.IsDefaultOrEmpty && offered.Protocols() is { } protocols)
        {
            _protocol = Options.ApplicationProtocols.FirstOrDefault(protocols.Contains)
                ?? throw new DtlsException(DtlsAlert.NoApplicationProtocol, "ClientHello.extensions.ALPN", "The client speaks none of our protocols.");
            all.Add(ExtensionType.ApplicationProtocols, HelloExtensions.EncodeProtocols([_protocol]));
        }
        AnswerConnectionId(all);
        return all;
    }

    private byte[] EcjpakeRoundOne()
    {
        _ecjpake = new(EcJpakeRole.Server, Options.Password!, Chance, "DTLS.server_ecjpake_");
        Ecjpake("ClientHello.extensions.ecjpake_key_kp_pair", j => j.ReadRoundOne(_hello.Extensions.Find(ExtensionType.EcjpakeKeys)));
        return _ecjpake.RoundOne.ToArray();
    }

    private void AnswerForms(HelloExtensions all)
    {
        _asksCertificate = _options.ClientCertificates != DtlsClientCertificates.None;
        if (_hello.Extensions.Has(ExtensionType.ServerCertificateType))
            all.Add(ExtensionType.ServerCertificateType, [(byte)_ownForm]);
        if (_asksCertificate && _hello.Extensions.Has(ExtensionType.ClientCertificateType))
            all.Add(ExtensionType.ClientCertificateType, [(byte)_peerForm]);
    }

    private void AnswerSizes(HelloExtensions all)
    {
        byte? code = _hello.Extensions.Byte(ExtensionType.MaxFragmentLength);
        if (code is < 1 or > 4)
            throw new DtlsException(DtlsAlert.IllegalParameter, "ClientHello.extensions.max_fragment_length", "The length's code is not 1 to 4.");
        if (_hello.Extensions.Find(ExtensionType.RecordSizeLimit) is { } limit)
        {
            // Where both are offered this one counts (RFC 8449, section 5).
            MaxData = Sizes.ReadLimit(limit);
            int ours = Options.RecordSizeLimit ?? 16384;
            all.Add(ExtensionType.RecordSizeLimit, [(byte)(ours >> 8), (byte)ours]);
        }
        else if (code is { } c)
        {
            MaxData = 1 << (c + 8);
            all.Add(ExtensionType.MaxFragmentLength, [c]);
        }
    }

    private void AnswerConnectionId(HelloExtensions all)
    {
        if (Options.ConnectionIdLength is not { } length || _hello.Extensions.Find(ExtensionType.ConnectionId) is not { } offered)
            return;
        var reader = new WireReader(offered, "connection_id");
        _peerId = reader.Vector8("cid").ToArray();
        reader.End();
        _ownId = _memory.NewConnectionId(length, Chance);
        _usesIds = true;
        all.Add(ExtensionType.ConnectionId, [(byte)_ownId.Length, .. _ownId]);
        (Session.OwnId, Session.PeerId) = (_ownId, _peerId);
    }

    private void KeyExchange(Moment now)
    {
        var writer = new WireWriter();
        if (Suite.HasPsk && (_options.PskHint is not null || Suite.HasEphemeral))
            writer.Vector16((_options.PskHint ?? default).Span);
        if (Suite.KeyExchange == Dtls.KeyExchange.Ecjpake)
        {
            writer.U8(3).U16((int)DtlsGroup.P256);
            Ecjpake("ClientHello", j => writer.Bytes(j.RoundTwo.Span));
        }
        int parameters = writer.Length;
        if (Suite.HasEphemeral)
        {
            _key = Chance.NewAgreementKey(EcdhParameters.Curve(_group), "DTLS.server_ecdh");
            EcdhParameters.Write(writer, _group, _key.PublicPoint.Span);
        }
        if (!Suite.HasCertificates)
        {
            if (writer.Length > 0)
                Add(HandshakeType.ServerKeyExchange, writer.ToArray());
            HelloDone(now);
            return;
        }
        var own = Options.Identity!;
        Sign(own, own.Scheme, [.. Randoms, .. writer.ToArray().AsSpan(parameters)], "DTLS.server_signature", now, (signature, at) =>
        {
            Add(HandshakeType.ServerKeyExchange, writer.U16((int)own.Scheme).Vector16(signature).ToArray());
            if (_asksCertificate)
                Add(HandshakeType.CertificateRequest, CertificateRequestMessage.Encode(Options.SignatureSchemes));
            HelloDone(at);
        });
    }

    private void HelloDone(Moment now)
    {
        Add(HandshakeType.ServerHelloDone, []);
        _step = _asksCertificate ? Step.Certificate : Step.KeyExchange;
        Transmit(now, true);
    }

    private void Ecjpake(string field, Action<EcJpake> step)
    {
        try
        {
            step(_ecjpake!);
        }
        catch (CryptographicException e)
        {
            throw new DtlsException(DtlsAlert.IllegalParameter, field, e.Message, e);
        }
    }

    // ---- resumption ----

    private bool TryResume(Moment now)
    {
        if (_memory.Find(_hello, _suites, now) is not { } remembered || !_hello.Suites.Contains((ushort)remembered.Suite.Id) || remembered.ServerName != _serverName)
            return false;
        if (remembered.ExtendedMasterSecret && !_hello.Extensions.Has(ExtensionType.ExtendedMasterSecret))
            throw new DtlsException(DtlsAlert.HandshakeFailure, "ClientHello.extensions", "The session had an extended master secret, and its resumption has none.");
        if (remembered.ExtendedMasterSecret != UsesExtendedMaster)
            return false;
        (_resumed, Suite, _sessionId) = (true, remembered.Suite, _hello.SessionId);
        (_pskIdentity, _peer) = (remembered.PskIdentity, remembered.Peer);
        var extensions = Answer();
        Add(HandshakeType.ServerHello, new ServerHello { Random = Randoms[32..], SessionId = _sessionId, Suite = (ushort)Suite.Id, Extensions = extensions }.Encode());
        ResumeMaster(remembered.Master);
        AddTicket(now);
        AddChangeCipherSpec();
        Add(HandshakeType.Finished, MakeFinished());
        _step = Step.Ccs;
        Transmit(now, true);
        return true;
    }

    private void AddTicket(Moment now)
    {
        if (!_givesTicket)
            return;
        byte[] ticket = _memory.Seal(Remembered(now), Chance, now);
        Add(HandshakeType.NewSessionTicket, new WireWriter().U32((uint)Math.Min(_options.ResumptionLifetime.TotalSeconds, uint.MaxValue)).Vector16(ticket).ToArray());
    }

    private RememberedSession Remembered(Moment now) => new(Suite, new SecretBytes(Master), UsesExtendedMaster, _pskIdentity, _peer, _serverName, now.Elapsed);

    // ---- flight 5 ----

    private void CertificateArrived(ReadOnlySpan<byte> body)
    {
        _peer = CertificateMessage.Parse(body, _peerForm, Options.Limits.ChainLength);
        if (_peer is null && _options.ClientCertificates == DtlsClientCertificates.Require)
            throw new DtlsException(DtlsAlert.HandshakeFailure, "Certificate", "The client showed no certificate, which is required.");
        _step = Step.KeyExchange;
    }

    private void KeyExchangeArrived(ReadOnlySpan<byte> body, Moment now)
    {
        var reader = new WireReader(body, "ClientKeyExchange");
        if (Suite.KeyExchange == Dtls.KeyExchange.Ecjpake)
        {
            byte[] key = body.ToArray(), secret = new byte[32];
            Ecjpake("ClientKeyExchange.ecjpake_key_kp", j =>
            {
                j.ReadRoundTwo(key);
                j.Premaster(secret);
            });
            Derived(secret);
            return;
        }
        if (Suite.HasPsk)
            _pskIdentity = reader.Vector16("psk_identity").ToArray();
        byte[] point = Suite.HasEphemeral ? reader.Vector8("ecdh_Yc").ToArray() : [];
        reader.End();
        byte[]? z = Suite.HasEphemeral ? EcdhParameters.Agree(_key!, point, "ClientKeyExchange.ecdh_Yc") : null;
        if (!Suite.HasPsk)
            Derived(z!);
        else if (_options.AskPsk)
            Ask(new DtlsQuestion.FindPsk(Session, _pskIdentity!.Value), (answer, _) => WithPsk((answer as DtlsAnswer.Psk)?.Found?.Key, z));
        else
            WithPsk(_options.PskOf!(_pskIdentity!.Value), z);
    }

    /// <summary>An identity that is not known goes on with a key that nobody has, and ends like a wrong key does.</summary>
    private void WithPsk(SecretBytes? key, byte[]? z)
    {
        if (key is null && _options.RevealUnknownIdentities)
            throw new DtlsException(DtlsAlert.UnknownPskIdentity, "ClientKeyExchange.psk_identity", "The identity is not known.");
        byte[] psk = key is null ? Chance.Bytes(16, "DTLS.server_unknown_psk") : key.Reveal().ToArray();
        byte[] premaster = z is null ? KeySchedule.PskPremaster(psk) : KeySchedule.PskPremaster(z, psk);
        CryptographicOperations.ZeroMemory(psk);
        CryptographicOperations.ZeroMemory(z);
        Derived(premaster);
    }

    private void Derived(byte[] premaster)
    {
        DeriveMaster(premaster);
        _step = _peer is null ? Step.Ccs : Step.Verify;
    }

    private void VerifyArrived(ReadOnlySpan<byte> body, Moment now)
    {
        var reader = new WireReader(body, "CertificateVerify");
        CertificateMessage.Verify(ref reader, _peer!, Options.SignatureSchemes, Transcript.Bytes, "CertificateVerify.signature");
        AddReceived(HandshakeType.CertificateVerify, body);
        _step = Step.Waits;
        Judge(_peer!, null, now, _ => _step = Step.Ccs);
    }

    private void FinishedArrived(Moment now)
    {
        Flight? last = null;
        if (!_resumed)
        {
            NewFlight();
            AddTicket(now);
            AddChangeCipherSpec();
            Add(HandshakeType.Finished, MakeFinished());
            last = SentFlight;
            Transmit(now, false);
            if (_sessionId.Length > 0)
                _memory.Remember(_sessionId, Remembered(now), now);
        }
        Complete(new DtlsConnection
        {
            Master = new SecretBytes(Master),
            Randoms = Randoms,
            Info = Suite,
            ExtendedMasterSecret = UsesExtendedMaster,
            EncryptThenMac = UsesEncryptThenMac,
            Resumed = _resumed,
            PskIdentity = _pskIdentity,
            Peer = _peer,
            ServerName = _serverName,
            ApplicationProtocol = _protocol,
            OwnConnectionId = _usesIds ? _ownId : default,
            PeerConnectionId = _peerId,
            MaxData = MaxData,
            KeyBlock = KeyBlockToKeep(),
        }, last, now);
    }

    protected override void Forget()
    {
        _ecjpake?.Dispose();
        _key?.Dispose();
    }
}
