using System.Collections.Immutable;

namespace Hatchery.Fdo;

/// <summary>Verifies a whole voucher and says of each check how it ended. The HMAC can be checked by the device alone
/// (<see cref="VoucherHmac"/>); a change of it shows here in entry 0's hash.</summary>
public static class VoucherVerifier
{
    public static VoucherDiagnosis Verify(OwnershipVoucher voucher, VoucherPolicy policy)
    {
        var findings = ImmutableArray.CreateBuilder<VoucherFinding>(16);
        var header = voucher.Header;
        void Say(VoucherCheck check, bool passed, string good, string bad) => findings.Add(new(check, null, passed, passed ? good : bad));

        Say(VoucherCheck.ProtocolVersion, voucher.Version == FdoVersion.Protocol && header.Version == FdoVersion.Protocol,
            "the protocol version is 101.", $"OVProtVer is {voucher.Version}, OVHProtVer {header.Version}; both must be 101.");
        Say(VoucherCheck.RendezvousInfo, !header.RendezvousInfo.IsEmpty, "there is rendezvous information.", "OVRVInfo is empty.");
        Say(VoucherCheck.DeviceInfo, header.DeviceInfo.Length > 0, "there is device information.", "OVDeviceInfo is empty.");
        Say(VoucherCheck.ManufacturerKey, IsUsable(header.PublicKey), $"the manufacturer's key is {header.PublicKey.Type}.",
            $"OVPublicKey: no key of type {header.PublicKey.Type} that can be used.");
        findings.Add(JudgeChainHash(voucher));
        if (!voucher.DevCertChain.IsEmpty)
        {
            Say(VoucherCheck.DeviceKey, FdoPublicKey.TypeOf(voucher.DeviceKey) is not null, "the device's key is of a supported type.",
                "OVDevCertChain: the first certificate has no key on P-256 or P-384, and no RSA key of 2048 or 3072 bits.");
            if (policy.JudgeDeviceChain is { } judge)
            {
                string? refusal = judge(voucher.DevCertChain);
                Say(VoucherCheck.DeviceChainTrust, refusal is null, "the device's chain ends at a trusted CA.", $"OVDevCertChain: {refusal}");
            }
        }
        Say(VoucherCheck.EntryCount, policy.AllowNoEntries || !voucher.Entries.IsEmpty, $"{voucher.Entries.Length} entries.", "OVEntryArray is empty.");
        var chain = new VoucherChain(header, voucher.HeaderHmac);
        foreach (var entry in voucher.Entries)
            chain.Judge(entry, findings.Add);
        if (policy.Owner is { } owner)
            Say(VoucherCheck.Owner, voucher.Owner.IsSameKey(owner), "the last owner's key is ours.",
                $"the voucher ends with the key {voucher.Owner.Fingerprint}, not with {owner.Fingerprint}.");
        return new VoucherDiagnosis(findings.ToImmutable());
    }

    /// <summary>A key that signs nothing, because there are no entries, may still be no point of its curve.</summary>
    private static bool IsUsable(FdoPublicKey key)
    {
        try
        {
            key.Import("OVPublicKey");
            return true;
        }
        catch (FdoException)
        {
            return false;
        }
    }

    private static VoucherFinding JudgeChainHash(OwnershipVoucher voucher)
    {
        var hash = voucher.Header.DevCertChainHash;
        if (hash is null != voucher.DevCertChain.IsEmpty)
            return new(VoucherCheck.DevCertChainHash, null, false, hash is null ? "OVDevCertChain is there, but OVDevCertChainHash is null." : "OVDevCertChainHash is there, but OVDevCertChain is null.");
        if (hash is null)
            return new(VoucherCheck.DevCertChainHash, null, false, "there is no device certificate chain; devices without one (EPID) are not supported.");
        var expected = X5Chain.Hash(hash.Type, voucher.DevCertChain);
        return hash.Equals(expected) ? new(VoucherCheck.DevCertChainHash, null, true, "the hash of the device's chain is right.")
            : new(VoucherCheck.DevCertChainHash, null, false, $"OVDevCertChainHash is {FdoHash.Name(hash.Type)} over another chain: expected "
                + $"{Convert.ToHexStringLower(expected.Value.Span)}, found {Convert.ToHexStringLower(hash.Value.Span)}.");
    }
}
