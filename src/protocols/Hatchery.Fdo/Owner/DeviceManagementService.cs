using System.Security.Cryptography;
using System.Text;

namespace Hatchery.Fdo.Owner;

/// <summary>The tokens by which onboarded devices are known to the owner's service: an HMAC of the GUID, so that nothing needs to be stored and any process can check.</summary>
public sealed class ServiceTokens(SecretBytes key)
{
    public SecretText For(Guid guid)
    {
        Span<byte> mac = stackalloc byte[32];
        HMACSHA256.HashData(key.Reveal(), Encoding.ASCII.GetBytes($"fdo service {guid:N}"), mac);
        return new SecretText(Convert.ToHexStringLower(mac));
    }
}

/// <summary>Gives each device the agent file for the owner's service, then what the operator wants besides.</summary>
public sealed class AgentPlanner(ServiceTokens tokens, Uri service, IServiceInfoPlanner more) : IServiceInfoPlanner
{
    private const string Prefix = "agent+";

    public async ValueTask<ServiceInfoPlan> PlanAsync(Guid newGuid, Guid oldGuid, string serial, string profile, CancellationToken cancel)
    {
        return Add(await more.PlanAsync(newGuid, oldGuid, serial, profile, cancel), newGuid);
    }

    public async ValueTask<ServiceInfoPlan?> ResumeAsync(string name, Guid newGuid, Guid oldGuid, string serial, string profile, CancellationToken cancel) =>
        name.StartsWith(Prefix, StringComparison.Ordinal) && await more.ResumeAsync(name[Prefix.Length..], newGuid, oldGuid, serial, profile, cancel) is { } rest ? Add(rest, newGuid) : null;

    private ServiceInfoPlan Add(ServiceInfoPlan rest, Guid newGuid) =>
        new(Prefix + rest.Name, rest.Modules.Insert(0, new Download(AgentFile.Name, new AgentFile(service, newGuid, tokens.For(newGuid)).Write())));
}

/// <summary>The owner's service that devices are onboarded for: accepts who brings the token of a device that is ours.</summary>
public sealed class DeviceManagementService(IRecordStore store, ServiceTokens tokens) : IService
{
    public async ValueTask<Reply> HandleAsync(IMessage request, Caller caller, CancellationToken cancel)
    {
        var use = (ServiceUse)request;
        bool known = use.Token.Equals(tokens.For(use.Guid));
        if (known)
        {
            var unit = store.Begin(caller);
            var found = await unit.GetAsync(OwnerVoucher.Schema, OwnerVoucher.Key(use.Guid), cancel);
            known = found is { Value.State: OwnerVoucherState.Onboarded };
            // Seen under its new GUID, the device has taken it: the old one is not needed any more.
            if (known && (await unit.FindAsync(OwnerVoucher.Schema, "successor", use.Guid.ToString("N"), 1, cancel)) is [{ Value.State: OwnerVoucherState.Superseded } old])
            {
                unit.Replace(OwnerVoucher.Schema, old.Key, old.Value with { State = OwnerVoucherState.Retired }, old.Version);
                unit.Report(new Fact.Administered(OwnerVoucher.Subject(use.Guid), "uses its new credential", caller.Listener));
                try
                {
                    await unit.CommitAsync(cancel);
                }
                catch (ConflictException)
                {
                    // Another request of the same device did it meanwhile.
                }
            }
        }
        return new Reply(new ServiceAccept(known));
    }
}
