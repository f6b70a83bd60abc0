namespace Hatchery.Fdo;

/// <summary>Verifies entries one after the other. Keeps the entry before and no other, so that a device needs the same memory for any number.</summary>
public sealed class VoucherChain
{
    private readonly byte[] _headerInfo;
    private readonly PublicKeyType _keyType;
    private ReadOnlyMemory<byte> _previous, _previousTail;
    private HashType? _hashType;

    /// <param name="headerHmac">OVHeaderHMac, which entry 0 covers.</param>
    public VoucherChain(OwnershipVoucherHeader header, FdoHash headerHmac)
    {
        _headerInfo = header.HeaderInfo();
        _keyType = header.PublicKey.Type;
        (_previous, _previousTail) = (header.Raw, headerHmac.Raw);
        Owner = header.PublicKey;
    }

    /// <summary>Who owns the device after the entries so far.</summary>
    public FdoPublicKey Owner { get; private set; }

    /// <summary>How many entries were taken.</summary>
    public int Count { get; private set; }

    /// <summary>Takes the next entry, or refuses it.</summary>
    /// <exception cref="FdoException">101, with the first check that failed.</exception>
    public void Accept(VoucherEntry entry)
    {
        int number = Count;
        Judge(entry, finding =>
        {
            if (!finding.Passed)
                throw FdoException.Invalid($"OVEntry {number}: {finding.Check}", finding.Sentence);
        });
    }

    /// <summary>Reports every check of the next entry and goes on to the one behind it, whatever the outcome.</summary>
    internal void Judge(VoucherEntry entry, Action<VoucherFinding> report)
    {
        int number = Count;
        var hashType = _hashType ?? entry.HashPrevEntry.Type;
        report(JudgeHash(VoucherCheck.OVEHashPrevEntry, entry.HashPrevEntry, hashType, _previous.Span, _previousTail.Span));
        report(JudgeHash(VoucherCheck.OVEHashHdrInfo, entry.HashHdrInfo, hashType, _headerInfo, default));
        report(entry.PublicKey.Type == _keyType ? new(VoucherCheck.OVEPubKey, number, true, "the key has the manufacturer key's type.")
            : new(VoucherCheck.OVEPubKey, number, false, $"entry {number}: OVEPubKey has type {entry.PublicKey.Type}, the manufacturer's key {_keyType}."));
        report(JudgeSignature(entry, number));
        (_hashType, _previous, _previousTail, Owner) = (hashType, entry.Raw, default, entry.PublicKey);
        Count++;
    }

    private VoucherFinding JudgeHash(VoucherCheck check, FdoHash found, HashType type, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second)
    {
        int number = Count;
        if (found.Type != type)
            return new(check, number, false, $"entry {number}: {check} is {FdoHash.Name(found.Type)}, but the voucher's entries use {FdoHash.Name(type)}.");
        if (found.Matches(first, second))
            return new(check, number, true, "the hash is right.");
        var expected = FdoHash.Of(type, first, second);
        return new(check, number, false, $"entry {number}: {check} is {FdoHash.Name(type)} over other bytes: expected {Convert.ToHexStringLower(expected.Value.Span)}, "
            + $"found {Convert.ToHexStringLower(found.Value.Span)}.");
    }

    private VoucherFinding JudgeSignature(VoucherEntry entry, int number)
    {
        string by = number == 0 ? "the manufacturer" : $"the owner that entry {number - 1} names";
        bool passed;
        try
        {
            passed = Owner.Verifies(entry.Signed, "OVEPubKey");
        }
        catch (FdoException e)
        {
            return new(VoucherCheck.EntrySignature, number, false, $"entry {number}: the key of {by} cannot be used: {e.Message}");
        }
        return new(VoucherCheck.EntrySignature, number, passed, passed ? $"signed by {by}." : $"entry {number}: the signature is not by {by}.");
    }
}
