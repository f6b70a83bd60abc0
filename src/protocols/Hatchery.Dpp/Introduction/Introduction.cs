using System.Security.Cryptography;
using Hatchery.Cryptography;

namespace Hatchery.Dpp;

/// <summary>What network introduction gives both sides (DPP §6.6.2).</summary>
/// <param name="Pmk">Length of the hash.</param>
/// <param name="PmkId">16 bytes.</param>
/// <param name="PeerVersion">As the peer said and its Connector confirms.</param>
public sealed record Introduced(SecretBytes Pmk, ReadOnlyMemory<byte> PmkId, Connector Peer, int PeerVersion);

/// <summary>What a provisioned device brings to it.</summary>
public sealed record IntroductionCredential(string Connector, DppCurve Curve, AgreementKey NetAccessKey, DppPublicKey CSign, int Version = 3)
{
    /// <summary>What to say in Protocol Version: the number in our own Connector, if it has one.</summary>
    internal int Said => Dpp.Connector.Verify(Connector, CSign).Version ?? Version;
}

/// <summary>What both sides check and derive.</summary>
internal static class IntroductionChecks
{
    /// <exception cref="DppException">InvalidConnector or NoMatch.</exception>
    public static Introduced Introduce(IntroductionCredential own, string peerConnector, int peerVersion, Moment now)
    {
        var mine = Connector.Verify(own.Connector, own.CSign);
        var peer = Connector.Verify(peerConnector, own.CSign);
        if (peer.HasExpired(now.Wall))
            throw new DppException(DppStatus.InvalidConnector, "expiry", "The peer's Connector has expired.");
        if (peer.Curve != own.Curve)
            throw new DppException(DppStatus.InvalidConnector, "netAccessKey", "The peer's key is on another curve than ours.");
        if (!mine.Matches(peer))
            throw new DppException(DppStatus.NoMatch, "groups", "No group and role of the two Connectors fit.");
        if (peer.Version is >= 2 and var version && version != peerVersion)
            throw new DppException(DppStatus.NoMatch, "Protocol Version", "The version said is not the Connector's: somebody took it out.");
        byte[] n = own.NetAccessKey.Agree(peer.NetAccessKey.Span), pmk = KeySchedule.Pmk(own.Curve, n);
        var introduced = new Introduced(new SecretBytes(pmk), KeySchedule.PmkId(own.NetAccessKey.PublicPoint.Span, peer.NetAccessKey.Span), peer, peerVersion);
        CryptographicOperations.ZeroMemory(n);
        CryptographicOperations.ZeroMemory(pmk);
        return introduced;
    }

    public static int VersionOf(AttributeList attributes) => attributes.TryGet(DppAttribute.ProtocolVersion, out var version) && version.Length == 1 ? version.Span[0] : 1;
    public static byte[] Bytes(string connector) => System.Text.Encoding.ASCII.GetBytes(connector);
}

/// <summary>The station's half: shows its Connector, in clear or sealed to the access point (version 3), and checks the answer.</summary>
public sealed class StationIntroduction(IntroductionCredential own, Chance chance, byte transaction = 1)
{
    /// <summary>Peer Discovery Request; the Connector can be read by everybody.</summary>
    public DppFrame Request() => DppFrame.Create(DppFrameType.PeerDiscoveryRequest, new AttributeWriter().Add(DppAttribute.TransactionId, transaction)
        .Add(DppAttribute.Connector, IntroductionChecks.Bytes(own.Connector)).AddIf(own.Said > 1, DppAttribute.ProtocolVersion, [(byte)own.Said]), fromEnrollee: true);

    /// <exception cref="DppException">The access point refused, or cannot be trusted.</exception>
    public Introduced Receive(DppFrame response, Moment now)
    {
        var attributes = Check(response, DppFrameType.PeerDiscoveryResponse);
        var status = (DppStatus)attributes.GetByte(DppAttribute.Status);
        return status == DppStatus.Ok ? IntroductionChecks.Introduce(own, Reconfig.ConnectorOf(response), IntroductionChecks.VersionOf(attributes), now)
            : throw new DppException(status, "DPP Status", $"The access point says {status}.");
    }

    /// <summary>Private Peer Introduction Query.</summary>
    public DppFrame Query() => DppFrame.Create(DppFrameType.PrivatePeerIntroductionQuery, new AttributeWriter().Add(DppAttribute.TransactionId, transaction)
        .Add(DppAttribute.ProtocolVersion, (byte)own.Said), fromEnrollee: true);

