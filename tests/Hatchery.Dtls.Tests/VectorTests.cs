using System.Security.Cryptography;
using System.Text.Json;
using Hatchery.Cryptography;
using Hatchery.Simulation;

namespace Hatchery.Dtls.Tests;

/// <summary>Vectors/*.json: their "source" says where each is from.</summary>
public sealed class VectorTests
{
    [Fact]
    public void Prf_and_premaster_secrets()
    {
        var all = Vector.Read("prf_and_premaster");
        foreach (var v in all.GetProperty("vectors").EnumerateArray())
        {
            byte[] expected = v.Hex("output"), output = new byte[expected.Length];
            KeySchedule.Prf(HashAlgorithmName.SHA256, v.Hex("secret"), System.Text.Encoding.ASCII.GetBytes(v.GetProperty("label").GetString()!), v.Hex("seed"), output);
            Assert.Equal(expected, output);
        }
        foreach (var v in all.GetProperty("premaster_layouts").EnumerateArray())
            Assert.Equal(v.Hex("premaster"), v.TryGetProperty("z", out var z) ? KeySchedule.PskPremaster(z.Hex(), v.Hex("psk")) : KeySchedule.PskPremaster(v.Hex("psk")));
    }

    [Fact]
    public void Replay_windows()
    {
        foreach (var v in Vector.Read("replay_window").GetProperty("cases").EnumerateArray())
        {
            var window = new ReplayWindow();
            foreach (var (arrival, accept) in v.GetProperty("arrivals").EnumerateArray().Zip(v.GetProperty("accept").EnumerateArray()))
            {
                ulong sequence = arrival.GetUInt64();
                Assert.Equal(accept.GetBoolean(), window.IsNew(sequence));
                if (accept.GetBoolean())
                    window.Mark(sequence);
            }
        }
    }

    [Fact]
    public void Records_with_connection_ids()
    {
        var all = Vector.Read("connection_id_records");
        byte[] block = all.Hex("key_block");
        var suite = SuiteInfo.Find(0xC0A8)!;
        Assert.Equal(block, KeySchedule.KeyBlock(suite, all.Hex("master_secret"), [.. all.Hex("client_random"), .. all.Hex("server_random")]));
        foreach (var v in all.GetProperty("records").EnumerateArray())
        {
            bool ofClient = v.GetProperty("dir").GetString() == "c2s";
            byte[] record = v.Hex("record"), inner = v.Hex("inner_plaintext");
            Assert.True(RecordHeader.TryRead(record, v.Hex("cid").Length, out var header));
            Assert.Equal(v.Hex("cid"), header.ConnectionId.ToArray());
            using var seals = KeySchedule.Protection(suite, block, ofClient, true, false);
            byte[] fragment = new byte[seals.SealedLength(inner.Length)];
            inner.CopyTo(fragment, seals.Prefix);
            seals.Seal(fragment, inner.Length, header.EpochAndSequence, header.Type, header.ConnectionId, new RecordedChance());
            Assert.Equal(record[header.HeaderLength..], fragment);
            using var opens = KeySchedule.Protection(suite, block, ofClient, false, false);
            Assert.True(opens.TryOpen(fragment, header.EpochAndSequence, header.Type, header.ConnectionId, out int offset, out int length));
            Assert.Equal(inner, fragment[offset..(offset + length)]);
        }
    }

    [Fact]
    public void Anonymous_ecdh_of_ocf()
    {
        var v = Vector.Read("ecdh_anon_ff00_computed");
        var suite = SuiteInfo.Find(0xFF00)!;
        using var client = EcAgreement.FromPrivate(ECCurve.NamedCurves.nistP256, v.Hex("client_ecdh_private"));
        byte[] premaster = client.Agree(v.Hex("server_key_exchange_body").AsSpan(4));
        Assert.Equal(v.Hex("premaster"), premaster);
        Assert.Equal(v.Hex("client_key_exchange_body"), [65, .. client.PublicPoint.Span]);
        byte[] randoms = [.. v.Hex("client_random"), .. v.Hex("server_random")], master = KeySchedule.Master(suite.Hash, premaster, randoms);
        Assert.Equal(v.Hex("master_secret_without_ems"), master);
        byte[] block = KeySchedule.KeyBlock(suite, master, randoms);
        Assert.Equal(v.Hex("key_block_96"), block);
        var example = v.GetProperty("record_example");
        byte[] plaintext = example.Hex("plaintext");
        using var seals = KeySchedule.Protection(suite, block, true, true, false);
        byte[] fragment = new byte[seals.SealedLength(plaintext.Length)];
        plaintext.CopyTo(fragment, seals.Prefix);
        seals.Seal(fragment, plaintext.Length, 1UL << 48 | 5, ContentType.ApplicationData, [], new RecordedChance().Add("DTLS.client_iv", example.Hex("iv")));
        Assert.Equal(example.Hex("fragment"), fragment);
    }

    public static TheoryData<string> Transcripts() =>
    [
        "handshake_psk_ccm8_ems", "handshake_psk_ccm8_noems", "handshake_psk_cbc_sha256", "handshake_psk_cbc_sha256_etm", "handshake_ecdhe_psk_cbc_sha256",
        "handshake_ecdhe_ecdsa_ccm8", "handshake_ecdhe_ecdsa_gcm", "handshake_ecdhe_ecdsa_cbc_sha256", "handshake_ecjpake_ccm8_ems", "handshake_ecjpake_ccm8_noems",
    ];

    private sealed record Datagram(bool ToServer, byte[] Bytes);

