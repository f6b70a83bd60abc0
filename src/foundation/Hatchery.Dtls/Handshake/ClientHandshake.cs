using System.Net;
using System.Security.Cryptography;
using Hatchery.Cryptography;

namespace Hatchery.Dtls;

/// <summary>The client's handshake (RFC 6347, section 4.2; RFC 5246, section 7.4).</summary>
internal sealed class ClientHandshake : HandshakeMachine
{
    private enum Step { ServerHello, Certificate, KeyExchange, RequestOrDone, Done, TicketOrCcs, Ccs, Finished }

    private const int MostCookies = 2;
    private readonly DtlsClientOptions _options;
    private readonly SuiteInfo[] _suites;
    private readonly ClientHello _hello;
    private readonly EcJpake? _ecjpake;
    private readonly byte[] _ownId;
    private readonly bool _resumes;
    private Step _step = Step.ServerHello;
    private int _cookies;
    private byte[] _sessionId = [], _ticket = [];
    private bool _resumed, _ticketComes;
    private DtlsPeerCredential? _peer;
    private CertificateForm _ownForm, _peerForm;
    private string? _protocol;
    private byte[] _peerId = [];
    private bool _usesIds;
    private DtlsGroup _group;
    private byte[]? _point;
    private ReadOnlyMemory<byte> _hint;
    private DtlsSignatureScheme[]? _requested;
    private DtlsPsk? _psk;

    public ClientHandshake(DtlsSession session, DtlsClientOptions options, Moment now) : base(session, now, 0, 0)
    {
        (_options, _suites) = (options, options.UsableSuites());
        byte[] random = Chance.Bytes(32, "DTLS.client_random");
        random.CopyTo(Randoms, 0);
        session.ClientRandom = random;
        _ownId = options.ConnectionIdLength is { } length ? Chance.Bytes(length, "DTLS.client_connection_id") : [];
        if (_suites.Any(s => s.KeyExchange == KeyExchange.Ecjpake))
            _ecjpake = new(EcJpakeRole.Client, options.Password!, Chance, "DTLS.client_ecjpake_");
        _resumes = options.Resume is { } resume && _suites.Contains(resume.Suite) && resume.ServerName == options.ServerName;
        byte[] offered = !_resumes ? [] : options.Resume!.IsTicket ? Chance.Bytes(32, "DTLS.client_session_id") : options.Resume.SessionId;
        _hello = new()
        {
            Random = random,
            SessionId = offered,
            Suites = [.. _suites.Select(s => (ushort)s.Id), ClientHello.RenegotiationScsv],
            Extensions = Offer(),
        };
        Add(HandshakeType.ClientHello, _hello.Encode([]));
    }

    public void Start(Moment now) => Transmit(now, true);

    private HelloExtensions Offer()
    {
        var all = new HelloExtensions();
        if (_options.ServerName is { Length: > 0 and <= 253 } name && !IPAddress.TryParse(name, out _))
            all.Add(ExtensionType.ServerName, HelloExtensions.EncodeServerName(name));
        if (_suites.Any(s => s.HasCurve))
        {
            bool onlyEcjpake = _suites.All(s => s.KeyExchange == KeyExchange.Ecjpake);
            all.Add(ExtensionType.SupportedGroups, HelloExtensions.Encode16(onlyEcjpake ? [(ushort)DtlsGroup.P256] : _options.Groups.Select(g => (ushort)g)));
            all.Add(ExtensionType.EcPointFormats, [1, 0]);
        }
        if (_suites.Any(s => s.HasCertificates))
        {
            all.Add(ExtensionType.SignatureAlgorithms, HelloExtensions.Encode16(_options.SignatureSchemes.Select(s => (ushort)s)));
            OfferForms(all);
        }
        if (_ecjpake is not null)
            all.Add(ExtensionType.EcjpakeKeys, _ecjpake.RoundOne.ToArray());
        if (_options.MaxFragmentLength is { } fragment)
            all.Add(ExtensionType.MaxFragmentLength, [(byte)(BitOperationsLog2(fragment) - 8)]);
        if (_options.RecordSizeLimit is { } limit)
            all.Add(ExtensionType.RecordSizeLimit, [(byte)(limit >> 8), (byte)limit]);
        if (!_options.ApplicationProtocols.IsDefaultOrEmpty)
            all.Add(ExtensionType.ApplicationProtocols, HelloExtensions.EncodeProtocols(_options.ApplicationProtocols));
        if (_options.Tickets || _resumes && _options.Resume!.IsTicket)
            all.Add(ExtensionType.SessionTicket, _resumes ? _options.Resume!.Ticket : []);
        if (_options.ConnectionIdLength is not null)
            all.Add(ExtensionType.ConnectionId, [(byte)_ownId.Length, .. _ownId]);
        if (_options.EncryptThenMac != DtlsUse.Off && _suites.Any(s => s.IsCbc))
            all.Add(ExtensionType.EncryptThenMac, []);
        if (_options.ExtendedMasterSecret != DtlsUse.Off)
            all.Add(ExtensionType.ExtendedMasterSecret, []);
        return all;
    }

