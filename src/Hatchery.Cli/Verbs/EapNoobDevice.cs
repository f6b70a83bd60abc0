using System.Net;
using System.Security.Cryptography;
using Hatchery.Cryptography;
using Hatchery.EapNoob;
using Hatchery.EapNoob.Device;
using Hatchery.Radius;
using Hatchery.Radius.Client;
using Hatchery.Radius.Eap;
using Hatchery.Radius.Eapol;
using Hatchery.Server;
using Hatchery.Transports;

namespace Hatchery.Cli.Verbs;

/// <summary>An EAP-NOOB peer's folder.</summary>
internal sealed class EapNoobFolder(DirectoryInfo folder) : SimulatedDeviceFolder<NoobPeerState>(folder.FullName, NoobPeerState.Schema, "association")
{
    public NoobPeerState State() => File.Load() ?? throw new CommandException($"{Path} holds no device. Start with: hatchery eapnoob device join");
}

/// <summary>A device's way into the network: 802.1X on an interface, or RADIUS itself where there is no authenticator.</summary>
internal sealed class EapNoobLink : IAsyncDisposable
{
    private readonly IAsyncDisposable _pump;

    private EapNoobLink(IAsyncDisposable pump, EapPeerCarrier carrier, Func<bool?> keysAgree) => (_pump, Carrier, KeysAgree) = (pump, carrier, keysAgree);

    public EapPeerCarrier Carrier { get; }
    /// <summary>Whether the authenticator got the device's keys; null: it is somebody else's and does not say.</summary>
    public Func<bool?> KeysAgree { get; }

    private static EapPeerOptions Peer => new(NoobEap.Type) { Proposal = 0 };

    /// <exception cref="IOException">No such interface, or no right to open it.</exception>
    public static EapNoobLink Eapol(string network, NoobEap binding, IWitness witness, SystemClock clock)
    {
        var supplicant = new EapolSupplicant<EthernetPath>(Peer, EthernetPath.PortAccessEntity);
        EapPeerCarrier? carrier = null;
        var pump = new EthernetEnginePump<EapPeerEvent>(network, EapolFrame.EtherType, EthernetPath.PortAccessEntity, supplicant.Medium, supplicant,
            (in EapPeerEvent what) => carrier!.Happened(what), new PumpOptions { Witness = witness, Clock = clock });
        carrier = new EapPeerCarrier(supplicant, binding, pump.Post, () => clock.Now);
        pump.Start();
        return new EapNoobLink(pump, carrier, () => null);
    }

    public static EapNoobLink Radius(IPEndPoint server, string secret, string station, NoobEap binding, IWitness witness, SystemClock clock)
    {
        var client = new RadiusEapClient<UdpPath>(Peer, new NasPortOptions("hatchery") { CallingStation = station }, [new(UdpPath.From(server), new RadiusSecret(secret))], new SystemChance());
        EapPeerCarrier? carrier = null;
        var local = server.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6 ? IPAddress.IPv6Any : IPAddress.Any;
        var pump = new UdpEnginePump<EapPeerEvent>(new IPEndPoint(local, 0), client, (in EapPeerEvent what) => carrier!.Happened(what), new PumpOptions { Witness = witness, Clock = clock });
        carrier = new EapPeerCarrier(client, binding, pump.Post, () => clock.Now);
        pump.Start();
        return new EapNoobLink(pump, carrier, () => client.KeysAgree);
    }

    public ValueTask DisposeAsync() => _pump.DisposeAsync();
}

/// <summary>The user of a simulated device: sees its QR code on the terminal, types on the terminal, or is played through files.</summary>
internal sealed class EapNoobPeople(TextWriter screen, TextReader keyboard, FileInfo? shows, FileInfo? png, FileInfo? takes) : IPeople
{
    private readonly ConsolePeople _console = new(keyboard, screen);

    public async ValueTask ShowAsync(HumanPrompt prompt, CancellationToken cancel)
    {
        if (prompt.Value is not { } value)
        {
            await _console.ShowAsync(prompt, cancel);
            return;
        }
        if (shows is not null)
        {
            // Whoever waits for the file must not see half of it.
            string part = shows.FullName + ".part";
            await File.WriteAllTextAsync(part, value.Reveal(), cancel);
            File.Move(part, shows.FullName, overwrite: true);
        }
        if (png is not null)
            await File.WriteAllBytesAsync(png.FullName, QrPicture.Png(value.Reveal()), cancel);
        if (shows is null && png is null)
            await screen.WriteLineAsync(QrPicture.Terminal(value.Reveal()).AsMemory(), cancel);
        if (shows is null)
            await _console.ShowAsync(prompt, cancel);
    }

    public async ValueTask<HumanAnswer?> AskAsync(HumanPrompt prompt, CancellationToken cancel)
    {
        if (takes is null)
            return await _console.AskAsync(prompt, cancel);
        while (!File.Exists(takes.FullName))
            await Task.Delay(50, cancel);
        string code = (await File.ReadAllTextAsync(takes.FullName, cancel)).Trim();
        File.Delete(takes.FullName);
        return new HumanAnswer(prompt.Kind, prompt.Who, new SecretText(code), true);
    }
}
