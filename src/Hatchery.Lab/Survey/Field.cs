namespace Hatchery.Lab;

/// <summary>The part of a ceremony after factory and sale.</summary>
internal static class Field
{
    public static IEnumerable<Step> Steps(Ceremony ceremony) => ceremony.Steps.Where(s => s.Phase > Phase.Sale);

    /// <summary>What the device itself takes part in: from the moment it is switched on.</summary>
    public static IEnumerable<Step> OfDevice(Ceremony ceremony) => Steps(ceremony).Where(s => IsDevice(s.From) || IsDevice(s.To));

    public static bool IsDevice(Actor actor) => actor.Player.Kind == PlayerKind.Device;

    public static bool IsHuman(Step step) => step.Kind.Act is not Act.Message and not Act.Local;

    public static Actor Person(Step step) => step.From.Player.IsHuman ? step.From : step.To.Player.IsHuman ? step.To : step.From;
}
