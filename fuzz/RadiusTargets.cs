using System.Net;
using Hatchery.Radius;
using Hatchery.Radius.Eap;
using Hatchery.Radius.Eapol;
using Hatchery.Radius.Server;

namespace Hatchery.Fuzz;

/// <summary>RADIUS, EAP and EAPOL: parsers, and the machines behind them.</summary>
internal static class RadiusTargets
{
    private static readonly RadiusClients s_clients = new([new RadiusNas("any", IPNetwork.Parse("0.0.0.0/0"), new RadiusSecret("testing123"))]);
    private static readonly Moment s_now = new(TimeSpan.FromSeconds(1), null);

    private sealed class Zeros : Chance
    {
        public override void Fill(Span<byte> destination, string use) => destination.Clear();
        public override AgreementKey NewAgreementKey(System.Security.Cryptography.ECCurve curve, string use) => throw new NotSupportedException();
        public override System.Security.Cryptography.ECDsa NewSigningKey(System.Security.Cryptography.ECCurve curve, string use) => throw new NotSupportedException();
    }

    public static void Packet(byte[] bytes)
    {
        Program.Declared(() =>
        {
            var packet = RadiusPacket.Parse(bytes);
            packet.Text(RadiusAttribute.UserName);
            packet.TryGetVendor(HiddenAttributes.Microsoft, HiddenAttributes.MppeRecvKey, out _);
            packet.EapMessage();
        });
        var server = new RadiusServer<int>(s_clients, _ => IPAddress.Loopback, new Zeros());
        server.Receive([.. bytes], 1, s_now, default);
        while (server.TryEvent(out _))
        {
        }
        var stream = new RadiusStreamServer(new RadiusNas("any", IPNetwork.Parse("0.0.0.0/0"), RadiusSecret.RadSec), "fuzz", new Zeros());
        for (int at = 0; at < bytes.Length; at += 7)
            stream.Receive([.. bytes.AsSpan(at, Math.Min(7, bytes.Length - at))], default, s_now, default);
    }

    public static void Eap(byte[] bytes)
    {
        Program.Declared(() =>
        {
            var packet = EapPacket.Parse(bytes);
            if (packet.Type == EapType.Identity)
                Nai.Parse(packet.Data.Span);
        });
        var peer = new EapPeer(new EapPeerOptions(51));
        peer.Restart(s_now);
        peer.Receive(bytes, s_now, default);
    }

    /// <summary>First byte of each frame: its length.</summary>
    public static void Eapol(byte[] bytes)
    {
        var supplicant = new EapolSupplicant<int>(new EapPeerOptions(51), 1);
        supplicant.Start(s_now);
        var buffer = new byte[2000];
        for (int at = 0; at < bytes.Length; at += 1 + bytes[at])
        {
            var frame = bytes.AsSpan(at + 1, Math.Min(bytes[at], bytes.Length - at - 1)).ToArray();
            Program.Declared(() => EapolFrame.Parse(frame));
            supplicant.Receive(frame, 1, s_now, default);
            while (supplicant.TryEvent(out var happened))
                if (happened.What == EapPeerHappening.Identity)
                    supplicant.Identify("x@example.org"u8.ToArray(), default, s_now);
                else if (happened.What == EapPeerHappening.Request)
                    supplicant.Respond(new EapPeerResponse(happened.Data.ToArray(), EapMethodState.MayContinue, EapDecision.Fail), default, s_now);
            while (supplicant.TryTransmit(buffer, out _))
            {
            }
        }
    }
}
