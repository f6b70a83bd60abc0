using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Security.Cryptography;
using Hatchery.Cryptography;

namespace Hatchery.Dpp.Configurator;

/// <summary>The keys of one Configurator, which are the network: C-sign-key, ppKey, and own Connectors for reconfiguration. May be shared by threads.</summary>
public sealed class ConfiguratorKeys
{
    private static readonly ImmutableArray<DppGroup> s_configurator = [new(DppGroup.Any, DppGroup.Configurator)];
    private readonly ConcurrentDictionary<int, (AgreementKey Key, Connector Connector)> _own = new();
    private readonly ECDsa _signer;
    private readonly Chance _chance;

    /// <param name="csign">Scalar, big endian, of the curve's width.</param>
    /// <param name="ppKey">As <paramref name="csign"/>, on the same curve.</param>
    /// <exception cref="CryptographicException">No private key of the curve.</exception>
    public ConfiguratorKeys(DppCurve curve, SecretBytes csign, SecretBytes ppKey, Chance chance)
    {
        (Curve, CSignScalar, PpScalar, _chance) = (curve, csign, ppKey, chance);
        _signer = SigningKeys.ImportScalar(curve.Curve, csign.Reveal());
        var q = _signer.ExportParameters(false).Q;
        CSign = new DppPublicKey(curve, UncompressedPoint.Encode(q.X, q.Y, curve.Width));
        using var pp = EcAgreement.FromPrivate(curve.Curve, ppKey.Reveal());
        PpKey = new DppPublicKey(curve, pp.PublicPoint.Span);
    }

    public static ConfiguratorKeys Generate(DppCurve curve, Chance chance)
    {
        using var csign = chance.NewAgreementKey(curve.Curve, "C-sign-key");
        using var pp = chance.NewAgreementKey(curve.Curve, "ppKey");
        return new ConfiguratorKeys(curve, csign.ExportScalar(), pp.ExportScalar(), chance);
    }

    public DppCurve Curve { get; }
    public DppPublicKey CSign { get; }
    public DppPublicKey PpKey { get; }
    public SecretBytes CSignScalar { get; }
    public SecretBytes PpScalar { get; }

    /// <summary>Signs a Connector.</summary>
    /// <param name="netAccessKey">Uncompressed.</param>
    public Connector Issue(ImmutableArray<DppGroup> groups, DppCurve curve, ReadOnlyMemory<byte> netAccessKey, DateTimeOffset? expiry, int? version) =>
        Connector.Sign(groups, curve, netAccessKey, expiry, version, CSign, _signer, _chance);

    /// <summary>Key and Connector with which we ask a device of this group to reconfigure; the same for all.</summary>
    internal (AgreementKey Key, Connector Connector) Own(DppCurve curve) => _own.GetOrAdd(curve.IkeGroup, _ =>
    {
        var key = _chance.NewAgreementKey(curve.Curve, "Reconfig.CI");
        return (key, Issue(s_configurator, curve, key.PublicPoint, null, null));
    });

    /// <summary>E-id: equal for the announcements of one device in one episode (DPP §6.5.2).</summary>
    internal byte[] EnrolleeId(ReadOnlySpan<byte> ePrimeId, ReadOnlySpan<byte> aNonce) =>
        Curve.Group.Subtract(ePrimeId, Curve.Group.Multiply(PpScalar.Reveal(), aNonce));
}
