using System.Text;
using System.Text.Json;
using Hatchery.Dpp.Configurator;
using Hatchery.Dpp.Device;
using Hatchery.Simulation;

namespace Hatchery.Dpp.Tests.Vectors;

/// <summary>Recorded exchanges of other implementations: with their keys and nonces, every message of both sides comes out byte for byte.</summary>
public class CaptureTests
{
    public static TheoryData<string> All() => Vector.Names("capture_*");

    [Theory]
    [MemberData(nameof(All))]
    public void Every_message_comes_out_as_recorded(string name)
    {
        var capture = Vector.Load(name);
        var exchange = new Recorded(capture, isForeign: name.Contains("hpe", StringComparison.Ordinal));
        exchange.Run();
        Assert.True(exchange.Compared >= (name is "capture_tcp_v2_not_compatible" || name.StartsWith("capture_hpe_device", StringComparison.Ordinal) ? 1 : 3), $"{exchange.Compared} messages were compared.");
    }

    private sealed class Recorded(JsonElement capture, bool isForeign)
    {
        private readonly JsonElement _derived = capture.GetProperty("derived");
        private readonly DppCurve _curve = capture.GetProperty("derived").Curve();
        private Authenticated? _session;
        private ReadOnlyMemory<byte> _nonce;
        private DppCurve _netAccessCurve = DppCurve.P256;
        public int Compared;

        public void Run()
        {
            bool reconfigured = false;
            AuthenticationInitiator? initiator = null;
            AuthenticationResponder? responder = null;
            foreach (var frame in capture.GetProperty("frames").EnumerateArray())
            {
                var message = DppMessage.Parse(BodyOf(frame), fromEnrollee: true);
                Assert.Equal(BodyOf(frame).ToHex(), Again(message).ToHex());
                switch (message)
                {
                    case DppFrame { Type: DppFrameType.AuthenticationRequest } request:
                        initiator = Initiator(frame, request);
                        responder = Responder(request, frame);
                        Compare(request, initiator?.Request);
                        break;
                    case DppFrame { Type: DppFrameType.AuthenticationResponse } response:
                        TakeResponse(frame, response, initiator, responder);
                        break;
                    case DppFrame { Type: DppFrameType.AuthenticationConfirm } confirm when _session is not null:
                        Compare(confirm, _confirm);
                        if (responder is not null && _responded)
                            Assert.Equal(_derived.Text("ke"), responder.Confirm(confirm).Done!.Ke.ToHex());
                        break;
                    case DppFrame { Type: DppFrameType.ReconfigAuthenticationRequest }:
                        reconfigured = true;
                        break;
                    case DppFrame { Type: DppFrameType.ReconfigAuthenticationResponse } response when reconfigured:
                        _netAccessCurve = _curve;
                        byte[] ke = KeySchedule.ReconfigKe(_curve, _derived.Hex("C_nonce"), _derived.Hex("E_nonce"), _derived.Hex("reconfig_Mx"));
                        Assert.Equal(_derived.Text("reconfig_ke"), ke.ToHex());
                        _session = new Authenticated(_curve, ke, []);
                        response.Attributes.Unwrap(ke, "response", response.Header, response.Attributes.BeforeWrapped);
                        break;
                    case DppFrame { Type: DppFrameType.ReconfigAuthenticationConfirm } confirm:
                        var inside = confirm.Attributes.Unwrap(_session!.Ke, "confirm", confirm.Header, confirm.Attributes.BeforeWrapped);
                        Compare(confirm, Reconfig.Confirm(inside.GetByte(DppAttribute.TransactionId), inside.GetByte(DppAttribute.ProtocolVersion), _derived.Hex("C_nonce"), _derived.Hex("E_nonce"),
                            (inside.GetByte(DppAttribute.ReconfigFlags) & 1) != 0, _session.Ke));
                        break;
                    case DppFrame { Type: DppFrameType.ConfigurationResult } result when _session is not null:
                        Compare(result, ConfigurationMessages.Result(_session, (DppStatus)ConfigurationMessages.OpenSealed(_session, result, _nonce).GetByte(DppAttribute.Status), _nonce));
                        break;
                    case DppFrame { Type: DppFrameType.ConnectionStatusResult } status:
                        var parsed = DppConnectionStatus.Parse(ConfigurationMessages.OpenSealed(_session!, status, _nonce).Get(DppAttribute.ConnectionStatus));
                        Compare(status, ConfigurationMessages.ConnectionStatus(_session!, parsed.Encode(), _nonce));
                        break;
                    case GasMessage { Action: DppMessage.GasInitialRequest } gas when _session is not null:
                        TakeQuery(gas);
                        break;
                    case GasMessage { Content.IsEmpty: false } gas when _session is not null:
                        TakeAnswer(gas);
                        break;
                }
            }
        }

