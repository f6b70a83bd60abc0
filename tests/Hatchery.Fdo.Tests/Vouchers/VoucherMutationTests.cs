using Hatchery.Cryptography;

namespace Hatchery.Fdo.Tests;

public sealed class VoucherMutationTests
{
    private static readonly Transcript s_run = Transcript.Read("p256-x509-ecdh256-a256gcm-2hops");
    private static readonly byte[] s_raw = s_run.Bytes("voucher_extended")!;
    private static readonly OwnershipVoucher s_voucher = OwnershipVoucher.Parse(s_raw);

    /// <summary>Flips each byte of a part in turn. Either the voucher can no longer be read, or the first check that fails is the part's own.</summary>
    private static void Mutate(ReadOnlyMemory<byte> part, Func<int, VoucherCheck[]> expected, int? entry)
    {
        int at = s_raw.AsSpan().IndexOf(part.Span), diagnosed = 0;
        Assert.True(at > 0);
        for (int i = 0; i < part.Length; i++)
        {
            var raw = s_raw.ToArray();
            raw[at + i] ^= 0x01;
            OwnershipVoucher voucher;
            try
            {
                voucher = OwnershipVoucher.Parse(raw);
            }
            catch (FdoException e)
            {
                Assert.Equal(FdoErrorCode.InvalidOwnershipVoucher, e.Code);
                continue;
            }
            var failure = VoucherVerifier.Verify(voucher, new VoucherPolicy()).FirstFailure;
            Assert.NotNull(failure);
            Assert.Contains(failure.Check, expected(i));
            if (entry is not null)
                Assert.Equal(entry, failure.Entry);
            diagnosed++;
        }
        Assert.True(diagnosed * 2 > part.Length, $"only {diagnosed} of {part.Length} mutations could be read");
    }

    [Fact]
    public void A_changed_GUID_shows_in_entry_0() => Mutate(s_voucher.Guid.ToByteArray(bigEndian: true), _ => [VoucherCheck.OVEHashPrevEntry], 0);

    [Fact]
    public void A_changed_device_info_shows_in_entry_0() =>
        Mutate(System.Text.Encoding.UTF8.GetBytes(s_voucher.Header.DeviceInfo), _ => [VoucherCheck.OVEHashPrevEntry], 0);

    [Fact]
    public void A_changed_manufacturer_key_is_no_point_of_its_curve() =>
        Mutate(s_voucher.Header.PublicKey.SubjectPublicKeyInfo[^64..], _ => [VoucherCheck.ManufacturerKey], null);

    [Fact]
    public void A_changed_header_HMAC_shows_in_entry_0() => Mutate(s_voucher.HeaderHmac.Value, _ => [VoucherCheck.OVEHashPrevEntry], 0);

    [Fact]
    public void A_changed_chain_hash_is_found_as_such() => Mutate(s_voucher.Header.DevCertChainHash!.Value, _ => [VoucherCheck.DevCertChainHash], null);

    [Fact]
    public void A_changed_certificate_does_not_match_the_chain_hash() => Mutate(s_voucher.DevCertChain[0], _ => [VoucherCheck.DevCertChainHash], null);

    [Fact]
    public void A_changed_previous_hash_is_found_in_its_entry() =>
        Mutate(s_voucher.Entries[1].HashPrevEntry.Value, _ => [VoucherCheck.OVEHashPrevEntry], 1);

    [Fact]
    public void A_changed_next_owner_is_found_by_the_signature() =>
        Mutate(s_voucher.Entries[1].PublicKey.SubjectPublicKeyInfo[^64..], _ => [VoucherCheck.EntrySignature], 1);

    [Fact]
    public void A_changed_extra_is_found_by_the_signature() => Mutate(s_voucher.Entries[1].Extra[^10..], _ => [VoucherCheck.EntrySignature], 1);

    [Fact]
    public void A_changed_signature_is_found_in_its_entry() => Mutate(s_voucher.Entries[1].Signed.Signature, _ => [VoucherCheck.EntrySignature], 1);

    [Fact]
    public void A_changed_signature_of_entry_0_is_found_there() => Mutate(s_voucher.Entries[0].Signed.Signature, _ => [VoucherCheck.EntrySignature], 0);

    [Fact]
    public void The_diagnosis_names_both_hashes()
    {
        var raw = s_raw.ToArray();
        raw[s_raw.AsSpan().IndexOf(s_voucher.Entries[1].HashHdrInfo.Value.Span)] ^= 1;
        // The same value stands in entry 0, which comes first.
        var failure = VoucherVerifier.Verify(OwnershipVoucher.Parse(raw), new VoucherPolicy()).FirstFailure!;
        Assert.Equal((VoucherCheck.OVEHashHdrInfo, (int?)0), (failure.Check, failure.Entry));
        Assert.Contains("expected " + Convert.ToHexStringLower(s_voucher.Entries[0].HashHdrInfo.Value.Span), failure.Sentence, StringComparison.Ordinal);
        Assert.Contains("SHA-256", failure.Sentence, StringComparison.Ordinal);
    }