    [Theory, MemberData(nameof(Transcripts))]
    public void Recorded_handshakes_replay_byte_for_byte(string name)
    {
        var v = Vector.Read(name);
        var suite = SuiteInfo.Find(Convert.ToInt32(v.GetProperty("suite_id").GetString(), 16))!;
        var chance = new RecordedChance().Add("DTLS.client_random", v.Hex("client_random"));
        var options = new DtlsClientOptions
        {
            Suites = [suite.Id],
            Groups = [DtlsGroup.P256],
            SignatureSchemes = [DtlsSignatureScheme.EcdsaSha256],
            Trust = DtlsTrusts.Anybody,
            ExtendedMasterSecret = v.GetProperty("ems").GetBoolean() ? DtlsUse.Require : DtlsUse.Off,
            EncryptThenMac = v.GetProperty("etm").GetBoolean() ? DtlsUse.Require : DtlsUse.Off,
        };
        if (suite.HasPsk)
            options = options with { Psk = new(v.Hex("psk_identity"), new SecretBytes(v.Hex("psk"))) };
        if (v.TryGetProperty("client_ecdh_priv", out var scalar))
            chance.Add("DTLS.client_ecdh", Padded(scalar.GetString()!));
        if (v.TryGetProperty("ecjpake_client", out var ecjpake))
        {
            options = options with { Password = new SecretBytes(v.Hex("password_hex")) };
            chance.Add("DTLS.client_ecjpake_x1", ecjpake.Hex("x1")).Add("DTLS.client_ecjpake_x2", ecjpake.Hex("x2"))
                .Add("DTLS.client_ecjpake_v1", Padded(ecjpake.GetProperty("zkp1").GetProperty("v").GetString()!))
                .Add("DTLS.client_ecjpake_v2", Padded(ecjpake.GetProperty("zkp2").GetProperty("v").GetString()!))
                .Add("DTLS.client_ecjpake_v", Padded(ecjpake.GetProperty("zkp_round2").GetProperty("v").GetString()!));
        }
        var flights = v.GetProperty("flights").EnumerateArray()
            .SelectMany(f => f.GetProperty("datagrams").EnumerateArray().Select(d => new Datagram(f.GetProperty("dir").GetString() == "c2s", d.Hex()))).ToList();
        AddIvs(chance, suite, flights);
        Replay(v, options, chance, flights);
    }

    private static byte[] Padded(string hex)
    {
        hex = hex.StartsWith("0x", StringComparison.Ordinal) ? hex[2..] : hex;
        return Convert.FromHexString(hex.PadLeft(64, '0'));
    }

    /// <summary>The client's IVs stand at the beginning of its protected fragments.</summary>
    private static void AddIvs(RecordedChance chance, SuiteInfo suite, List<Datagram> flights)
    {
        if (!suite.IsCbc)
            return;
        foreach (var datagram in flights.Where(d => d.ToServer))
        {
            for (var rest = datagram.Bytes.AsSpan(); RecordHeader.TryRead(rest, 0, out var header); rest = rest[header.Length..])
                if (header.Epoch == 1)
                    chance.Add("DTLS.client_iv", rest.Slice(header.HeaderLength, 16).ToArray());
        }
    }

    private static void Replay(JsonElement v, DtlsClientOptions options, RecordedChance chance, List<Datagram> flights)
    {
        var now = Pair.Start;
        var client = new DtlsClient<string>(options, "server", chance, now);
        var plaintexts = v.GetProperty("records").EnumerateArray().Where(r => r.GetProperty("content_type").GetInt32() == 23)
            .Select(r => (ToServer: r.GetProperty("dir").GetString() == "c2s", Bytes: r.Hex("plaintext"))).ToList();
        byte[] buffer = new byte[4096];
        DtlsConnection? connection = null;
        foreach (var (toServer, bytes) in flights)
        {
            if (!toServer)
            {
                client.Receive(bytes.ToArray(), "server", now, default);
                while (client.TryEvent(out var happened))
                {
                    Assert.NotEqual(DtlsEventKind.Failed, happened.Kind);
                    if (happened.Kind == DtlsEventKind.Data)
                        Assert.Equal(plaintexts.First(p => !p.ToServer).Bytes, happened.Data.ToArray());
                    if (happened.Kind == DtlsEventKind.Connected)
                    {
                        connection = client.Connection!;
                        Secrets(v, connection);
                    }
                }
                continue;
            }
            if (bytes[0] == 23)
                Assert.Equal(Accepted.Yes, client.Send(plaintexts.First(p => p.ToServer).Bytes, default, now));
            if (bytes[0] == 21)
                client.Close(now);
            Assert.True(client.TryTransmit(buffer, out var transmit), "The client has nothing to send.");
            Assert.Equal(Convert.ToHexStringLower(bytes), Convert.ToHexStringLower(buffer.AsSpan(0, transmit.Length)));
        }
        Assert.NotNull(connection);
        chance.AssertUsed();
    }

    private static void Secrets(JsonElement v, DtlsConnection connection)
    {
        Assert.Equal(v.Hex("master_secret"), connection.Master.Reveal().ToArray());
        Assert.Equal(v.Hex("server_random"), connection.Randoms[32..]);
        Assert.Equal(v.Hex("key_block"), KeySchedule.KeyBlock(connection.Info, connection.Master.Reveal(), connection.Randoms));
        var exporter = v.GetProperty("exporter_example");
        Assert.Equal(exporter.Hex("output"), connection.Export(exporter.GetProperty("label").GetString()!, null, exporter.GetProperty("length").GetInt32()));
        if (v.TryGetProperty("kek", out var kek))
            Assert.Equal(kek.Hex(), SHA256.HashData(connection.KeyBlock.Reveal())[..16]);
    }
}
