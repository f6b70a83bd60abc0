
namespace Hatchery.Fdo.Device;

/// <summary>What a device checks before it believes that a voucher is its own and whom it names (FDO 1.1 §5.5.3 to 5.5.5): header against its
/// credential at once, then entry by entry with constant memory.</summary>
internal sealed class OwnershipProof
{
    private readonly ProveOVHdr _proof;
    private readonly VoucherChain _chain;
    private readonly bool _allowDelegates;

    /// <exception cref="FdoException">101.</exception>
    public OwnershipProof(DeviceCredential credential, HelloDevice hello, ProveOVHdr proof, DeviceOptions options)
    {
        (_proof, _allowDelegates) = (proof, options.AllowDelegates);
        var content = proof.Content;
        var header = content.Header;
        if (content.NonceTO2ProveOV != hello.NonceTO2ProveOV)
            throw FdoException.Invalid("NonceTO2ProveOV", "not the one of TO2.HelloDevice.");
        if (!content.HelloDeviceHash.Matches(hello.Raw.Span))
            throw FdoException.Invalid("helloDeviceHash", "not over the TO2.HelloDevice that was sent.");
        if (!content.BSigInfo.IsSameAs(hello.ASigInfo))
            throw FdoException.Invalid("eBSigInfo", "not the echo of eASigInfo.");
        if (proof.Delegate is { } chain)
        {
            if (!options.AllowDelegates)
                throw FdoException.Invalid("delegate chain", "this device believes no delegates.");
            // Whether the owner keeps the credential is known at message 65: either permission lets a delegate begin.
            try
            {
                DelegateChain.Require(chain, proof.CuphOwnerPubKey, DelegatePermission.OnboardNewCredential);
                Permission = DelegatePermission.OnboardNewCredential;
            }
            catch (FdoException)
            {
                DelegateChain.Require(chain, proof.CuphOwnerPubKey, DelegatePermission.OnboardReuseCredential);
                Permission = DelegatePermission.OnboardReuseCredential;
            }
        }
        if (!proof.Verify())
            throw FdoException.Invalid("TO2.ProveOVHdr", "not signed by the key that it names.");
        if (header.Version != FdoVersion.Protocol)
            throw FdoException.Invalid("OVHProtVer", $"{header.Version} where {FdoVersion.Protocol} is spoken.");
        if (header.Guid != credential.Guid)
            throw FdoException.Invalid("OVGuid", "another device's.");
        if (!VoucherHmac.Verify(content.Hmac, credential.HmacSecret!, header))
            throw FdoException.Invalid("HMac", "not over this header under the device's secret.");
        if (!credential.Knows(header))
            throw FdoException.Invalid("OVPublicKey", "not the manufacturer that the device knows.");
        if (!KeyExchangeSuite.Require(hello.KexSuiteName).Fits(proof.CuphOwnerPubKey))
            throw FdoException.Invalid("CUPHOwnerPubKey", $"a key of type {proof.CuphOwnerPubKey.Type} does not fit {hello.KexSuiteName}.");
        if (content.NumOVEntries == 0 && !options.ManufacturerMayOwn)
            throw FdoException.Invalid("NumOVEntries", "0: the manufacturer may not own this device.");
        _chain = new VoucherChain(header, content.Hmac);
        if (content.NumOVEntries == 0)
            CheckOwner();
    }

    /// <summary>Entries verified so far, which is also the number of the next.</summary>
    public int Verified { get; private set; }
    public bool IsComplete => Verified == _proof.Content.NumOVEntries;
    public ProveOVHdr Proof => _proof;
    /// <summary>What a delegate may do; null: the owner itself is there.</summary>
    public DelegatePermission? Permission { get; }

    /// <exception cref="FdoException">101.</exception>
    public void Add(OVNextEntry message)
    {
        if (message.OVEntryNum != Verified)
            throw FdoException.Invalid("OVEntryNum", $"{message.OVEntryNum} where {Verified} was asked for.");
        _chain.Accept(message.Entry);
        Verified++;
        if (IsComplete)
            CheckOwner();
    }

    /// <summary>The redirect came from whom the voucher names, or somebody stands between.</summary>
    public void CheckRedirect(To1d to1d)
    {
        if (!to1d.Verify(_proof.CuphOwnerPubKey, _allowDelegates))
            throw FdoException.Invalid("to1d", "not signed by the owner that the voucher names.");
    }

    private void CheckOwner()
    {
        if (!_chain.Owner.IsSameKey(_proof.CuphOwnerPubKey))
            throw FdoException.Invalid("CUPHOwnerPubKey", "not the owner that the voucher names.");
    }
}