    private static int BitOperationsLog2(int value) => value is 512 or 1024 or 2048 or 4096 ? System.Numerics.BitOperations.Log2((uint)value)
        : throw new ArgumentException("A max_fragment_length is 512, 1024, 2048 or 4096.");

    /// <summary>RFC 7250: left out where X.509 is all there is.</summary>
    private void OfferForms(HelloExtensions all)
    {
        if (_options.Identity is { } own && own.Chain.IsEmpty)
            all.Add(ExtensionType.ClientCertificateType, [1, (byte)CertificateForm.RawKey]);
        else if (_options.Identity is not null && _options.AcceptRawKeys)
            all.Add(ExtensionType.ClientCertificateType, [2, (byte)CertificateForm.X509, (byte)CertificateForm.RawKey]);
        if (!_options.AcceptRawKeys)
            return;
        all.Add(ExtensionType.ServerCertificateType, _options.AcceptCertificates
            ? [2, (byte)CertificateForm.RawKey, (byte)CertificateForm.X509] : [1, (byte)CertificateForm.RawKey]);
    }

    protected override bool AwaitsChangeCipherSpec => _step is Step.Ccs || _step is Step.TicketOrCcs && !_ticketComes;
    protected override void ChangedCipherSpec() => _step = Step.Finished;

    protected override void Process(HandshakeType type, ReadOnlySpan<byte> body, Moment now)
    {
        switch (type, _step)
        {
            case (HandshakeType.HelloVerifyRequest, Step.ServerHello):
                VerifyRequested(body, now);
                break;
            case (HandshakeType.ServerHello, Step.ServerHello):
                ServerHelloArrived(ServerHello.Parse(body));
                break;
            case (HandshakeType.Certificate, Step.Certificate):
                _peer = CertificateMessage.Parse(body, _peerForm, Options.Limits.ChainLength)
                    ?? throw new DtlsException(DtlsAlert.BadCertificate, "Certificate", "The server showed no certificate.");
                _step = Step.KeyExchange;
                break;
            case (HandshakeType.ServerKeyExchange, Step.KeyExchange):
                KeyExchangeArrived(body);
                _step = Step.RequestOrDone;
                break;
            case (HandshakeType.CertificateRequest, Step.RequestOrDone) when Suite.HasCertificates:
                (bool ecdsa, _requested) = CertificateRequestMessage.Parse(body);
                if (!ecdsa)
                    _requested = [];
                _step = Step.Done;
                break;
            case (HandshakeType.ServerHelloDone, Step.RequestOrDone or Step.Done):
            case (HandshakeType.ServerHelloDone, Step.KeyExchange) when Suite.KeyExchange == KeyExchange.Psk:
                new WireReader(body, "ServerHelloDone").End();
                HelloDone(now);
                break;
            case (HandshakeType.NewSessionTicket, Step.TicketOrCcs) when _ticketComes:
                TicketArrived(body);
                break;
            case (HandshakeType.Finished, Step.Finished):
                CheckFinished(body);
                FinishedArrived(now);
                break;
            default:
                throw Unexpected(type, _step);
        }
    }

