using System.Text;

namespace Hatchery.Fdo;

/// <summary>Not part of FDO, which ends with message 71: a device uses what fdo.download delivered, against the owner's service, which refuses whoever
/// does not have it. So an onboarding is seen to have worked.</summary>
/// <param name="Guid">The GUID that TO2 gave.</param>
public sealed record ServiceUse(Guid Guid, SecretText Token) : IMessage
{
    public const string Path = "/fdo-service/use";

    public StepKind Kind => FdoSteps.ServiceUse;
    internal ReadOnlyMemory<byte> Body => Encoding.ASCII.GetBytes(Guid.ToString("N"));

    public void Identify(ref Correlators into)
    {
        Span<byte> bytes = stackalloc byte[16];
        Guid.TryWriteBytes(bytes, bigEndian: true, out _);
        into.Add("fdo.guid", bytes);
    }
}

/// <param name="Accepted">False: the service does not know who asks.</param>
public sealed record ServiceAccept(bool Accepted) : IMessage
{
    public StepKind Kind => FdoSteps.ServiceAccept;
}
