using Hatchery.Cryptography;
using Hatchery.Dpp.Transport;
using Hatchery.Simulation;

namespace Hatchery.Dpp.Tests.Vectors;

public class IntroductionTests
{
    public static TheoryData<string> All() => Vector.Names("network_intro_*");
    // Connectors of the vectors expire in 2020 or never.
    private static readonly Moment s_now = new(TimeSpan.Zero, new DateTimeOffset(2026, 11, 27, 0, 0, 0, TimeSpan.Zero));

    [Theory]
    [MemberData(nameof(All))]
    public void Both_sides_do_as_recorded(string name)
    {
        var v = Vector.Load(name);
        var (csignCurve, csignPoint) = DppCurve.ReadSpki(v.Hex("csign_spki"))!.Value;
        var csign = new DppPublicKey(csignCurve, csignPoint);
        var curve = v.Curve("netAccessKey_curve");
        IntroductionCredential Of(string side) => new(v.Text(side + "_connector"), curve, EcAgreement.FromPrivate(curve.Curve, v.Hex(side == "ap" ? "ap_netaccesskey_private" : "sta_netaccesskey_private")), csign);
        DppFrame[] frames = [.. v.GetProperty("frames").EnumerateArray().Select(f => DppRadioFrame.TryParse(f.Hex("raw"), out var radio) ? (DppFrame)DppMessage.Parse(radio.Body, true) : throw new InvalidDataException())];
        var ap = new AccessPointIntroduction(Of("ap"));
        if (frames[0].Type == DppFrameType.PrivatePeerIntroductionQuery)
        {
            byte[] skE = v.GetProperty("hpke").Hex("skE");
            var station = new StationIntroduction(Of("sta"), new RecordedChance().Add("Introduction.skE", skE), frames[0].Attributes.GetByte(DppAttribute.TransactionId));
            Assert.Equal(frames[0].Body.ToHex(), station.Query().Body.ToHex());
            Assert.Equal(frames[1].Body.ToHex(), ap.Notify(frames[0]).Body.ToHex());
            var (introduced, update) = station.Notified(frames[1], s_now);
            Assert.Equal(frames[2].Body.ToHex(), update.Body.ToHex());
            var other = ap.Updated(frames[2], s_now);
            Assert.Equal((v.Text("pmk"), v.Text("pmkid")), (Convert.ToHexStringLower(introduced.Pmk.Reveal()), introduced.PmkId.ToHex()));
            Assert.Equal((v.Text("pmk"), v.Text("pmkid")), (Convert.ToHexStringLower(other.Pmk.Reveal()), other.PmkId.ToHex()));
            return;
        }
        var response = ap.Receive(frames[0], s_now, out var atAp, out _)!;
        Assert.Equal(v.GetProperty("response_status").GetInt32(), response.Attributes.GetByte(DppAttribute.Status));
        if (frames.Length > 1 && frames[1].Attributes.TryGet(DppAttribute.ProtocolVersion, out var said) && said.Span[0] == 3)
            Assert.Equal(frames[1].Body.ToHex(), response.Body.ToHex());
        if (atAp is null)
            return;
        Assert.Equal((v.Text("pmk"), v.Text("pmkid")), (Convert.ToHexStringLower(atAp.Pmk.Reveal()), atAp.PmkId.ToHex()));
        var atStation = new StationIntroduction(Of("sta"), new SystemChance(), frames[0].Attributes.GetByte(DppAttribute.TransactionId)).Receive(frames[1], s_now);
        Assert.Equal(v.Text("pmkid"), atStation.PmkId.ToHex());
    }
}
