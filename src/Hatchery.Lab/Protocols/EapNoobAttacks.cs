using System.Collections.Immutable;
using System.Text.RegularExpressions;
using Hatchery.EapNoob;
using Hatchery.EapNoob.Messages;

namespace Hatchery.Lab.Protocols;

/// <summary>The survey's attacks on EAP-NOOB, each against our own two sides. The aim, unless said otherwise: the device takes somebody else than its owner's server for its server.</summary>
internal sealed class EapNoobAttacks(EapNoobWorld world)
{
    private const int Flood = 8;

    /// <summary>What RFC 9140 promises.</summary>
    public static readonly ImmutableArray<AttackPrediction> Predictions =
    [
        new(AttackScenario.Eavesdropper, Result.Refused, "keys come from an ephemeral exchange and from Noob, which never goes in band; identifiers and infos are in the clear", "RFC 9140 §7.5"),
        new(AttackScenario.OnPathAtFirstContact, Result.Refused, "Hoob is over the keys that each side saw", "RFC 9140 §7.1"),
        new(AttackScenario.LabelSwapped, Result.NotApplicable, "there is no label: what the device or the server shows is made fresh", "RFC 9140 §3.2.3"),
        new(AttackScenario.LabelPhotographed, Result.NotApplicable, "there is no label: what the device or the server shows is made fresh", "RFC 9140 §3.2.3"),
        new(AttackScenario.Misbinding, Result.Works, "the device proves nothing of what it claims to be: a user who registers another device than the one in his hand is not stopped", "RFC 9140 §7.4"),
        new(AttackScenario.RogueInfrastructure, Result.Refused, "the user takes the message to the server that he has an account at, and it knows no such device", "RFC 9140 §7.1"),
        new(AttackScenario.StolenManufacturerKey, Result.NotApplicable, "the manufacturer has no key in it", "RFC 9140 §3.1"),
        new(AttackScenario.ReplayOfACeremony, Result.Refused, "nonces and keys are fresh, and an OOB message is taken once", "RFC 9140 §3.2.3"),
        new(AttackScenario.Downgrade, Result.Refused, "all that is negotiated is in Hoob and in the MACs", "RFC 9140 §7.7"),
        new(AttackScenario.GuessOnline, Result.NotApplicable, "no secret is short", "RFC 9140 §3.2.3"),
        new(AttackScenario.GuessOffline, Result.NotApplicable, "no secret is short", "RFC 9140 §3.2.3"),
        new(AttackScenario.HalfOpenFlood, Result.Refused, "ephemeral associations are independent of each other and bounded", "RFC 9140 §7.6"),
        new(AttackScenario.FirstContactReset, Result.Refused, "the device asks again until it is registered", "RFC 9140 §3.2.5"),
        new(AttackScenario.FormerOwnerReturns, Result.Refused, "a reset device has forgotten the former server's key, and has another PeerId", "RFC 9140 §3.4.4"),
    ];

    public LabRun Run(AttackScenario attack) => attack switch
    {
        AttackScenario.Eavesdropper => Eavesdropper(),
        AttackScenario.OnPathAtFirstContact => OnPath("\"x\":\"[^\"]*\"", "\"x\":\"hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo\"", "both public keys were replaced by the attacker's"),
        AttackScenario.Downgrade => OnPath("\"Cryptosuites\":\\[1,2\\]", "\"Cryptosuites\":[2]", "one cryptosuite was taken out of the server's offer"),
        AttackScenario.LabelSwapped or AttackScenario.LabelPhotographed => Label(),
        AttackScenario.Misbinding => Misbinding(),
        AttackScenario.RogueInfrastructure => Rogue(),
        AttackScenario.StolenManufacturerKey => Nothing("nothing that the device holds when it leaves the factory is a key", i => i.Secret || i.Kind is BeliefKind.Certificate or BeliefKind.KeyPair or BeliefKind.TrustAnchor),
        AttackScenario.ReplayOfACeremony => Replay(),
        AttackScenario.GuessOnline or AttackScenario.GuessOffline => Guess(),
        AttackScenario.HalfOpenFlood => HalfOpen(),
        AttackScenario.FirstContactReset => Resets(),
        AttackScenario.FormerOwnerReturns => FormerOwner(),
        _ => throw new ArgumentOutOfRangeException(nameof(attack)),
    };