    /// <summary>Takes the Notify; the Update is to be sent, then the station may associate.</summary>
    /// <exception cref="DppException">The access point cannot be trusted.</exception>
    public (Introduced Introduced, DppFrame Update) Notified(DppFrame notify, Moment now)
    {
        var attributes = Check(notify, DppFrameType.PrivatePeerIntroductionNotify);
        var introduced = IntroductionChecks.Introduce(own, Reconfig.ConnectorOf(notify), IntroductionChecks.VersionOf(attributes), now);
        var inside = new AttributeWriter().Add(DppAttribute.ProtocolVersion, (byte)own.Said).Add(DppAttribute.Connector, IntroductionChecks.Bytes(own.Connector));
        using var ephemeral = chance.NewAgreementKey(own.Curve.Curve, "Introduction.skE");
        byte[] sealedConnector = Hpke.Seal(own.Curve.Curve, introduced.Peer.NetAccessKey.Span, [], DppFrame.HeaderOf(DppFrameType.PrivatePeerIntroductionUpdate), inside.Written, ephemeral);
        return (introduced, DppFrame.Create(DppFrameType.PrivatePeerIntroductionUpdate,
            new AttributeWriter().Add(DppAttribute.TransactionId, transaction).Add(DppAttribute.WrappedData, sealedConnector), fromEnrollee: true));
    }

    private AttributeList Check(DppFrame frame, DppFrameType expected)
    {
        if (frame.Type != expected)
            throw new DppException("WRONG_STATE", frame.ToString(), $"{frame} came in place of {expected}.");
        return frame.Attributes.GetByte(DppAttribute.TransactionId) == transaction ? frame.Attributes : throw DppException.Malformed("Transaction ID", "is of another request.");
    }
}

/// <summary>The access point's half. One object serves all stations.</summary>
public sealed class AccessPointIntroduction(IntroductionCredential own)
{
    /// <summary>Takes a Peer Discovery Request.</summary>
    /// <returns>The response, which says why if nothing came of it; null: silence.</returns>
    public DppFrame? Receive(DppFrame request, Moment now, out Introduced? introduced, out DppException? refused)
    {
        (introduced, refused) = (null, null);
        if (request.Type != DppFrameType.PeerDiscoveryRequest || !request.Attributes.TryGet(DppAttribute.TransactionId, out var id) || id.Length != 1
            || Connector.Verify(own.Connector, own.CSign).HasExpired(now.Wall))
            return null;
        var attributes = new AttributeWriter().Add(DppAttribute.TransactionId, id.Span);
        try
        {
            introduced = IntroductionChecks.Introduce(own, Reconfig.ConnectorOf(request), IntroductionChecks.VersionOf(request.Attributes), now);
            attributes.Add(DppAttribute.Status, (byte)DppStatus.Ok).Add(DppAttribute.Connector, IntroductionChecks.Bytes(own.Connector));
        }
        catch (DppException e)
        {
            refused = e;
            attributes.Add(DppAttribute.Status, (byte)(e.Error == nameof(DppStatus.NoMatch) ? DppStatus.NoMatch : DppStatus.InvalidConnector));
        }
        attributes.AddIf(own.Said > 1, DppAttribute.ProtocolVersion, [(byte)own.Said]);
        return DppFrame.Create(DppFrameType.PeerDiscoveryResponse, attributes, fromEnrollee: false);
    }

    /// <summary>Takes a Private Peer Introduction Query.</summary>
    /// <exception cref="DppException"/>
    public DppFrame Notify(DppFrame query) => DppFrame.Create(DppFrameType.PrivatePeerIntroductionNotify, new AttributeWriter()
        .Add(DppAttribute.TransactionId, query.Attributes.GetByte(DppAttribute.TransactionId)).Add(DppAttribute.ProtocolVersion, (byte)own.Said)
        .Add(DppAttribute.Connector, IntroductionChecks.Bytes(own.Connector)), fromEnrollee: false);

    /// <summary>Takes a Private Peer Introduction Update; nothing is answered, whatever comes of it.</summary>
    /// <exception cref="DppException"/>
    public Introduced Updated(DppFrame update, Moment now)
    {
        byte[] plain = Hpke.Open(own.Curve.Curve, own.NetAccessKey, [], update.Header.Span, update.Attributes.Get(DppAttribute.WrappedData).Span) ?? throw DppException.Unwrap(update.ToString());
        var inside = AttributeList.Parse(plain, update.ToString());
        string connector = System.Text.Encoding.ASCII.GetString(inside.Get(DppAttribute.Connector).Span);
        return IntroductionChecks.Introduce(own, connector, IntroductionChecks.VersionOf(inside), now);
    }
}
