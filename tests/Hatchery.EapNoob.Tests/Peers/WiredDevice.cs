using Hatchery.Cryptography;
using Hatchery.EapNoob.Device;
using Hatchery.EapNoob.Messages;
using Hatchery.Radius.Eap;
using Hatchery.Radius.Eapol;
using Hatchery.Radius.Tests.Peers;
using Hatchery.Transports;

namespace Hatchery.EapNoob.Tests.Peers;

/// <summary>Our device on the other end of the cable, with its state in a file.</summary>
internal sealed class WiredDevice : IAsyncDisposable
{
    private readonly SystemClock _clock = new();
    private readonly SystemChance _chance = new();
    private readonly AesGcmSealer _sealer;
    private readonly StateFile<NoobPeerState> _file;
    /// <summary>hostapd forgets a device that it refused, and does not act on its next Start.</summary>
    private readonly EapolSupplicant<EthernetPath> _supplicant = new(new EapPeerOptions(NoobEap.Type) { Proposal = 0 }, EthernetPath.PortAccessEntity,
        new() { StartPeriod = TimeSpan.FromSeconds(1), MaxStarts = 60 });
    private readonly EthernetEnginePump<EapPeerEvent> _pump;
    private EapPeerCarrier? _carrier;

    public WiredDevice(PeerFolder folder)
    {
        _sealer = new AesGcmSealer(new byte[32], _chance);
        _file = StateFile.Open(NoobPeerState.Schema, Path.Combine(folder.Path, "device"), _sealer);
        if (_file.Load() is null)
            _file.Save(NoobPeerState.Make("""{"Manufacturer":"Acme","Model":"X1","SerialNumber":"DU-9999"}"""), new Dictionary<string, Origin>());
        _pump = new EthernetEnginePump<EapPeerEvent>("wire1", EapolFrame.EtherType, EthernetPath.PortAccessEntity, _supplicant.Medium, _supplicant,
            (in EapPeerEvent what) => _carrier?.Happened(what));
        _pump.Start();
    }

    public string Address => _pump.Address.ToString();
    public NoobPeerState State => _file.Load()!;

    /// <summary>Makes itself known to the port, and answers nothing.</summary>
    public void Knock() => _pump.Post(() => _supplicant.Start(_clock.Now));

    /// <summary>Until it is in the network; the keys.</summary>
    public async Task<(Outcome Outcome, EapKeys? Keys)> RunAsync(Func<NoobPeerOptions, NoobPeerOptions> with, IPeople people, CancellationToken cancel)
    {
        var options = with(new NoobPeerOptions(new Destination("eapol", "wire1", 0, new ChannelSecurity.None(), NoobPlayers.Server)) { MaxFailures = 1 });
        _carrier = new EapPeerCarrier(_supplicant, new NoobEap(options.Variant), _pump.Post, () => _clock.Now);
        using var peer = new NoobPeer(State, options, _chance);
        var me = new PartyIdentity<NoobPeerState>(new Actor(NoobPlayers.Peer, "device", "owner"), p => new Actor(p, p.Name, "owner"), NoobPeerState.Schema);
        var run = new PartyHost<NoobPeerState>(peer, me, _carrier, _file) { People = people }.RunAsync(cancel);
        if (await Task.WhenAny(run, _pump.Completion) == _pump.Completion)
            await _pump.Completion;
        return (await run, peer.Keys);
    }

    public async ValueTask DisposeAsync()
    {
        await _pump.DisposeAsync();
        _file.Dispose();
        _sealer.Dispose();
    }
}
