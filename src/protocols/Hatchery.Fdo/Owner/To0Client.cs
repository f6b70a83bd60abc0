using System.Collections.Immutable;

namespace Hatchery.Fdo.Owner;

/// <summary>Client of TO0 (FDO 1.1 §5.3): registers one device's redirect at one rendezvous server. Its state is the schedule: when to do so again.</summary>
public sealed class To0Client(To0Schedule schedule, OwnershipVoucher voucher, FdoPrivateKey owner, OwnerOptions options, ImmutableArray<Destination> targets, Chance chance)
    : IParty<To0Schedule>
{
    private int _target;

    public To0Schedule State { get; private set; } = schedule;
    public TimeSpan Deadline => Moment.Never;

    public void Start(Moment now, Moves<To0Schedule> moves) => Next(now, "the voucher names no rendezvous server", moves);

    public void Receive(IMessage message, Moment now, Moves<To0Schedule> moves)
    {
        switch (message)
        {
            case To0HelloAck ack:
                var to0d = To0d.Create(voucher, options.WaitSeconds, ack.NonceTO0Sign);
                var hash = FdoHash.Of(VoucherHmac.HashFor(FdoPublicKey.TypeOf(voucher.DeviceKey) ?? voucher.Owner.Type, voucher.Owner.Type), to0d.Raw.Span);
                var stands = options.Delegate?.Invoke(voucher.Owner.Fingerprint);
                moves.Send(new OwnerSign(to0d, To1d.Sign(options.Addresses, hash, stands?.Key ?? owner, chance, stands?.Chain)));
                break;
            case AcceptOwner { WaitSeconds: > 0 } accept:
                State = State.Registered(Wall(now), accept.WaitSeconds, chance);
                moves.Save(State, new Fact.Administered(OwnerVoucher.Subject(voucher.Guid), $"registered for {accept.WaitSeconds} s at {targets[_target - 1]}", "TO0"));
                moves.End(new Outcome(true, "registered"));
                break;
            case ErrorMessage error:
                Next(now, $"error {error.Code}: {error.Text}", moves);
                break;
            default:
                Next(now, $"{message.Kind} was not expected", moves);
                break;
        }
    }

    public void Lost(CarrierFault fault, Moment now, Moves<To0Schedule> moves) => Next(now, fault.Reason, moves);
    public void Tick(Moment now, Moves<To0Schedule> moves) { }
    public void Answered(HumanAnswer answer, Moment now, Moves<To0Schedule> moves) { }
    public void Supplied(Supply supply, Moment now, Moves<To0Schedule> moves) { }

    /// <summary>The next address, or the end of this attempt.</summary>
    private void Next(Moment now, string error, Moves<To0Schedule> moves)
    {
        if (_target < targets.Length)
        {
            moves.Connect(targets[_target++]);
            moves.Send(new To0Hello());
            return;
        }
        State = State.Failed(Wall(now), error, chance);
        moves.Save(State, new Fact.Administered(OwnerVoucher.Subject(voucher.Guid), $"not registered: {error}", "TO0"));
        moves.End(new Outcome(false, error));
    }

    private static DateTimeOffset Wall(Moment now) => now.Wall ?? throw new InvalidOperationException("An owner has a clock.");
}