    private (EapNoobDevice, EapNoobSite) Fresh()
    {
        var (site, device) = (world.AddServer("server-1", "owner"), world.AddDevice("device-9140"));
        world.Wait(TimeSpan.FromHours(1));
        return (device, site);
    }

    /// <summary>Whether the owner still gets the device when the attack is over.</summary>
    private LabRun Judge(EapNoobDevice device, EapNoobSite site, bool reached, string explanation)
    {
        if (reached)
            return world.Finish(device, new LabOutcome(Result.Works, explanation));
        device.Reset();
        bool saved = world.PowerOn(device, site).Succeeded;
        return world.Finish(device, new LabOutcome(saved ? Result.Refused : Result.DeviceLost, explanation));
    }

    private LabRun Eavesdropper()
    {
        var (device, _) = EapNoobLab.SetUp(world);
        var run = world.Finish(device, new LabOutcome(Result.Refused, ""));
        var items = run.Before.Concat(run.After.Select(i => i with { Item = "new " + i.Item })).ToList();
        var heard = Listener.Of(run, items).Where(d => d.Setup >= 0).ToList();
        var secrets = heard.Where(d => d.Item.Secret).Select(d => d.Item.Item).Distinct().ToList();
        var names = heard.Where(d => !d.Item.Secret && d.Item.Kind == BeliefKind.Identifier).Select(d => $"{d.Item.Item} in {d.Step?.Kind.Name ?? "no message"}").Distinct();
        return run with
        {
            Outcome = new LabOutcome(secrets.Count > 0 ? Result.Works : Result.Refused,
                (secrets.Count > 0 ? $"heard {string.Join(", ", secrets)}" : "no secret was heard") + $"; identifiers heard: {string.Join(", ", names)}"),
        };
    }

    /// <summary>Aim: a registration over what the attacker changed.</summary>
    private LabRun OnPath(string pattern, string replacement, string what)
    {
        var (device, site) = Fresh();
        string? refused = null;
        int brought = 0;
        site.Method.OnPath = text => Regex.Replace(text, pattern, replacement);
        var act = world.Act(NoobSteps.PowerOn, world.User, device.Actor);
        device.Begin(site, act, message => world.Loop.After(TimeSpan.FromSeconds(30), () =>
        {
            brought++;
            refused ??= world.Bring(device, site, message);
        }));
        world.Loop.RunUntil(() => device.State.State == AssociationState.Registered, TimeSpan.FromMinutes(3));
        bool reached = site.Owns(world, device);
        site.Method.OnPath = text => text;
        refused ??= brought == 0 ? "the code that the server showed was refused by the device" : "refused";
        // The party that was begun goes on until it has what it wants, now that nobody is on the path.
        var fresh = world.AddDevice("device-9141");
        bool works = world.PowerOn(fresh, site).Succeeded;
        return world.Finish(device, new LabOutcome(reached ? Result.Works : works ? Result.Refused : Result.DeviceLost, $"{what}: {(reached ? "it was registered" : refused)}"));
    }

    private LabRun Label() => Nothing("in the whole ceremony nobody read a label: the one value that was carried was made fresh", _ => false);

    private LabRun Nothing(string explanation, Func<HeldItem, bool> found)
    {
        var (device, _) = EapNoobLab.SetUp(world);
        var run = world.Finish(device, new LabOutcome(Result.NotApplicable, explanation));
        return run.Before.Where(found).ToList() is { Count: > 0 } items ? run with { Outcome = new LabOutcome(Result.Works, $"the factory put in {string.Join(", ", items.Select(i => i.Item))}") } : run;
    }

    private LabRun Guess()
    {
        var (device, _) = EapNoobLab.SetUp(world);
        var run = world.Finish(device, new LabOutcome(Result.NotApplicable, ""));
        int bits = run.Ceremonies.SelectMany(c => c.Before.Concat(c.After)).Select(b => b.SecretBits ?? int.MaxValue)
            .Concat(run.Ceremonies.SelectMany(c => c.Steps).Where(s => s.EntropyBits > 0).Select(s => s.EntropyBits)).DefaultIfEmpty(int.MaxValue).Min();
        return run with
        {
            Outcome = bits >= 112 ? new LabOutcome(Result.NotApplicable, $"the shortest secret that the device holds or the user carries has {Words.Number(bits)} bits")
                : new LabOutcome(Result.Works, $"a secret has {Words.Number(bits)} bits"),
        };
    }

