using System.Collections.Immutable;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Hatchery.AspNetCore;
using Hatchery.Transports;

namespace Hatchery.AspNetCore.Tests;

public sealed class TlsTests
{
    private readonly Authority _ours = new("ours"), _rogue = new("ours");
    private readonly Echo _role = new("echo", 10_000, "POST /echo");

    private Task<Host> StartAsync(ListenerOptions? options = null)
    {
        var leaf = _ours.Leaf("localhost");
        var context = _ours.Context(leaf);
        return Host.StartAsync(app => app.MapListener("tls", [_role]), (options ?? new ListenerOptions { Name = "tls" }) with { Certificate = options?.Certificate ?? (_ => context) });
    }

    private static ChannelSecurity.Certificates Anchored(params byte[][] anchors) => new(null, [.. anchors], false, []);
    private static ChannelSecurity.Certificates PinnedTo(byte[] der) => new(null, [], false, [SHA256.HashData(der)]);
    private async Task<Caller> CallerAsync() => (await _role.Calls.Reader.ReadAsync(TestContext.Current.CancellationToken)).Caller;

    [Fact]
    public async Task A_server_is_judged_by_anchor_and_name()
    {
        await using var host = await StartAsync();
        int port = host.EndPoint.Port;
        Assert.Equal("hi", await new Client(port, Anchored(_ours.Root.RawData), host: "localhost").SayAsync("hi"));
        Assert.Equal(["TCP", "TLS", "HTTP"], (await CallerAsync()).Layers.Select(l => l.Name));
        Assert.Contains("not trusted", (await new Client(port, Anchored(_rogue.Root.RawData), host: "localhost").NextAsync<CarrierFault>()).Reason, StringComparison.Ordinal);
        Assert.Contains("name the host", (await new Client(port, Anchored(_ours.Root.RawData)).NextAsync<CarrierFault>()).Reason, StringComparison.Ordinal);
        Assert.Contains("no trust anchor", (await new Client(port, Anchored(), host: "localhost").NextAsync<CarrierFault>()).Reason, StringComparison.Ordinal);
        Assert.Equal("hi", await new Client(port, new ChannelSecurity.None()).SayAsync("hi"));
    }

    [Fact]
    public async Task A_pin_may_be_of_leaf_or_issuer_and_names_do_not_matter_then()
    {
        var leaf = _ours.Leaf("elsewhere");
        var context = _ours.Context(leaf);
        await using var host = await StartAsync(new ListenerOptions { Name = "tls", Certificate = _ => context });
        int port = host.EndPoint.Port;
        Assert.Equal("a", await new Client(port, PinnedTo(leaf.RawData)).SayAsync("a"));
        Assert.Equal("b", await new Client(port, PinnedTo(_ours.Middle.RawData)).SayAsync("b"));
        Assert.Equal("c", await new Client(port, new ChannelSecurity.Certificates(null, [], false, []) { PinnedSha384 = [SHA384.HashData(leaf.RawData)] }).SayAsync("c"));
        Assert.Contains("not in the server's chain", (await new Client(port, new ChannelSecurity.Certificates(null, [], false, []) { PinnedSha384 = [SHA384.HashData(_rogue.Middle.RawData)] })
            .NextAsync<CarrierFault>()).Reason, StringComparison.Ordinal);
        Assert.Contains("not in the server's chain", (await new Client(port, PinnedTo(_rogue.Middle.RawData)).NextAsync<CarrierFault>()).Reason, StringComparison.Ordinal);
    }

