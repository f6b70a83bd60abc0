using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;

namespace Hatchery.Tests;

/// <summary>A made-up protocol for tests of the drivers: hello, welcome (imparts a network key), thanks.</summary>
internal static class Toy
{
    public static readonly Player Device = new("Duckling", PlayerKind.Device, Reach.During, true, "owner", "toy 1"),
        Relay = new("Reed", PlayerKind.NetworkNode, Reach.During, true, "owner", "toy 1"),
        Owner = new("Mother", PlayerKind.Owner, Reach.During, true, "owner", "toy 1"),
        Person = new("Keeper", PlayerKind.User, Reach.During, true, "owner", "toy 1");
    public static readonly StepKind Hatch = new("Hatch", 0, Phase.Manufacture, Owner, Device, "toy 2"),
        Hello = new("Hello", 1, Phase.TrustEstablishment, Device, Owner, "toy 2"),
        Blink = new("Blink", null, Phase.Authorization, Device, Person, "toy 3", Act.Show),
        Count = new("Count", null, Phase.Authorization, Person, Device, "toy 3", Act.Type),
        Welcome = new("Welcome", 2, Phase.Delivery, Owner, Device, "toy 2"),
        Quack = new("Quack", 3, Phase.OperationProven, Device, Owner, "toy 4");
    public static readonly Method Imprint = new("toy.imprint", "imprinting", [Device, Owner], [Hello, Welcome, Quack],
        ImmutableDictionary<StepKind, Phase>.Empty, "toy");
    public static readonly Method Shown = new("toy.shown", "imprinting with blinks", [Device, Owner, Person], [Hello, Blink, Count, Welcome, Quack],
        ImmutableDictionary<StepKind, Phase>.Empty, "toy");
    public static readonly Protocol Protocol = new("toy", "Toy", [], [Device, Relay, Owner, Person], [Hatch, Hello, Blink, Count, Welcome, Quack], [Imprint, Shown], []);

    public sealed record Message(StepKind Kind, string Name, string Text) : IMessage
    {
        public byte[] Bytes => Encoding.UTF8.GetBytes($"{Kind.Name}:{Name}:{Text}");
        public void Identify(ref Correlators into) => into.Add("toy.name", Name);
    }

    public sealed class Fault(string field) : ProtocolException("toy-error", field, $"{field} is wrong");

    public sealed record State(string Name, SecretBytes? Key)
    {
        public static readonly Schema<State> Schema = new Schema<State>("toy.device", 1, new("", null))
            .Item("Name", s => s.Name, (s, v) => s with { Name = v }, Lifetime.Factory, BeliefKind.Identifier, About.Device)
            .Item("Key", s => s.Key, (s, v) => s with { Key = v }, Lifetime.Imparted, BeliefKind.SymmetricSecret, About.Network, secret: true);
    }

    public static readonly WitnessKey Key = new(SHA256.HashData("toy"u8));
    public static Moment At(double seconds) => new(TimeSpan.FromSeconds(seconds), DateTimeOffset.UnixEpoch.AddSeconds(seconds));
}