    /// <summary>Aim: the user registers the attacker's device, which claims the serial number of the one in the user's hand.</summary>
    private LabRun Misbinding()
    {
        var (device, site) = Fresh();
        var other = world.AddDevice("device-9140-of-the-attacker");
        var outcome = world.PowerOn(other, site);
        bool taken = outcome.Succeeded && site.Owns(world, other);
        return taken ? world.Finish(device, new LabOutcome(Result.Works, "the attacker's device is in the owner's account; only what it claims to be, which the user was told, could have shown it"))
            : Judge(device, site, false, outcome.Reason);
    }

    /// <summary>The network leads to the attacker's server. The user takes what the device shows to his own, or from his own to the device.</summary>
    private LabRun Rogue()
    {
        var (device, site) = Fresh();
        var rogue = world.AddServer("attacker", "attacker");
        string? refused = null;
        rogue.Code = _ => new OobMessage(device.State.PeerId, new byte[16], new byte[16]);
        var act = world.Act(NoobSteps.PowerOn, world.User, device.Actor);
        var outcome = device.Run(rogue, act, message => world.Loop.After(TimeSpan.FromSeconds(30), () => refused ??= world.Bring(null, site, message)), TimeSpan.FromMinutes(3));
        return Judge(device, site, rogue.Owns(world, device), refused ?? $"the owner's server has no code for this device ({outcome.Reason})");
    }

    private LabRun Replay()
    {
        var (device, site) = Fresh();
        OobMessage? used = null;
        EapNoobLab.Require(world.PowerOn(device, site, message =>
        {
            used = message;
            world.Loop.After(TimeSpan.FromSeconds(30), () => world.Bring(device, site, message));
        }), "registration");
        device.Reset();
        // The device begins anew; the attacker brings the message of the first time, with his own account.
        string? refused = null;
        var outcome = world.PowerOn(device, site, message =>
        {
            refused = used is null ? null : world.Bring(null, site, used);
            refused ??= used is null ? null : "it was taken";
            world.Loop.After(TimeSpan.FromSeconds(30), () => world.Bring(device, site, message));
        });
        bool reached = refused == "it was taken";
        return world.Finish(device, new LabOutcome(reached ? Result.Works : outcome.Succeeded ? Result.Refused : Result.DeviceLost,
            used is null ? "what the server showed names keys that are gone, and the device took the fresh one" : $"the message of the first registration: {refused}"));
    }

    /// <summary>Aim: the server is too busy for the owner's device.</summary>
    private LabRun HalfOpen()
    {
        var (device, site) = Fresh();
        for (int i = 0; i < Flood; i++)
        {
            var one = world.AddDevice($"flood-{i}");
            one.Begin(site, world.Act(NoobSteps.PowerOn, world.User, one.Actor), _ => { });
        }
        world.Wait(TimeSpan.FromSeconds(20));
        var outcome = world.PowerOn(device, site);
        return world.Finish(device, new LabOutcome(outcome.Succeeded ? Result.Refused : Result.Works,
            outcome.Succeeded ? $"{Words.Number(Flood)} devices begun and left; the owner's was registered all the same" : outcome.Reason));
    }

    /// <summary>Aim: a device that cannot be registered any more. The network is cut in the middle of the first contact.</summary>
    private LabRun Resets()
    {
        var (device, site) = Fresh();
        int seen = 0;
        Simulation.OnPath cut = _ => ++seen > 5 ? Simulation.PathVerdict.Drops : Simulation.PathVerdict.Passes;
        world.Network.Intercept(cut);
        world.Loop.After(TimeSpan.FromMinutes(3), () => world.Network.StopIntercepting(cut));
        var outcome = world.PowerOn(device, site);
        return world.Finish(device, new LabOutcome(outcome.Succeeded ? Result.Refused : Result.DeviceLost, outcome.Succeeded ? "the device asked again and was registered" : outcome.Reason));
    }

    private LabRun FormerOwner()
    {
        var (device, former) = EapNoobLab.SetUp(world);
        device.Reset();
        var owner = world.AddServer("server-2", "second owner");
        EapNoobLab.Require(world.PowerOn(device, owner), "registration by the second owner");
        var outcome = world.PowerOn(device, former, _ => { });
        bool saved = world.PowerOn(device, owner).Succeeded;
        return world.Finish(device, new LabOutcome(outcome.Succeeded ? Result.Works : saved ? Result.Refused : Result.DeviceLost, $"in the former owner's network: {outcome.Reason}"));
    }
}
