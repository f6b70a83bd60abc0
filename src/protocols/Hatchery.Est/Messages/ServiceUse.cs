namespace Hatchery.Est;

/// <summary>The device uses its new certificate against a service of the domain. Outside the standard.</summary>
public sealed record ServiceUse : IMessage
{
    public StepKind Kind => EstSteps.ServiceUse;
    public override string ToString() => Kind.Name;
}

/// <param name="Accepted">False: the service knows no such certificate.</param>
public sealed record ServiceAccept(bool Accepted) : IMessage
{
    public StepKind Kind => EstSteps.ServiceAccept;
    public override string ToString() => Kind.Name;
}
