using System.Formats.Cbor;
using Hatchery.Cryptography.Cose;

namespace Hatchery.Fdo;

/// <summary>EAT token of ProveToRV and ProveDevice: a COSE_Sign1 by the attestation key (FDO 1.1 §3.3.6).</summary>
/// <param name="Guid">From the UEID: 01 (RAND), then the GUID.</param>
/// <param name="Fdo">The EAT-FDO claim as encoded; empty if there is none.</param>
public sealed record EntityToken(CoseSign1 Signed, Nonce Nonce, Guid Guid, ReadOnlyMemory<byte> Fdo)
{
    private const int NonceClaim = 10, UeidClaim = 256, FdoClaim = -257, MaxClaims = 16;

    /// <param name="attestationKey">SubjectPublicKeyInfo, DER.</param>
    public bool Verify(ReadOnlyMemory<byte> attestationKey) => SignatureTypes.Verify(Signed, attestationKey);

    internal static EntityToken Parse(ReadOnlyMemory<byte> body, string message)
    {
        if (body.Length > WireReading.MaxMessage)
            throw new FdoException(FdoErrorCode.MessageBodyError, message, $"{message}: {body.Length} bytes are more than a message may have.");
        var signed = CoseSign1.Parse(body, FdoException.Body, message, untagged: true);
        var reader = new BoundedCborReader(signed.Payload, FdoException.Body);
        Nonce? nonce = null;
        Guid? guid = null;
        ReadOnlyMemory<byte> fdo = default;
        reader.StartMap("EAT");
        for (int count = 0; reader.More("EAT"); count++)
        {
            if (count == MaxClaims)
                throw reader.Wrong("EAT", $"more than {MaxClaims} claims.");
            if (!reader.IsNumber("EAT"))
            {
                reader.Text("EAT");
                reader.Raw("EAT");
                continue;
            }
            switch (reader.Integer("EAT"))
            {
                case NonceClaim when nonce is null:
                    nonce = reader.Nonce("EAT nonce");
                    break;
                case UeidClaim when guid is null:
                    var ueid = reader.Bytes("EAT ueid", 17);
                    if (ueid.Span[0] != 1)
                        throw reader.Wrong("EAT ueid", $"type {ueid.Span[0]} is not RAND (1).");
                    guid = new Guid(ueid.Span[1..], bigEndian: true);
                    break;
                case FdoClaim when fdo.IsEmpty:
                    fdo = reader.Raw("EAT-FDO");
                    break;
                case NonceClaim or UeidClaim or FdoClaim:
                    throw reader.Wrong("EAT", "a claim occurs twice.");
                default:
                    reader.Raw("EAT");
                    break;
            }
        }
        reader.EndMap("EAT");
        reader.End("EAT");
        return new EntityToken(signed, nonce ?? throw reader.Wrong("EAT nonce", "missing."), guid ?? throw reader.Wrong("EAT ueid", "missing."), fdo);
    }

    internal static EntityToken Sign(Nonce nonce, Guid guid, ReadOnlyMemory<byte> fdo, CoseHeaders unprotected, FdoPrivateKey attestationKey, Chance chance, string use)
    {
        var writer = WireReading.Writer(64 + fdo.Length);
        writer.WriteStartMap(fdo.IsEmpty ? 2 : 3);
        writer.WriteInt32(NonceClaim);
        nonce.Write(writer);
        writer.WriteInt32(UeidClaim);
        Span<byte> ueid = stackalloc byte[17];
        ueid[0] = 1;
        guid.TryWriteBytes(ueid[1..], bigEndian: true, out _);
        writer.WriteByteString(ueid);
        if (!fdo.IsEmpty)
        {
            writer.WriteInt32(FdoClaim);
            writer.WriteEncodedValue(fdo.Span);
        }
        writer.WriteEndMap();
        return new EntityToken(attestationKey.Sign(writer.Finish(), unprotected, chance, use), nonce, guid, fdo);
    }
}