    [Fact]
    public void A_device_takes_entries_in_order_and_no_others()
    {
        var chain = new VoucherChain(s_voucher.Header, s_voucher.HeaderHmac);
        var wrong = Assert.Throws<FdoException>(() => chain.Accept(s_voucher.Entries[1]));
        Assert.Equal(FdoErrorCode.InvalidMessageError, wrong.Code);
        chain = new VoucherChain(s_voucher.Header, s_voucher.HeaderHmac);
        foreach (var entry in s_voucher.Entries)
            chain.Accept(entry);
        Assert.True(chain.Owner.IsSameKey(s_voucher.Owner));
        Assert.Throws<FdoException>(() => chain.Accept(s_voucher.Entries[1]));
    }

    [Fact]
    public void Whoever_does_not_own_a_voucher_cannot_extend_it()
    {
        using var manufacturer = SigningKeys.ImportPrivate(s_run.Key("manufacturer_key_pkcs8"));
        var refused = Assert.Throws<FdoException>(() => VoucherExtension.Extend(s_voucher, manufacturer, s_voucher.Owner, new RecordedRandomness()));
        Assert.Equal(FdoErrorCode.InvalidOwnershipVoucher, refused.Code);
        using var owner = SigningKeys.ImportPrivate(s_run.Key("owner_key_pkcs8"));
        var large = FdoPublicKey.From(System.Security.Cryptography.ECDsa.Create(System.Security.Cryptography.ECCurve.NamedCurves.nistP384));
        Assert.Throws<FdoException>(() => VoucherExtension.Extend(s_voucher, owner, large, new RecordedRandomness()));
    }

    [Fact]
    public void Policies_refuse_for_their_own_reasons()
    {
        var unextended = OwnershipVoucher.Parse(s_run.Bytes("voucher_unextended"));
        Assert.Equal(VoucherCheck.EntryCount, VoucherVerifier.Verify(unextended, new VoucherPolicy()).FirstFailure!.Check);
        Assert.True(VoucherVerifier.Verify(unextended, new VoucherPolicy { AllowNoEntries = true }).IsValid);
        Assert.Equal(VoucherCheck.Owner, VoucherVerifier.Verify(s_voucher, new VoucherPolicy { Owner = s_voucher.Header.PublicKey }).FirstFailure!.Check);
        var distrust = VoucherVerifier.Verify(s_voucher, new VoucherPolicy { JudgeDeviceChain = _ => "no anchor." });
        Assert.Equal(VoucherCheck.DeviceChainTrust, distrust.FirstFailure!.Check);
        Assert.Equal(FdoErrorCode.InvalidOwnershipVoucher, Assert.Throws<FdoException>(distrust.Require).Code);
    }

    /// <summary>Hashes that are right but of another type than those of entry 0, under a right signature.</summary>
    [Theory]
    [InlineData(HashType.Sha384, HashType.Sha256, VoucherCheck.OVEHashPrevEntry)]
    [InlineData(HashType.Sha256, HashType.Sha384, VoucherCheck.OVEHashHdrInfo)]
    public void All_hashes_of_a_voucher_are_of_one_type(HashType previousType, HashType infoType, VoucherCheck expected)
    {
        using var owner = SigningKeys.ImportPrivate(s_run.Key("owner_key_pkcs8"));
        var entry = VoucherEntry.Sign(FdoHash.Of(previousType, s_voucher.Entries[^1].Raw.Span), FdoHash.Of(infoType, s_voucher.Header.HeaderInfo()), default,
            s_voucher.Header.PublicKey, owner, new PlatformSigner(), "test");
        var failure = VoucherVerifier.Verify(s_voucher.Append(entry), new VoucherPolicy()).FirstFailure!;
        Assert.Equal((expected, (int?)2), (failure.Check, failure.Entry));
    }

    [Fact]
    public void A_hash_of_the_wrong_length_is_refused()
    {
        var run = s_run.First(12).Body;
        Assert.Equal("100", Assert.Throws<FdoException>(() => SetHmac.Parse(Convert.FromHexString("8182054100"))).Error);
        Assert.Equal("100", Assert.Throws<FdoException>(() => SetHmac.Parse((byte[])[.. run[..2], 0x06, .. run[3..]])).Error);
        Assert.Equal("100", Assert.Throws<FdoException>(() => SetHmac.Parse((byte[])[.. run[..2], 0x2F, .. run[3..]])).Error);
    }
}
