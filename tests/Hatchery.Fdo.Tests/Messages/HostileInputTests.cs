using CsCheck;
using Hatchery.Cryptography.Cose;

namespace Hatchery.Fdo.Tests;

/// <summary>Whatever comes, a parser returns the message or throws <see cref="FdoException"/>.</summary>
public sealed class HostileInputTests
{
    private static readonly (int Type, byte[] Body)[] s_seeds =
        [.. Transcript.WithGcm.Concat(Transcript.WithMac).Concat(Transcript.WithRsa).SelectMany(n => Transcript.Read(n).Messages).Select(m => (m.Type, m.Body))
            .Concat(Transcript.WithGcm.SelectMany(n => Transcript.Read(n).Messages).Where(m => m.Plaintext is not null).Select(m => (-m.Type, m.Plaintext!)))
            .Concat(Directory.EnumerateFiles(Path.Combine(AppContext.BaseDirectory, "Corpus")).Select(f =>
                (int.Parse(Path.GetFileName(f).Split('-')[0], System.Globalization.CultureInfo.InvariantCulture), File.ReadAllBytes(f))))];

    private static readonly int s_recorded = s_seeds.Length - Directory.EnumerateFiles(Path.Combine(AppContext.BaseDirectory, "Corpus")).Count();
    private static readonly int[] s_types = [10, 11, 12, 13, 20, 21, 22, 23, 30, 31, 32, 33, 60, 61, 62, 63, 64, -65, -66, -67, -68, -69, -70, -71, 65, 70, 255, 7];

    /// <param name="type">Negative: the content of a sealed message.</param>
    private static bool Take(int type, byte[] body)
    {
        try
        {
            var message = type < 0 ? FdoCodec.ParseContent(-type, body) : FdoCodec.Parse(type, body);
            Assert.Equal(body, message.Raw.ToArray());
            switch (message)
            {
                case OwnerSign m:
                    VoucherVerifier.Verify(m.To0d.Voucher, new VoucherPolicy());
                    break;
                case SetCredentials m:
                    Interpret(m.Header.RendezvousInfo);
                    break;
                case SetupDevice m:
                    Interpret(m.RendezvousInfo);
                    m.Verify();
                    break;
                case ProveOVHdr m:
                    m.Verify();
                    break;
                case OwnerServiceInfo m:
                    var joiner = new ServiceInfoJoiner();
                    foreach (var pair in m.ServiceInfo)
                        joiner.Accept(pair, _ => { });
                    break;
            }
        }
        catch (FdoException e)
        {
            Assert.NotEmpty(e.FieldName);
            Assert.NotEmpty(e.Message);
        }
        return true;
    }

    private static void Interpret(RendezvousInfo info)
    {
        var abilities = new RendezvousAbilities(["https", "http", "tls"]);
        RendezvousInterpreter.ForDevice(info, abilities);
        RendezvousInterpreter.ForOwner(info, abilities);
        RendezvousText.Format(info);
    }

    [Fact]
    public void Random_bytes() => Gen.Select(Gen.Int[0, s_types.Length - 1], Gen.Byte.Array[0, 300]).Sample((type, body) => Take(s_types[type], body), iter: 20_000);

    [Fact]
    public void Recorded_messages_with_bytes_changed_inserted_and_removed() =>
        Gen.Select(Gen.Int[0, s_seeds.Length - 1], Gen.Select(Gen.Int[0, 2], Gen.Int[0, 9999], Gen.Byte).Array[1, 4]).Sample((seed, changes) =>
        {
            var (type, body) = s_seeds[seed];
            var bytes = body.ToList();
            foreach (var (how, where, value) in changes)
            {
                int at = bytes.Count == 0 ? 0 : where % bytes.Count;
                if (how == 0 && bytes.Count > 0)
                    bytes[at] = value;
                else if (how == 1)
                    bytes.Insert(at, value);
                else if (bytes.Count > 0)
                    bytes.RemoveAt(at);
            }
            return Take(type, [.. bytes]);
        }, iter: 20_000);

    [Fact]
    public void Recorded_messages_cut_anywhere_are_refused()
    {
        foreach (var (type, body) in s_seeds.Take(s_recorded).DistinctBy(s => s.Type))
            for (int length = 0; length < body.Length; length++)
            {
                var cut = body[..length];
                Assert.Throws<FdoException>(() => type < 0 ? FdoCodec.ParseContent(-type, cut) : FdoCodec.Parse(type, cut));
            }
    }

    [Fact]
    public void Bytes_behind_the_message_are_refused()
    {
        foreach (var (type, body) in s_seeds.Take(s_recorded).DistinctBy(s => s.Type))
        {
            byte[] longer = [.. body, 0x00];
            Assert.Equal("100", Assert.Throws<FdoException>(() => type < 0 ? FdoCodec.ParseContent(-type, longer) : FdoCodec.Parse(type, longer)).Error);
        }
    }

    [Fact]
    public void Deep_nesting_and_huge_lengths_cost_nothing()
    {
        var deep = Enumerable.Repeat((byte)0x81, 60_000).ToArray();
        byte[] huge = [0x9B, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF];
        byte[] hugeString = [0x81, 0x5B, 0x00, 0x00, 0x00, 0x00, 0x7F, 0xFF, 0xFF, 0xF0];
        var tags = Enumerable.Repeat((byte)0xC1, 60_000).ToArray();
        foreach (int type in s_types.Where(t => t is not 7))
            foreach (var body in new[] { deep, huge, hugeString, tags, new byte[70_000] })
            {
                long before = GC.GetAllocatedBytesForCurrentThread();
                Assert.Throws<FdoException>(() => type < 0 ? FdoCodec.ParseContent(-type, body) : FdoCodec.Parse(type, body));
                Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 1_000_000);
            }
    }

    [Fact]
    public void A_voucher_with_a_bad_inside_is_answered_with_2_and_an_address_that_is_none_with_4()
    {
        var run = Transcript.Read("p256-x509-ecdh256-a256gcm-2hops");
        var sign = run.Parse<OwnerSign>(22);
        var body = run.First(22).Body.ToArray();
        int guid = body.AsSpan().IndexOf(sign.To0d.Voucher.Guid.ToByteArray(bigEndian: true));
        body[guid - 1] = 0x4F;
        Assert.Equal("2", Assert.Throws<FdoException>(() => FdoCodec.Parse(22, body)).Error);
        byte[] payload = [.. sign.To1d.Signed.Payload.Span];
        Assert.Equal(0x44, payload[3]);
        // The address one byte shorter, the whole signed anew.
        byte[] shorter = [.. payload[..3], 0x43, .. payload[5..]];
        using var key = Hatchery.Cryptography.SigningKeys.ImportPrivate(run.Key("owner_key_pkcs8"));
        var bad = CoseSign1.Sign(shorter, CoseHeaders.Empty, key, new PlatformSigner(), "test");
        Assert.Equal("4", Assert.Throws<FdoException>(() => To1d.Parse(bad.Raw)).Error);
    }
}