        private DppFrame? _confirm;
        private bool _responded;
        private readonly List<byte> _fragments = [];

        private AuthenticationInitiator? Initiator(JsonElement frame, DppFrame request)
        {
            if (_derived.Hex("pI") is not { Length: > 0 } pI || _derived.Hex("bI") is not { Length: > 0 } bI || _derived.Hex("I_nonce") is not { Length: > 0 } nonce)
                return null;
            using var bR = _derived.Hex("bR") is { Length: > 0 } scalar ? BootstrappingKeyPair.FromScalar(_curve, scalar) : null;
            if (bR is null)
                return null;
            var plain = AttributeList.Parse(frame.Hex("plaintext_k1"), "plain");
            return new AuthenticationInitiator(new InitiatorOptions
            {
                Responder = bR.Public,
                Own = BootstrappingKeyPair.FromScalar(_curve, bI),
                Capabilities = (DppCapabilities)plain.GetByte(DppAttribute.InitiatorCapabilities),
                Version = request.Attributes.TryGet(DppAttribute.ProtocolVersion, out var version) ? version.Span[0] : 1,
                Channel = request.Attributes.TryGet(DppAttribute.Channel, out var channel) ? new DppChannel(channel.Span[0], channel.Span[1]) : null,
            }, new RecordedChance().Add("Auth.PI", pI).Add("Auth.I-nonce", nonce));
        }

        private AuthenticationResponder? Responder(DppFrame request, JsonElement frame)
        {
            if (_derived.Hex("bR") is not { Length: > 0 } bR)
                return null;
            var next = capture.GetProperty("frames").EnumerateArray().First(f => f.Text("raw") is not null && DppMessage.Parse(BodyOf(f), true) is DppFrame { Type: DppFrameType.AuthenticationResponse } r
                && r.Attributes.GetByte(DppAttribute.Status) is 0 or 1);
            var response = (DppFrame)DppMessage.Parse(BodyOf(next), true);
            var theirs = (DppCapabilities)AttributeList.Parse(frame.Hex("plaintext_k1"), "plain").GetByte(DppAttribute.InitiatorCapabilities);
            bool clash = response.Attributes.GetByte(DppAttribute.Status) == 1;
            var responder = new AuthenticationResponder(new ResponderOptions
            {
                Own = BootstrappingKeyPair.FromScalar(_curve, bR),
                Capabilities = clash ? theirs : theirs == DppCapabilities.Enrollee ? DppCapabilities.Configurator : DppCapabilities.Enrollee,
                Version = response.Attributes.TryGet(DppAttribute.ProtocolVersion, out var version) ? version.Span[0] : 1,
                RequiresMutual = true,
            }, Drawn());
            Assert.Null(responder.Receive(request));
            return responder;
        }

        private RecordedChance Drawn()
        {
            var chance = new RecordedChance();
            if (_derived.Hex("pR") is { Length: > 0 } pR && _derived.Hex("R_nonce") is { Length: > 0 } nonce)
                chance.Add("Auth.PR", pR).Add("Auth.R-nonce", nonce);
            return chance;
        }

        private void TakeResponse(JsonElement frame, DppFrame response, AuthenticationInitiator? initiator, AuthenticationResponder? responder)
        {
            var status = (DppStatus)response.Attributes.GetByte(DppAttribute.Status);
            if (responder is not null && (status != DppStatus.Ok || _derived.Hex("pR").Length > 0))
            {
                bool mutual = response.Attributes.TryGet(DppAttribute.InitiatorBootstrappingKeyHash, out _);
                var peer = mutual ? BootstrappingKeyPair.FromScalar(_curve, _derived.Hex("bI")).Public : null;
                if (status == DppStatus.Ok && !mutual)
                    responder = Unilateral(response);
                var turn = responder.Respond(peer);
                Compare(response, turn.Reply);
                if (status == DppStatus.Ok)
                    _responded = mutual;
            }
            if (initiator is null)
                return;
            var taken = initiator.Receive(response);
            Assert.Equal(status == DppStatus.NotCompatible, taken.Failure is not null);
            if (taken.Done is { } done)
            {
                Assert.Equal(_derived.Text("ke"), done.Ke.ToHex());
                Assert.Equal(_derived.Text("bk"), done.Bk.ToHex());
                (_session, _confirm) = (done, taken.Reply);
            }
        }

