namespace Hatchery.Fdo.Device;

/// <summary>Uses what the owner delivered, once: the proof that the device was onboarded.</summary>
public sealed class ServiceUser(DeviceCredential state) : IParty<DeviceCredential>
{
    public DeviceCredential State => state;
    public TimeSpan Deadline => Moment.Never;

    public void Start(Moment now, Moves<DeviceCredential> moves)
    {
        var file = state.Delivered.FirstOrDefault(d => d.Name == "fdo.download:" + AgentFile.Name)?.Content;
        if (file is null || AgentFile.Read(file.Reveal().ToArray()) is not { } agent)
        {
            moves.End(new Outcome(false, $"The owner delivered no {AgentFile.Name}."));
            return;
        }
        moves.Connect(new Destination(agent.Service.Scheme, agent.Service.Host, agent.Service.Port, new ChannelSecurity.None(), FdoPlayers.OwnerService));
        moves.Send(new ServiceUse(state.Guid, agent.Token));
    }

    public void Receive(IMessage message, Moment now, Moves<DeviceCredential> moves) =>
        moves.End(message is ServiceAccept { Accepted: true } ? new Outcome(true, "accepted by the owner's service") : new Outcome(false, "refused by the owner's service"));

    public void Lost(CarrierFault fault, Moment now, Moves<DeviceCredential> moves) => moves.End(new Outcome(false, fault.Reason));
    public void Answered(HumanAnswer answer, Moment now, Moves<DeviceCredential> moves) { }
    public void Supplied(Supply supply, Moment now, Moves<DeviceCredential> moves) { }
    public void Tick(Moment now, Moves<DeviceCredential> moves) { }
}
