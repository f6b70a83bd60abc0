using System.Collections.Immutable;
using Hatchery.Fdo;
using Hatchery.Simulation;

namespace Hatchery.Lab.Protocols;

/// <summary>The survey's attacks on FDO, each against our own two sides. The aim, unless said otherwise: the device takes somebody else than its owner for its owner.</summary>
internal sealed class FdoAttacks(FdoWorld world)
{
    private const int Flood = 200;

    public LabRun Run(AttackScenario attack) => attack switch
    {
        AttackScenario.Eavesdropper => Eavesdropper(),
        AttackScenario.OnPathAtFirstContact => OnPath(),
        AttackScenario.LabelSwapped or AttackScenario.LabelPhotographed => Label(),
        AttackScenario.Misbinding => Misbinding(),
        AttackScenario.RogueInfrastructure => Rogue(FdoLab.Sold(world)),
        AttackScenario.StolenManufacturerKey => StolenKey(),
        AttackScenario.ReplayOfACeremony => Replay(),
        AttackScenario.Downgrade => Downgrade(),
        AttackScenario.GuessOnline or AttackScenario.GuessOffline => Guess(),
        AttackScenario.HalfOpenFlood => HalfOpen(),
        AttackScenario.FirstContactReset => Reset(),
        AttackScenario.FormerOwnerReturns => FormerOwner(),
        _ => throw new ArgumentOutOfRangeException(nameof(attack)),
    };

    /// <summary>A thief resets a device that is in use and answers it with everything it can make itself. The label has no part in it.</summary>
    public LabRun Theft()
    {
        var (device, owner) = FdoLab.SetUp(world);
        device.Reset();
        return Rogue((device, owner, world.VoucherOf(device)));
    }