    /// <summary>Without a server: the platform's sends no certificate that does not belong to its chain, an impostor's does.</summary>
    [Fact]
    public void A_pinned_issuer_that_is_merely_sent_along_proves_nothing()
    {
        string? Refusal(X509Certificate2 leaf, byte[] pin)
        {
            var trust = new ServerTrust(PinnedTo(pin), "localhost", platformTrust: false, new SystemClock());
            using var shown = new X509Chain();
            shown.ChainPolicy.ExtraStore.AddRange(new X509Certificate2[] { _ours.Middle, _ours.Root });
            Assert.Equal(trust.Validate(this, leaf, shown, default), trust.Refusal is null);
            Assert.Equal(3, trust.Chain.Length);
            return trust.Refusal;
        }

        foreach (var pin in new[] { _ours.Middle.RawData, _ours.Root.RawData })
        {
            Assert.Equal("", Refusal(_ours.Leaf("elsewhere"), pin) ?? "");
            // An issuer of the same name, and of another.
            Assert.Contains("not trusted", Refusal(_rogue.Leaf("localhost"), pin)!, StringComparison.Ordinal);
            Assert.Contains("not trusted", Refusal(new Authority("another").Leaf("localhost"), pin)!, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(SslProtocols.Tls12, 12)]
    [InlineData(SslProtocols.Tls13, 0)]
    public async Task A_provisional_server_shows_its_chain_first_and_both_sides_know_one_tls_unique(SslProtocols protocols, int length)
    {
        await using var host = await StartAsync(new ListenerOptions { Name = "tls", Protocols = protocols });
        var client = new Client(host.EndPoint.Port, new ChannelSecurity.Certificates(null, [], true, []));
        var channel = await client.NextAsync<Supply.ServerChain>();
        Assert.Equal("hi", await client.SayAsync("hi"));
        var caller = await CallerAsync();
        Assert.Equal(caller.ServerCertificate.ToArray(), channel.Chain[0]);
        Assert.Equal(_ours.Middle.RawData, channel.Chain[1]);
        Assert.Equal(length, caller.TlsUnique.Length);
        Assert.Equal(caller.TlsUnique.ToArray(), channel.TlsUnique.ToArray());
    }

    [Theory]
    [InlineData(ClientCertificates.None, true, true, 0)]
    [InlineData(ClientCertificates.Allow, true, true, 2)]
    [InlineData(ClientCertificates.Allow, false, true, 0)]
    [InlineData(ClientCertificates.Require, true, true, 2)]
    [InlineData(ClientCertificates.Require, false, false, 0)]
    public async Task Client_certificates_are_taken_as_the_mode_says_whoever_issued_them(ClientCertificates mode, bool shows, bool served, int chain)
    {
        await using var host = await StartAsync(new ListenerOptions { Name = "tls", ClientCertificates = mode });
        var mine = _rogue.Context(_rogue.Leaf(null, "device"));
        var security = new ChannelSecurity.Certificates(shows ? "idevid" : null, [_ours.Root.RawData], false, []);
        var client = new Client(host.EndPoint.Port, security, new HttpCarrierOptions { Identities = item => item == "idevid" ? mine : null }, "localhost");
        client.Connection.Send(new Word("hi"), default);
        if (!served)
        {
            await client.NextAsync<CarrierFault>();
            Assert.Equal(0, _role.Calls.Reader.Count);
            return;
        }
        await client.NextAsync<Word>();
        var caller = await CallerAsync();
        Assert.Equal(chain, caller.ClientChain.Length);
        if (chain == 2)
            Assert.Equal([mine.TargetCertificate.RawData, _rogue.Middle.RawData], caller.ClientChain);
    }

    [Fact]
    public async Task An_identity_that_is_not_there_is_named()
    {
        await using var host = await StartAsync();
        var fault = await new Client(host.EndPoint.Port, new ChannelSecurity.Certificates("idevid", [_ours.Root.RawData], false, [])).NextAsync<CarrierFault>();
        Assert.Contains("idevid", fault.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Certificates_roll_without_a_restart()
    {
        var contexts = new[] { _ours.Context(_ours.Leaf("localhost", "old")), _ours.Context(_ours.Leaf("localhost", "new")) };
        int current = 0;
        await using var host = await StartAsync(new ListenerOptions { Name = "tls", Certificate = _ => contexts[current] });
        for (; current < 2; current++)
        {
            await new Client(host.EndPoint.Port, Anchored(_ours.Root.RawData), host: "localhost").SayAsync("hi");
            Assert.Equal(contexts[current].TargetCertificate.RawData, (await CallerAsync()).ServerCertificate.ToArray());
        }
    }

    private static readonly string s_keys = Path.Combine(Path.GetTempPath(), $"hatchery-test-keys-{Environment.ProcessId}");

    /// <summary>Before the first TLS connection of the process, as the platform wants it.</summary>
    [System.Runtime.CompilerServices.ModuleInitializer]
    internal static void LogKeys()
    {
        TlsKeyLog.Enable(s_keys);
        AppDomain.CurrentDomain.ProcessExit += (_, _) => File.Delete(s_keys);
    }

    [Theory]
    [InlineData(SslProtocols.Tls12)]
    [InlineData(SslProtocols.Tls13)]
    public async Task With_the_key_log_a_capture_under_TLS_can_be_read(SslProtocols protocols)
    {
        var file = Path.GetTempFileName();
        try
        {
            using (var writer = PcapngWriter.Create(file))
            {
                var witness = new Witness(new WitnessKey(new byte[32]), Watch.Frames, () => new SessionId(Guid.NewGuid()), writer);
                await using var host = await StartAsync(new ListenerOptions { Name = "tls", Witness = witness, Protocols = protocols });
                await new Client(host.EndPoint.Port, new ChannelSecurity.None(), new HttpCarrierOptions { Witness = witness }).SayAsync("plain words");
            }
            var start = new System.Diagnostics.ProcessStartInfo("tshark", ["-r", file, "-o", $"tls.keylog_file:{s_keys}", "-d", "tcp.port==1-65535,tls",
                "-Y", "http.request", "-T", "fields", "-e", "http.request.uri", "-e", "http.file_data"])
            { RedirectStandardOutput = true, RedirectStandardError = true };
            using var tshark = System.Diagnostics.Process.Start(start)!;
            Assert.Equal("/echo\tplain words", (await tshark.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken)).Trim());
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Theory]
    [InlineData(CaptureAt.Medium, false)]
    [InlineData(CaptureAt.Plaintext, true)]
    public async Task Both_sides_capture_the_same_bytes_under_TLS_or_above_it(CaptureAt at, bool readable)
    {
        var (here, there) = (new ObservationLog(), new ObservationLog());
        Witness Of(ObservationLog log) => new(new WitnessKey(new byte[32]), Watch.Frames, () => new SessionId(Guid.NewGuid()), log);
        await using (var host = await StartAsync(new ListenerOptions { Name = "tls", Witness = Of(there), CaptureAt = at }))
        {
            var client = new Client(host.EndPoint.Port, new ChannelSecurity.None(), new HttpCarrierOptions { Witness = Of(here), CaptureAt = at });
            Assert.Equal("plain words", await client.SayAsync("plain words"));
        }
        static byte[] Bytes(ObservationLog log, Way way) => [.. log.Snapshot().OfType<Observation.FrameCaptured>().Where(f => f.Way == way).SelectMany(f => f.Bytes.ToArray())];
        var sent = Bytes(here, Way.Sent);
        var received = Bytes(there, Way.Received);
        Assert.NotEmpty(sent);
        Assert.Equal(sent, received[..sent.Length]);
        Assert.Equal(readable, sent.AsSpan().IndexOf(Encoding.ASCII.GetBytes("plain words")) >= 0);
        Assert.Equal(readable, Bytes(there, Way.Sent).AsSpan().IndexOf(Encoding.ASCII.GetBytes("plain words")) >= 0);
    }
}