        /// <summary>A responder that does not insist on knowing the initiator.</summary>
        private AuthenticationResponder Unilateral(DppFrame response)
        {
            var request = capture.GetProperty("frames").EnumerateArray().First(f => DppMessage.Parse(BodyOf(f), true) is DppFrame { Type: DppFrameType.AuthenticationRequest });
            var theirs = (DppCapabilities)AttributeList.Parse(request.Hex("plaintext_k1"), "plain").GetByte(DppAttribute.InitiatorCapabilities);
            var responder = new AuthenticationResponder(new ResponderOptions
            {
                Own = BootstrappingKeyPair.FromScalar(_curve, _derived.Hex("bR")),
                Capabilities = theirs == DppCapabilities.Enrollee ? DppCapabilities.Configurator : DppCapabilities.Enrollee,
                Version = response.Attributes.TryGet(DppAttribute.ProtocolVersion, out var version) ? version.Span[0] : 1,
            }, Drawn());
            Assert.Null(responder.Receive((DppFrame)DppMessage.Parse(BodyOf(request), true)));
            return responder;
        }

        private void TakeQuery(GasMessage gas)
        {
            var content = ConfigurationMessages.OpenRequest(_session!, gas.Content);
            _nonce = content.EnrolleeNonce;
            var request = ConfigurationRequestObject.Parse(content.Json);
            if (!isForeign)
                Assert.Equal(Encoding.UTF8.GetString(content.Json.Span), Encoding.UTF8.GetString(request.Encode()));
            Compare(gas, GasMessage.Request(gas.DialogToken, ConfigurationMessages.Request(_session!, content)));
            if (!request.Pkcs10.IsEmpty && !capture.Text("name").Contains("bad", StringComparison.Ordinal))
                CsrForm.Check(_session!, request.Pkcs10);
        }

        private void TakeAnswer(GasMessage gas)
        {
            ReadOnlyMemory<byte> whole = gas.Content;
            if (gas.HasMore || _fragments.Count > 0)
            {
                _fragments.AddRange(gas.Content.Span);
                if (gas.HasMore)
                    return;
                whole = _fragments.ToArray();
                _fragments.Clear();
            }
            var content = ConfigurationMessages.OpenResponse(_session!, whole);
            Assert.Equal(_nonce.ToHex(), content.EnrolleeNonce.ToHex());
            Assert.Equal(whole.ToHex(), ConfigurationMessages.Response(_session!, content).ToHex());
            Compared++;
            foreach (var text in content.Objects)
            {
                var parsed = ConfigurationObject.Parse(text);
                if (!isForeign)
                    Assert.Equal(Encoding.UTF8.GetString(text.Span), Encoding.UTF8.GetString(parsed.Encode()));
                if (parsed.SignedConnector is { } connector)
                    Assert.Equal(parsed.CSign!.KeyId, Connector.Verify(connector, parsed.CSign).KeyId);
            }
            if (!content.EnvelopedData.IsEmpty)
            {
                byte[] password = KeySchedule.EnvelopedDataPassword(_curve, _session!.Bk);
                Assert.Equal(_derived.Text("enveloped_password"), password.ToHex());
                var backup = ConfiguratorBackup.Open(content.EnvelopedData, password);
                byte[] again = backup.Seal(password, new SeededChance("backup"));
                Assert.Equal(content.EnvelopedData.Length, again.Length);
                Assert.Equal(backup.CSign, ConfiguratorBackup.Open(again, password).CSign);
            }
        }

        private void Compare(DppMessage recorded, DppMessage? made)
        {
            if (made is null)
                return;
            Assert.Equal(recorded is GasMessage g && isForeign ? g.Content.ToHex() : recorded.Body.ToHex(), made is GasMessage m && isForeign ? m.Content.ToHex() : made.Body.ToHex());
            Compared++;
        }

        /// <summary>From its parts again; the octet that peers set as they like apart.</summary>
        private static byte[] Again(DppMessage message) => message is GasMessage gas && gas.Action != DppMessage.GasComebackRequest && gas.Body.Span.IndexOf((ReadOnlySpan<byte>)[0x6c, 0x08, 0x7f]) >= 0
            ? (gas with { Content = gas.Content }).Body.ToArray() : message.Body.ToArray();

        private byte[] BodyOf(JsonElement frame)
        {
            byte[] raw = frame.Hex("raw");
            // A MAC header and the category on radio, a length on TCP.
            return raw[0] == 0xd0 ? raw[25..] : raw[4..];
        }
    }
}
