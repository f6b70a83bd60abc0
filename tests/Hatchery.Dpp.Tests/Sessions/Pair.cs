using Hatchery.Cryptography;
using Hatchery.Dpp.Configurator;
using Hatchery.Dpp.Device;

namespace Hatchery.Dpp.Tests.Sessions;

/// <summary>Both sides in one process, without a carrier: each message may be changed on its way.</summary>
internal sealed class Pair : IDisposable
{
    public static readonly SystemChance Chance = new();
    public readonly BootstrappingKeyPair DeviceKey, ConfiguratorKey;
    public readonly ConfiguratorKeys Keys;
    public ConfiguratorSession Configurator;
    public EnrolleeSession Enrollee;
    public Func<ConfigurationAsked, ConfigurationDecision> Decide;
    public Func<ReadOnlyMemory<byte>, BootstrappingKey?> Known;
    public Func<int, DppMessage, DppMessage?> Wire = (_, m) => m;
    public List<DppMessage> Passed = [];
    public List<ConfiguratorQuestion.Finished> Journal = [];
    public ReceivedConfiguration? Received;
    public Outcome? EnrolleeOutcome;
    public Moment Now = new(TimeSpan.Zero, DateTimeOffset.UnixEpoch.AddYears(56));

    public Pair(DppCurve? curve = null, int version = 3, string netRole = "sta", int? capabilities = 1, PkexCode? pkexC = null, PkexCode? pkexE = null, bool mutual = false, ConfiguratorKeys? keys = null, int? enrolleeVersion = null)
    {
        curve ??= DppCurve.P256;
        (DeviceKey, ConfiguratorKey) = (BootstrappingKeyPair.Generate(curve, Chance), BootstrappingKeyPair.Generate(curve, Chance));
        Keys = keys ?? ConfiguratorKeys.Generate(DppCurve.P256, Chance);
        int device = enrolleeVersion ?? version;
        Configurator = new ConfiguratorSession(new ConfiguratorOptions
        {
            Exchange = new ExchangeOptions
            {
                Own = [ConfiguratorKey],
                Capabilities = DppCapabilities.Configurator,
                Version = version,
                RequiresMutual = mutual,
                Pkex = pkexC is null ? null : new PkexOptions(pkexC, ConfiguratorKey, 2, version, default, false)
            },
            Keys = [Keys],
        }, Chance);
        Enrollee = new EnrolleeSession(new EnrolleeSessionOptions
        {
            Exchange = new ExchangeOptions
            {
                Own = [DeviceKey],
                Capabilities = DppCapabilities.Enrollee,
                Version = device,
                Pkex = pkexE is null ? null : new PkexOptions(pkexE, DeviceKey, 2, device, default, true)
            },
            Request = new ConfigurationRequestObject { Name = "duckling", NetRole = netRole, Capabilities = capabilities },
        }, Chance);
        Decide = asked => new ConfigurationDecision.Provide([Network().For(Keys, asked, Now.Wall)]);
        Known = _ => null;
    }

    public static NetworkProfile Network(DppAkm akm = DppAkm.Dpp) => new() { Ssid = "net1"u8.ToArray(), Akm = akm, Pass = new SecretText("secret pass") };

    /// <summary>Until nothing moves; time passes where both wait.</summary>
    public Pair Run()
    {
        for (int round = 0; round < 200; round++)
        {
            bool moved = false;
            while (Configurator.TryQuestion(out var question))
            {
                moved = true;
                Answer(question!);
            }
            while (Configurator.TrySend(out var message))
            {
                moved = true;
                if (Pass(message!, false) is { } passed)
                    Enrollee.Receive(passed, Now);
            }
            while (Enrollee.TryMove(out var move))
            {
                moved = true;
                Move(move!);
            }
            if (moved)
                continue;
            var next = TimeSpan.FromTicks(Math.Min(Configurator.Deadline.Ticks, Enrollee.Deadline.Ticks));
            if (next == Moment.Never || Configurator.Outcome is not null && EnrolleeOutcome is not null)
                break;
            Now = new(next, Now.Wall);
            Configurator.Tick(Now);
            Enrollee.Tick(Now);
        }
        return this;
    }

    private void Answer(ConfiguratorQuestion question)
    {
        switch (question)
        {
            case ConfiguratorQuestion.Peer(var hash): Configurator.SupplyPeer(Known(hash), Now); break;
            case ConfiguratorQuestion.Chirper(var hash): Configurator.SupplyPeer(Known(hash), Now); break;
            case ConfiguratorQuestion.Configure(var asked): Configurator.SupplyDecision(Decide(asked), Now); break;
            case ConfiguratorQuestion.Finished finished: Journal.Add(finished); break;
        }
    }

    private void Move(EnrolleeMove move)
    {
        switch (move)
        {
            case EnrolleeMove.Send(var message):
                if (Pass(message, true) is { } passed)
                    Configurator.Receive(passed, Now);
                break;
            case EnrolleeMove.Save(var received): Received = received; break;
            case EnrolleeMove.FindPeer(var hash): Enrollee.SupplyPeer(Known(hash), Now); break;
            case EnrolleeMove.TryNetwork: Enrollee.Connected(new DppConnectionStatus(0, "net1"u8.ToArray(), null)); break;
            case EnrolleeMove.End(var outcome): EnrolleeOutcome = outcome; break;
        }
    }

    private DppMessage? Pass(DppMessage message, bool fromEnrollee)
    {
        var changed = Wire(Passed.Count, message);
        Passed.Add(message);
        // Over the wire: from its bytes.
        return changed is null ? null : DppMessage.Parse(changed.Body.ToArray(), fromEnrollee);
    }

    public void AssertProvisioned()
    {
        Assert.True(EnrolleeOutcome is { Succeeded: true }, EnrolleeOutcome?.Reason);
        Assert.True(Configurator.Outcome is { Succeeded: true }, Configurator.Outcome?.Reason);
        Assert.Single(Journal);
    }

    public void Dispose()
    {
        Configurator.Dispose();
        Enrollee.Dispose();
        DeviceKey.Dispose();
        ConfiguratorKey.Dispose();
    }
}