    /// <summary>Aim: a secret that the device holds or was given.</summary>
    private LabRun Eavesdropper()
    {
        var (device, _) = FdoLab.SetUp(world);
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

    /// <summary>Aim: something else is installed than the owner sent.</summary>
    private LabRun OnPath()
    {
        var (device, owner, _) = FdoLab.Sold(world);
        owner.To2.Response = (request, response) => request.Path.EndsWith("/64", StringComparison.Ordinal) ? response with { Body = Flipped(response.Body) } : response;
        return Judge(device, owner, world.PowerOn(device), null, () => owner.To2.Response = (_, r) => r);
    }

    private static byte[] Flipped(ReadOnlyMemory<byte> body)
    {
        var changed = body.ToArray();
        changed[^1] ^= 1;
        return changed;
    }

    /// <summary>Whether a label takes part is a matter of the acts that were seen.</summary>
    private LabRun Label()
    {
        var (device, _) = FdoLab.SetUp(world);
        var run = world.Finish(device, new LabOutcome(Result.NotApplicable, ""));
        var read = run.Ceremonies.SelectMany(c => c.Steps).Where(s => s.Kind.Act is Act.Scan or Act.Read or Act.Type or Act.Compare).ToList();
        return run with
        {
            Outcome = read.Count == 0 ? new LabOutcome(Result.NotApplicable, "in the whole ceremony nobody scanned, read, typed or compared anything")
                : new LabOutcome(Result.Works, $"somebody did {string.Join(", ", read.Select(s => s.Kind.Name))}"),
        };
    }

    private LabRun Guess()
    {
        var (device, _) = FdoLab.SetUp(world);
        var run = world.Finish(device, new LabOutcome(Result.NotApplicable, ""));
        int bits = run.Ceremonies.SelectMany(c => c.Before.Concat(c.After)).Select(b => b.SecretBits ?? int.MaxValue)
            .Concat(run.Ceremonies.SelectMany(c => c.Steps).Where(s => s.EntropyBits > 0).Select(s => s.EntropyBits)).DefaultIfEmpty(int.MaxValue).Min();
        return run with
        {
            Outcome = bits >= 112 ? new LabOutcome(Result.NotApplicable, $"the shortest secret that the device holds has {Words.Number(bits)} bits")
                : new LabOutcome(Result.Works, $"a secret has {Words.Number(bits)} bits"),
        };
    }

    /// <summary>Aim: the owner takes another device for the one that it bought.</summary>
    private LabRun Misbinding()
    {
        var (device, owner, _) = FdoLab.Sold(world);
        var other = world.Manufacture("device-6666");
        var outcome = world.PowerOn(other);
        bool taken = outcome.Succeeded && owner.Owns(other);
        bool saved = world.PowerOn(device).Succeeded;
        return world.Finish(device, taken ? new LabOutcome(Result.Works, "the owner onboarded a device that it has no voucher for")
            : new LabOutcome(saved ? Result.Refused : Result.DeviceLost, $"the other device was refused ({outcome.Reason})"));
    }

    /// <summary>A rendezvous server and an owner of the attacker's, under the names that the device asks for, with a voucher that the attacker made.</summary>
    private LabRun Rogue((FdoDevice Device, FdoSite Owner, OwnershipVoucher Voucher) sold)
    {
        var attacker = new FdoSite(world, "attacker", "attacker");
        var chain = sold.Voucher.DevCertChain;
        var header = VoucherExtension.NewHeader(sold.Device.State.Guid, sold.Voucher.Header.RendezvousInfo, "model", attacker.PublicKey, chain);
        using var guessed = new SecretBytes(world.Chance.Bytes(32, "attacker's HMAC secret"));
        var mac = VoucherHmac.Compute(VoucherHmac.MacFor(attacker.PublicKey.Type, attacker.PublicKey.Type), guessed, header);
        var forged = VoucherExtension.Extend(new OwnershipVoucher(header, mac, chain), attacker.Key, attacker.PublicKey, world.Chance);
        attacker.Forge(forged);
        if (world.Task.Method.Id == "fdo.rendezvous" || !sold.Device.State.Delivered.IsEmpty || sold.Voucher.Guid != sold.Device.State.Guid)
            FdoLab.Require(attacker.Register(forged, "rv.attacker.test"), "the attacker's TO0");
        var undo = Hijack(attacker, sold.Owner);
        return Judge(sold.Device, sold.Owner, world.PowerOn(sold.Device), attacker, undo);
    }

    /// <summary>The name service says that everything is at the attacker's.</summary>
    private Action Hijack(FdoSite attacker, FdoSite owner)
    {
        world.Network.AddName(FdoWorld.FactoryRendezvous, attacker.RendezvousHost);
        world.Network.AddName($"rv.{owner.Name}.test", attacker.RendezvousHost);
        world.Network.AddName($"{owner.Name}.test", attacker.Host);
        return () =>
        {
            world.Network.AddName(FdoWorld.FactoryRendezvous, world.FactoryHosts[1]);
            world.Network.AddName($"rv.{owner.Name}.test", owner.RendezvousHost);
            world.Network.AddName($"{owner.Name}.test", owner.Host);
        };
    }

    /// <summary>The attacker has the manufacturer's key and a copy of its voucher, and is first.</summary>
    private LabRun StolenKey()
    {
        var device = world.Manufacture("device-4711");
        var stolen = world.VoucherOf(device);
        var owner = new FdoSite(world, "owner-1", "owner");
        world.Sell(device, owner);
        var attacker = new FdoSite(world, "attacker", "attacker");
        var extended = VoucherExtension.Extend(stolen, world.ManufacturerKey, attacker.PublicKey, world.Chance);
        attacker.Import(extended);
        var undo = () => { };
        if (world.Task.Method.Id == "fdo.rendezvous")
            FdoLab.Require(attacker.Register(extended, FdoWorld.FactoryRendezvous), "the attacker's TO0");
        else
            undo = Hijack(attacker, owner);
        return Judge(device, owner, world.PowerOn(device), attacker, undo);
    }

    /// <summary>All that the owner answered at the first setup is answered again after a reset.</summary>
    private LabRun Replay()
    {
        var (device, owner, _) = FdoLab.Sold(world);
        var recorded = new List<(string, PlainHttpResponse)>();
        owner.To2.Response = (request, response) =>
        {
            recorded.Add((request.Path, response));
            return response;
        };
        FdoLab.Require(world.PowerOn(device), "onboarding");
        owner.To2.Response = (_, r) => r;
        device.Reset();
        FdoLab.HandOver(world, device, owner, owner);
        var attacker = world.AddHost("replayer.test", "attacker");
        new SimulatedHttpServer(attacker, 80, "replay").Map(new ReplayRole(owner.To2, recorded));
        world.Network.AddName($"{owner.Name}.test", attacker);
        string before = device.State.Guid.ToString();
        var outcome = world.PowerOn(device);
        bool taken = outcome.Succeeded && device.State.Guid.ToString() != before;
        world.Network.AddName($"{owner.Name}.test", owner.Host);
        bool saved = world.PowerOn(device).Succeeded;
        return world.Finish(device, taken ? new LabOutcome(Result.Works, "the device took the recorded answers")
            : new LabOutcome(saved ? Result.Refused : Result.DeviceLost, $"the device refused the recorded answers ({outcome.Reason})"));
    }

    /// <summary>Aim: a weaker cipher than the device asked for.</summary>
    private LabRun Downgrade()
    {
        var (device, owner, _) = FdoLab.Sold(world);
        owner.To2.Request = request =>
        {
            if (!request.Path.EndsWith("/60", StringComparison.Ordinal))
                return request;
            var hello = HelloDevice.Parse(request.Body);
            int weaker = (int)CipherSuite.A128Gcm.Name;
            return request with { Body = new HelloDevice(hello.MaxDeviceMessageSize, hello.Guid, hello.NonceTO2ProveOV, hello.KexSuiteName, weaker, hello.ASigInfo).Raw };
        };
        return Judge(device, owner, world.PowerOn(device), null, () => owner.To2.Request = r => r);
    }

    /// <summary>Aim: the device cannot be onboarded while conversations are begun and left.</summary>
    private LabRun HalfOpen()
    {
        var (device, owner, voucher) = FdoLab.Sold(world);
        for (int i = 0; i < Flood; i++)
        {
            var hello = new HelloDevice(ushort.MaxValue, voucher.Guid, Nonce.Draw(world.Chance, "attacker.Nonce"), "ECDH256", (int)CipherSuite.A256Gcm.Name, new SigInfo(SigInfo.For(PublicKeyType.Secp256R1)));
            var request = new PlainHttpRequest("POST", "/fdo/101/msg/60", [], hello.Raw);
            var caller = new Caller { Now = world.Loop.Now, Listener = "to2", Remote = "attacker", Session = new SessionId(new Guid(0x7fffffff - i, 1, 0, new byte[8])) };
            world.Loop.Complete(owner.To2.HandleAsync(request, caller, default));
        }
        var outcome = world.PowerOn(device);
        return world.Finish(device, outcome.Succeeded ? new LabOutcome(Result.Refused, $"the device was onboarded beside {Words.Number(Flood)} conversations that were begun and left")
            : new LabOutcome(Result.Works, outcome.Reason));
    }

    /// <summary>Aim: the device cannot be onboarded because its first contact is cut again and again.</summary>
    private LabRun Reset()
    {
        var (device, owner, _) = FdoLab.Sold(world);
        int cut = 0;
        owner.To2.Response = (_, response) => ++cut <= 2 ? new PlainHttpResponse(503, [], default) : response;
        var outcome = world.PowerOn(device, rounds: 5);
        return world.Finish(device, outcome.Succeeded ? new LabOutcome(Result.Refused, "cut twice, the device waited and tried again, and was onboarded")
            : new LabOutcome(Result.Works, outcome.Reason));
    }

    /// <summary>The seller answers in the buyer's place, with the voucher that it had, when the buyer's device is set up once more.</summary>
    private LabRun FormerOwner()
    {
        var (device, seller) = FdoLab.SetUp(world);
        var buyer = new FdoSite(world, "owner-2", "second owner");
        device.Reset();
        var former = device.State.Guid;
        FdoLab.HandOver(world, device, seller, buyer);
        FdoLab.Require(world.PowerOn(device), "the buyer's onboarding");
        var (taken, reason) = FormerOwnerTries(device, seller, buyer);
        return world.Finish(device, new LabOutcome(taken ? Result.Works : Result.Refused,
            taken ? "the device came back to its former owner" : $"the device, which went by {(former == device.State.Guid ? "the same" : "another")} GUID in the former owner's time, refused ({reason})"));
    }

    /// <summary>The former owner has its key and its services still, and the device's certificate; it makes the best voucher it can for the GUID of today.</summary>
    public (bool Taken, string Reason) FormerOwnerTries(FdoDevice device, FdoSite former, FdoSite now)
    {
        device.Reset();
        var old = world.VoucherOf(device);
        var header = VoucherExtension.NewHeader(device.State.Guid, old.Header.RendezvousInfo, "model", former.PublicKey, old.DevCertChain);
        using var guessed = new SecretBytes(world.Chance.Bytes(32, "former owner's guess"));
        var mac = VoucherHmac.Compute(VoucherHmac.MacFor(former.PublicKey.Type, former.PublicKey.Type), guessed, header);
        var made = VoucherExtension.Extend(new OwnershipVoucher(header, mac, old.DevCertChain), former.Key, former.PublicKey, world.Chance);
        former.Forge(made);
        FdoLab.Require(former.Register(made, $"rv.{former.Name}.test"), "the former owner's TO0");
        var undo = Hijack(former, now);
        var outcome = world.PowerOn(device);
        undo();
        return (outcome.Succeeded && former.Owns(device), outcome.Reason);
    }

    /// <summary>Once the attacker is gone, can the owner still have its device?</summary>
    private LabRun Judge(FdoDevice device, FdoSite owner, Outcome outcome, FdoSite? attacker, Action undo)
    {
        undo();
        if (outcome.Succeeded && (attacker is null || attacker.Owns(device)))
            return world.Finish(device, new LabOutcome(Result.Works, attacker is null ? "the change was not noticed" : "the device took the attacker for its owner"));
        string refused = world.LastRefusal.Length > 0 ? $"{outcome.Reason}; {world.LastRefusal}" : outcome.Reason;
        if (!device.State.Delivered.IsEmpty || world.VoucherOf(device).Guid != device.State.Guid)
            FdoLab.HandOver(world, device, owner, owner);
        bool saved = world.PowerOn(device).Succeeded;
        return world.Finish(device, new LabOutcome(saved ? Result.Refused : Result.DeviceLost, refused));
    }
}