    private void VerifyRequested(ReadOnlySpan<byte> body, Moment now)
    {
        var reader = new WireReader(body, "HelloVerifyRequest");
        // The version in it says nothing (RFC 6347, section 4.2.1).
        reader.U16("server_version");
        var cookie = reader.Vector8("cookie");
        reader.End();
        if (++_cookies > MostCookies)
            throw new DtlsException(DtlsAlert.HandshakeFailure, "HelloVerifyRequest", "The server takes none of its own cookies.");
        byte[] again = _hello.Encode(cookie);
        Transcript.Clear();
        NewFlight();
        Add(HandshakeType.ClientHello, again);
        Transmit(now, true);
    }

    private void ServerHelloArrived(ServerHello hello)
    {
        hello.Random.CopyTo(Randoms, 32);
        foreach (var type in hello.Extensions.Types)
        {
            if (!_hello.Extensions.Has(type) && type != ExtensionType.RenegotiationInfo)
                throw new DtlsException(DtlsAlert.UnsupportedExtension, $"ServerHello.extensions.{type}", $"The server answers {type}, which was not offered.");
        }
        Suite = Array.Find(_suites, s => (ushort)s.Id == hello.Suite)
            ?? throw new DtlsException(DtlsAlert.IllegalParameter, "ServerHello.cipher_suite", $"The server chose {hello.Suite:x4}, which was not offered.");
        _sessionId = hello.SessionId;
        Agree(hello.Extensions);
        _resumed = _resumes && hello.SessionId.Length > 0 && hello.SessionId.AsSpan().SequenceEqual(_hello.SessionId);
        if (_resumed)
        {
            Resume();
            return;
        }
        if (Suite.KeyExchange == KeyExchange.Ecjpake)
            Ecjpake("ServerHello.extensions.ecjpake_key_kp_pair", j => j.ReadRoundOne(hello.Extensions.Find(ExtensionType.EcjpakeKeys)
                ?? throw new DtlsException(DtlsAlert.HandshakeFailure, "ServerHello.extensions", "The server's EC-JPAKE keys are missing.")));
        _step = Suite.HasCertificates ? Step.Certificate : Step.KeyExchange;
    }

    private void Agree(HelloExtensions extensions)
    {
        if (extensions.Find(ExtensionType.RenegotiationInfo) is { } info && info is not [0])
            throw new DtlsException(DtlsAlert.HandshakeFailure, "ServerHello.extensions.renegotiation_info", "The server answers a renegotiation that there is none of.");
        UsesExtendedMaster = extensions.HasEmpty(ExtensionType.ExtendedMasterSecret);
        if (!UsesExtendedMaster && Options.ExtendedMasterSecret == DtlsUse.Require)
            throw new DtlsException(DtlsAlert.InsufficientSecurity, "ServerHello.extensions", "The server has no extended master secret.");
        UsesEncryptThenMac = extensions.HasEmpty(ExtensionType.EncryptThenMac);
        if (UsesEncryptThenMac && !Suite.IsCbc)
            throw new DtlsException(DtlsAlert.IllegalParameter, "ServerHello.extensions.encrypt_then_mac", "The suite has no MAC of its own.");
        if (Suite.IsCbc && !UsesEncryptThenMac && Options.EncryptThenMac == DtlsUse.Require)
            throw new DtlsException(DtlsAlert.InsufficientSecurity, "ServerHello.extensions", "The server does not encrypt before it authenticates.");
        _ticketComes = extensions.HasEmpty(ExtensionType.SessionTicket);
        _ownForm = Form(extensions, ExtensionType.ClientCertificateType);
        _peerForm = Form(extensions, ExtensionType.ServerCertificateType);
        if (extensions.Protocols() is { } protocols)
            _protocol = protocols is [var one] && Options.ApplicationProtocols.Contains(one) ? one
                : throw new DtlsException(DtlsAlert.IllegalParameter, "ServerHello.extensions.ALPN", "The server chose no protocol that was offered.");
        AgreeSizes(extensions);
        if (extensions.Find(ExtensionType.ConnectionId) is { } id)
        {
            var reader = new WireReader(id, "connection_id");
            _peerId = reader.Vector8("cid").ToArray();
            reader.End();
            _usesIds = true;
            (Session.OwnId, Session.PeerId) = (_ownId, _peerId);
        }
    }

