using System.Security.Cryptography;
using Hatchery.Cryptography;

namespace Hatchery.Dpp;

/// <summary>The messages of reconfiguration authentication and what both sides derive (DPP §6.5).</summary>
internal static class Reconfig
{
    public static DppFrame Announcement(DppPublicKey csign, DppCurve netAccessCurve, ReadOnlySpan<byte> aNonce, ReadOnlySpan<byte> ePrimeId) =>
        DppFrame.Create(DppFrameType.ReconfigAnnouncement, new AttributeWriter().Add(DppAttribute.CSignKeyHash, csign.Hash.Span).AddGroup(netAccessCurve)
            .Add(DppAttribute.ANonce, aNonce[1..]).Add(DppAttribute.EPrimeId, ePrimeId[1..]), fromEnrollee: true);

    public static DppFrame Request(byte transaction, int version, string connector, ReadOnlySpan<byte> nonce) =>
        DppFrame.Create(DppFrameType.ReconfigAuthenticationRequest, new AttributeWriter().Add(DppAttribute.TransactionId, transaction).Add(DppAttribute.ProtocolVersion, (byte)version)
            .Add(DppAttribute.Connector, System.Text.Encoding.ASCII.GetBytes(connector)).Add(DppAttribute.ConfiguratorNonce, nonce), fromEnrollee: false);

    public static DppFrame Response(byte transaction, int version, string connector, byte[] enrolleeNonce, AgreementKey key, ReadOnlySpan<byte> configuratorNonce, DppConnectionStatus status, byte[] ke)
    {
        var attributes = new AttributeWriter().Add(DppAttribute.TransactionId, transaction).Add(DppAttribute.ProtocolVersion, (byte)version)
            .Add(DppAttribute.Connector, System.Text.Encoding.ASCII.GetBytes(connector)).Add(DppAttribute.EnrolleeNonce, enrolleeNonce).Add(DppAttribute.ResponderProtocolKey, key.PublicPoint.Span[1..]);
        var inside = new AttributeWriter().Add(DppAttribute.ConfiguratorNonce, configuratorNonce).Add(DppAttribute.ConnectionStatus, status.Encode());
        attributes.Wrap(ke, inside, DppFrame.HeaderOf(DppFrameType.ReconfigAuthenticationResponse), attributes.ToArray());
        return DppFrame.Create(DppFrameType.ReconfigAuthenticationResponse, attributes, fromEnrollee: true);
    }

    public static DppFrame Confirm(byte transaction, int enrolleeVersion, ReadOnlySpan<byte> configuratorNonce, ReadOnlySpan<byte> enrolleeNonce, bool replaceKey, byte[] ke)
    {
        var attributes = new AttributeWriter().Add(DppAttribute.Status, (byte)DppStatus.Ok);
        var inside = new AttributeWriter().Add(DppAttribute.TransactionId, transaction).Add(DppAttribute.ProtocolVersion, (byte)enrolleeVersion)
            .Add(DppAttribute.ConfiguratorNonce, configuratorNonce).Add(DppAttribute.EnrolleeNonce, enrolleeNonce).Add(DppAttribute.ReconfigFlags, replaceKey ? (byte)1 : (byte)0);
        attributes.Wrap(ke, inside, DppFrame.HeaderOf(DppFrameType.ReconfigAuthenticationConfirm), attributes.ToArray());
        return DppFrame.Create(DppFrameType.ReconfigAuthenticationConfirm, attributes, fromEnrollee: false);
    }

    /// <summary>cI * (CR + PR).</summary>
    public static byte[] ConfiguratorSecret(DppCurve curve, AgreementKey own, ReadOnlySpan<byte> netAccessKey, ReadOnlySpan<byte> protocolKey) => own.Agree(curve.Group.Add(netAccessKey, protocolKey));

    /// <summary>(cR + pR) * CI.</summary>
    public static byte[] EnrolleeSecret(DppCurve curve, AgreementKey netAccessKey, AgreementKey protocolKey, ReadOnlySpan<byte> configuratorKey)
    {
        using var c = netAccessKey.ExportScalar();
        using var p = protocolKey.ExportScalar();
        byte[] sum = curve.Group.AddScalars(c.Reveal(), p.Reveal());
        using var key = EcAgreement.FromPrivate(curve.Curve, sum);
        CryptographicOperations.ZeroMemory(sum);
        return key.Agree(configuratorKey);
    }

    /// <summary>The Connector of a frame as text; ASCII only.</summary>
    /// <exception cref="DppException"/>
    public static string ConnectorOf(DppFrame frame)
    {
        var value = frame.Attributes.Get(DppAttribute.Connector);
        if (value.Length > Connector.MaxLength || value.Span.ContainsAnyExceptInRange((byte)0x21, (byte)0x7e))
            throw new DppException(DppStatus.InvalidConnector, "DPP Connector", "DPP Connector: is too long, or has characters that none has.");
        return System.Text.Encoding.ASCII.GetString(value.Span);
    }

    /// <exception cref="DppException"/>
    public static int VersionOf(AttributeList attributes) =>
        attributes.GetByte(DppAttribute.ProtocolVersion) is >= 2 and var version ? version : throw DppException.Malformed("Protocol Version", "knows no reconfiguration.");
}
