using Hatchery.Fdo;
using Hatchery.Fdo.Owner;
using Hatchery.Fdo.Transport;
using Hatchery.Transports;
using Microsoft.Extensions.Logging;

namespace Hatchery.Server.Roles;

/// <summary>Registers devices at their rendezvous servers when their time has come, one after the other.</summary>
internal sealed class FdoTo0Scheduler(RoleContext context, OwnerOptions options)
{
    private static readonly TimeSpan s_longestSleep = TimeSpan.FromSeconds(30);
    private readonly SemaphoreSlim _wake = new(0);

    /// <summary>Something is due earlier than was thought.</summary>
    public void Wake() => _wake.Release();

    public async Task RunAsync(CancellationToken cancel)
    {
        while (!cancel.IsCancellationRequested)
        {
            var sleep = s_longestSleep;
            try
            {
                sleep = await RoundAsync(cancel);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                context.Failed("the TO0 scheduler", e);
            }
            if (sleep > TimeSpan.Zero)
                await _wake.WaitAsync(sleep < s_longestSleep ? sleep : s_longestSleep, cancel);
        }
    }

    /// <summary>Registers what is due; returns how long nothing else is.</summary>
    private async Task<TimeSpan> RoundAsync(CancellationToken cancel)
    {
        var next = context.Now().Wall!.Value + s_longestSleep;
        RecordKey? after = null;
        while (true)
        {
            var page = await context.Store.Begin(Job()).ListAsync(To0Schedule.Schema, after, 200, cancel);
            foreach (var schedule in page)
            {
                if (schedule.Value.NextAt <= context.Now().Wall)
                    await RegisterAsync(schedule, cancel);
                else if (schedule.Value.NextAt < next)
                    next = schedule.Value.NextAt;
            }
            if (page.Length < 200)
                break;
            after = page[^1].Key;
        }
        var left = next - context.Now().Wall!.Value;
        return left > TimeSpan.Zero ? left : TimeSpan.Zero;
    }

    private async Task RegisterAsync(Stored<To0Schedule> schedule, CancellationToken cancel)
    {
        var found = await context.Store.Begin(Job()).GetAsync(OwnerVoucher.Schema, OwnerVoucher.Key(schedule.Value.Guid), cancel);
        if (found is not { Value: { AnswersTo2: true } record } || options.Keys.Find(record.OwnerKey) is not { } owner)
        {
            await SaveAsync(schedule, null, [], cancel);
            return;
        }
        var voucher = OwnershipVoucher.Parse(record.Voucher);
        var plan = RendezvousInterpreter.ForOwner(voucher.Header.RendezvousInfo, new RendezvousAbilities(["https", "http", "tls", "tcp"]));
        if (plan.Attempts.IsEmpty)
        {
            // The device comes straight to us, or its rendezvous servers cannot be reached from here: there is nothing to register.
            await SaveAsync(schedule, null, [], cancel);
            return;
        }
        var party = new To0Client(schedule.Value, voucher, owner.Key, options, [.. plan.Attempts.SelectMany(a => a.Targets).Select(t => t.To(FdoPlayers.Rendezvous))], context.Chance);
        var host = new PartyHost<To0Schedule>(party, new PartyIdentity<To0Schedule>(context.Actor(FdoPlayers.Owner, FdoPlayers.Owner.Name), context.Peer, To0Schedule.Schema),
            FdoCarriers.Make(_ => new FdoHttpClient(), new HttpCarrierOptions { Witness = context.Witness }), (state, facts, stop) => SaveAsync(schedule, state, facts, stop))
        { Witness = context.Witness };
        var outcome = await host.RunAsync(cancel);
        if (!outcome.Succeeded)
            context.Log.LogWarning("TO0 for {Guid}: {Reason}; next try {Next:u}", voucher.Guid, outcome.Reason, party.State.NextAt);
    }

    /// <param name="state">Null: nothing is to be registered any more.</param>
    private async ValueTask SaveAsync(Stored<To0Schedule> schedule, To0Schedule? state, IEnumerable<Fact> facts, CancellationToken cancel)
    {
        var unit = context.Store.Begin(Job());
        if (await unit.GetAsync(To0Schedule.Schema, schedule.Key, cancel) is not { } present)
            return;
        if (state is null)
            unit.Delete(To0Schedule.Schema, present.Key, present.Version);
        else
            unit.Replace(To0Schedule.Schema, present.Key, state, present.Version);
        foreach (var fact in facts)
            unit.Report(fact);
        try
        {
            await unit.CommitAsync(cancel);
        }
        catch (ConflictException)
        {
            // The device was onboarded or sold meanwhile.
        }
    }

    private Caller Job() => Caller.Local("fdo.to0", context.Now());
}