    private void AgreeSizes(HelloExtensions extensions)
    {
        if (extensions.Byte(ExtensionType.MaxFragmentLength) is { } code)
        {
            if (1 << (code + 8) != _options.MaxFragmentLength)
                throw new DtlsException(DtlsAlert.IllegalParameter, "ServerHello.extensions.max_fragment_length", "The server chose another length.");
            MaxData = _options.MaxFragmentLength.Value;
        }
        if (extensions.Find(ExtensionType.RecordSizeLimit) is { } limit)
            MaxData = Sizes.ReadLimit(limit);
    }

    private CertificateForm Form(HelloExtensions extensions, ExtensionType type)
    {
        if (extensions.Byte(type) is not { } form)
            return CertificateForm.X509;
        return _hello.Extensions.List8(type)!.Contains(form) ? (CertificateForm)form
            : throw new DtlsException(DtlsAlert.UnsupportedCertificate, $"ServerHello.extensions.{type}", "The server chose a form of certificate that was not offered.");
    }

    /// <summary>RFC 7627, section 5.3: both sessions use the extended master secret, or neither.</summary>
    private void Resume()
    {
        var resume = _options.Resume!;
        if (Suite != resume.Suite || UsesExtendedMaster != resume.ExtendedMasterSecret)
            throw new DtlsException(DtlsAlert.HandshakeFailure, "ServerHello", "The server resumes the session in another way.");
        (_peer, _psk) = (resume.Peer, resume.PskIdentity is { } identity ? new DtlsPsk(identity, new SecretBytes([])) : null);
        ResumeMaster(resume.Master);
        _step = Step.TicketOrCcs;
    }

    private void KeyExchangeArrived(ReadOnlySpan<byte> body)
    {
        var reader = new WireReader(body, "ServerKeyExchange");
        if (Suite.HasPsk)
            _hint = reader.Vector16("psk_identity_hint").ToArray();
        if (Suite.KeyExchange == KeyExchange.Ecjpake)
        {
            EcdhParameters.ReadGroup(ref reader, [DtlsGroup.P256]);
            byte[] key = reader.Bytes(reader.Left, "ecjpake_key_kp").ToArray();
            Ecjpake("ServerKeyExchange.ecjpake_key_kp", j => j.ReadRoundTwo(key));
            return;
        }
        if (!Suite.HasEphemeral)
        {
            reader.End();
            return;
        }
        int before = reader.Left;
        _group = EcdhParameters.ReadGroup(ref reader, Options.Groups);
        _point = reader.Vector8("point").ToArray();
        if (!Suite.HasCertificates)
        {
            reader.End();
            return;
        }
        byte[] signed = [.. Randoms, .. body[(body.Length - before)..(body.Length - reader.Left)]];
        CertificateMessage.Verify(ref reader, _peer!, Options.SignatureSchemes, signed, "ServerKeyExchange.signature");
    }

    private void HelloDone(Moment now)
    {
        if (Suite.HasCertificates)
            Judge(_peer!, _options.ServerName, now, ChoosePsk);
        else
            ChoosePsk(now);
    }

    private void ChoosePsk(Moment now)
    {
        if (!Suite.HasPsk)
        {
            Answer(null, now);
            return;
        }
        if (_options.AskPsk)
            Ask(new DtlsQuestion.FindPsk(Session, _hint), (answer, at) => Answer((answer as DtlsAnswer.Psk)?.Found, at));
        else
            Answer(_options.PskFor is { } choose ? choose(_hint) : _options.Psk, now);
    }

    /// <summary>Flight 5, up to the signature.</summary>
    private void Answer(DtlsPsk? psk, Moment now)
    {
        _psk = psk;
        if (Suite.HasPsk && psk is null)
            throw new DtlsException(DtlsAlert.InternalError, "psk_identity", "There is no key for this server.");
        NewFlight();
        var identity = _requested is null ? null : Presentable();
        if (_requested is not null)
            Add(HandshakeType.Certificate, CertificateMessage.Encode(identity, _ownForm));
        var writer = new WireWriter();
        byte[] premaster = Premaster(writer);
        Add(HandshakeType.ClientKeyExchange, writer.ToArray());
        DeriveMaster(premaster);
        if (identity is null)
        {
            Finish(now);
            return;
        }
        Sign(identity, identity.Scheme, Transcript.Bytes, "DTLS.client_signature", now, (signature, at) =>
        {
            Add(HandshakeType.CertificateVerify, new WireWriter().U16((int)identity.Scheme).Vector16(signature).ToArray());
            Finish(at);
        });
    }

