using System.Collections.Immutable;

namespace Hatchery.Fdo;

/// <summary>What is checked of a voucher, in this order (FDO 1.1 §3.4).</summary>
public enum VoucherCheck
{
    ProtocolVersion, RendezvousInfo, DeviceInfo, ManufacturerKey, DevCertChainHash, DeviceKey, DeviceChainTrust, EntryCount,
    OVEHashPrevEntry, OVEHashHdrInfo, OVEPubKey, EntrySignature, Owner,
}

/// <summary>One check and how it ended.</summary>
/// <param name="Entry">Number of the entry, from 0; null where the check is not about one.</param>
/// <param name="Sentence">For people; with expected and found values where it failed.</param>
public sealed record VoucherFinding(VoucherCheck Check, int? Entry, bool Passed, string Sentence);

public sealed record VoucherDiagnosis(ImmutableArray<VoucherFinding> Findings)
{
    public bool IsValid => FirstFailure is null;

    public VoucherFinding? FirstFailure
    {
        get
        {
            foreach (var finding in Findings)
                if (!finding.Passed)
                    return finding;
            return null;
        }
    }

    /// <exception cref="FdoException">2, with the first check that failed.</exception>
    public void Require()
    {
        if (FirstFailure is { } failure)
            throw new FdoException(FdoErrorCode.InvalidOwnershipVoucher, failure.Entry is { } n ? $"OVEntry {n}: {failure.Check}" : failure.Check.ToString(), failure.Sentence);
    }
}

/// <summary>What the party that verifies wants.</summary>
public sealed record VoucherPolicy
{
    /// <summary>Replacement vouchers and a manufacturer that is itself the owner have none.</summary>
    public bool AllowNoEntries { get; init; }

    /// <summary>The key that must be the last owner's; null: anybody's.</summary>
    public FdoPublicKey? Owner { get; init; }

    /// <summary>Judges the device's chain (DER, leaf first) against the trusted device CAs: null is yes, a sentence is no. Not set: any chain
    /// will do, because the voucher vouches for the device key by its hash.</summary>
    public Func<ImmutableArray<ReadOnlyMemory<byte>>, string?>? JudgeDeviceChain { get; init; }
}
