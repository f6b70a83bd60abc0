using System.Security.Cryptography;
using Org.BouncyCastle.Crypto.Prng;
using Org.BouncyCastle.Math;
using Org.BouncyCastle.Security;
using Org.BouncyCastle.Tls;
using Org.BouncyCastle.Tls.Crypto;
using Org.BouncyCastle.Tls.Crypto.Impl.BC;

namespace Hatchery.Tls.Bouncy;

/// <summary>BouncyCastle's primitives with every draw of randomness from a <see cref="Chance"/>, key agreement by its keys and ECDSA by key objects of the platform.
/// Draws: TLS.SIDE.random (hello randoms, session ids), TLS.SIDE.nonce (IVs of CBC suites, cookies), TLS.SIDE.key_share, TLS.SIDE.srp, TLS.SIDE.other.</summary>
internal sealed class ChanceCrypto(Chance chance, string side, Progress progress) : BcTlsCrypto(new ChanceRandom(chance, $"TLS.{side}.other"))
{
    private SecureRandom? _random;

    public Chance Chance => chance;
    public string Side => side;

    public override SecureRandom SecureRandom => _random ?? base.SecureRandom;

    public override TlsNonceGenerator CreateNonceGenerator(byte[] additionalSeedMaterial) => new ChanceNonces(chance, side);
    public override TlsNonceGenerator CreateNonceGenerator(ReadOnlySpan<byte> additionalSeedMaterial) => new ChanceNonces(chance, side);

    public override bool HasNamedGroup(int namedGroup) => namedGroup is NamedGroup.secp256r1 or NamedGroup.secp384r1;

    public override TlsECDomain CreateECDomain(TlsECConfig ecConfig) => new ChanceAgreements(this, progress, ecConfig.NamedGroup);

    public override TlsCertificate CreateCertificate(short type, byte[] encoding) =>
        type == CertificateType.X509 ? new PeerCertificate(this, encoding) : base.CreateCertificate(type, encoding);

    public override TlsSrp6Client CreateSrp6Client(TlsSrpConfig srpConfig) => WithSrpRandom(() => base.CreateSrp6Client(srpConfig));
    public override TlsSrp6Server CreateSrp6Server(TlsSrpConfig srpConfig, BigInteger srpVerifier) => WithSrpRandom(() => base.CreateSrp6Server(srpConfig, srpVerifier));

    private T WithSrpRandom<T>(Func<T> create)
    {
        _random = new ChanceRandom(chance, $"TLS.{side}.srp");
        T made = create();
        _random = null;
        return made;
    }

    private sealed class ChanceNonces(Chance chance, string side) : TlsNonceGenerator
    {
        public byte[] GenerateNonce(int size) => chance.Bytes(size, size == 32 ? $"TLS.{side}.random" : $"TLS.{side}.nonce");
    }
}

internal sealed class ChanceRandom(Chance chance, string use) : SecureRandom(new Generator(chance, use))
{
    public override byte[] GenerateSeed(int length) => chance.Bytes(length, use);
    public override void GenerateSeed(Span<byte> seed) => chance.Fill(seed, use);

    private sealed class Generator(Chance chance, string use) : IRandomGenerator
    {
        public void AddSeedMaterial(byte[] seed) { }
        public void AddSeedMaterial(ReadOnlySpan<byte> seed) { }
        public void AddSeedMaterial(long seed) { }
        public void NextBytes(byte[] bytes) => chance.Fill(bytes, use);
        public void NextBytes(byte[] bytes, int start, int len) => chance.Fill(bytes.AsSpan(start, len), use);
        public void NextBytes(Span<byte> bytes) => chance.Fill(bytes, use);
    }
}

internal sealed class ChanceAgreements(ChanceCrypto crypto, Progress progress, int namedGroup) : TlsECDomain
{
    public TlsAgreement CreateECDH() => new Agreement(crypto, progress, namedGroup);

    private sealed class Agreement(ChanceCrypto crypto, Progress progress, int namedGroup) : TlsAgreement
    {
        private AgreementKey? _key;
        private byte[] _peer = [];

        public byte[] GenerateEphemeral()
        {
            var curve = namedGroup switch
            {
                NamedGroup.secp256r1 => ECCurve.NamedCurves.nistP256,
                NamedGroup.secp384r1 => ECCurve.NamedCurves.nistP384,
                _ => throw new TlsFatalAlert(AlertDescription.illegal_parameter, "The group is not one that was offered."),
            };
            _key = crypto.Chance.NewAgreementKey(curve, $"TLS.{crypto.Side}.key_share");
            progress.Keep(_key);
            return _key.PublicPoint.ToArray();
        }

        public void ReceivePeerValue(byte[] peerValue) => _peer = peerValue;

        public TlsSecret CalculateSecret()
        {
            try
            {
                return crypto.CreateSecret(_key!.Agree(_peer));
            }
            catch (CryptographicException e)
            {
                throw new TlsFatalAlert(AlertDescription.illegal_parameter, "The peer's key share is no point of the group.", e);
            }
        }
    }
}