    /// <summary>Null: the server could not verify ours.</summary>
    private DtlsIdentity? Presentable() => _options.Identity is { } own && _requested!.Contains(own.Scheme)
        && (_ownForm == CertificateForm.RawKey || !own.Chain.IsEmpty) ? own : null;

    private byte[] Premaster(WireWriter message)
    {
        if (_psk is { } psk)
            message.Vector16(psk.Identity.Span);
        switch (Suite.KeyExchange)
        {
            case KeyExchange.Psk:
                return KeySchedule.PskPremaster(_psk!.Key.Reveal());
            case KeyExchange.Ecjpake:
                byte[] premaster = new byte[32];
                Ecjpake("ServerKeyExchange", j =>
                {
                    message.Bytes(j.RoundTwo.Span);
                    j.Premaster(premaster);
                });
                return premaster;
            default:
                using (var key = Chance.NewAgreementKey(EcdhParameters.Curve(_group), "DTLS.client_ecdh"))
                {
                    message.Vector8(key.PublicPoint.Span);
                    byte[] z = EcdhParameters.Agree(key, _point, "ServerKeyExchange.point");
                    if (_psk is null)
                        return z;
                    byte[] both = KeySchedule.PskPremaster(z, _psk.Key.Reveal());
                    CryptographicOperations.ZeroMemory(z);
                    return both;
                }
        }
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

    private void Finish(Moment now)
    {
        AddChangeCipherSpec();
        Add(HandshakeType.Finished, MakeFinished());
        _step = Step.TicketOrCcs;
        Transmit(now, true);
    }

    private void TicketArrived(ReadOnlySpan<byte> body)
    {
        var reader = new WireReader(body, "NewSessionTicket");
        reader.Bytes(4, "ticket_lifetime_hint");
        _ticket = reader.Vector16("ticket").ToArray();
        reader.End();
        _step = Step.Ccs;
    }

    private void FinishedArrived(Moment now)
    {
        Flight? last = null;
        if (_resumed)
        {
            NewFlight();
            AddChangeCipherSpec();
            Add(HandshakeType.Finished, MakeFinished());
            last = SentFlight;
            Transmit(now, false);
        }
        Complete(new DtlsConnection
        {
            Master = new SecretBytes(Master),
            Randoms = Randoms,
            Info = Suite,
            ExtendedMasterSecret = UsesExtendedMaster,
            EncryptThenMac = UsesEncryptThenMac,
            Resumed = _resumed,
            PskIdentity = _psk?.Identity,
            Peer = _peer,
            ServerName = _options.ServerName,
            ApplicationProtocol = _protocol,
            OwnConnectionId = _usesIds ? _ownId : default,
            PeerConnectionId = _peerId,
            MaxData = MaxData,
            KeyBlock = KeyBlockToKeep(),
            Resumption = ToResume(),
        }, last, now);
    }

    private DtlsResumption? ToResume()
    {
        byte[] ticket = _ticket.Length > 0 ? _ticket : _resumed ? _options.Resume!.Ticket : [];
        if (!Suite.IsResumable || ticket.Length == 0 && _sessionId.Length == 0)
            return null;
        return new()
        {
            Master = new SecretBytes(Master),
            Suite = Suite,
            SessionId = _sessionId,
            Ticket = ticket,
            ExtendedMasterSecret = UsesExtendedMaster,
            PskIdentity = _psk?.Identity,
            Peer = _peer,
            ServerName = _options.ServerName,
        };
    }

    protected override void Forget() => _ecjpake?.Dispose();
}

/// <summary>RFC 8449: 64 to 16384 bytes.</summary>
internal static class Sizes
{
    public static int ReadLimit(ReadOnlySpan<byte> body)
    {
        var reader = new WireReader(body, "record_size_limit");
        int limit = reader.U16("RecordSizeLimit");
        reader.End();
        return limit >= 64 ? Math.Min(limit, 16384) : throw new DtlsException(DtlsAlert.IllegalParameter, "record_size_limit", "A record size limit is at least 64.");
    }
}
