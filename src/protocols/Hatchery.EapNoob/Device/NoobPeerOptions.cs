using System.Collections.Immutable;
using Hatchery.EapNoob.Messages;

namespace Hatchery.EapNoob.Device;

/// <param name="Network">Where the lower layer connects to; the scheme is the carrier's ("eapol", "radius").</param>
public sealed record NoobPeerOptions(Destination Network)
{
    /// <summary>@noob.eap.arpa (RFC 9965).</summary>
    public const string ProvisioningNai = "@noob.eap.arpa";
    /// <summary>noob@eap-noob.arpa (RFC 9140 §3.3.1), which RFC 9965 deprecates and all older servers know.</summary>
    public const string DefaultNai = "noob@eap-noob.arpa";

    public NoobVariant Variant { get; init; } = NoobVariant.Rfc9140;
    /// <summary>Identities of a device without an association, tried in this order until a server begins the method.</summary>
    public ImmutableArray<string> Nais { get; init; } = [ProvisioningNai, DefaultNai];
    /// <summary>Those that we speak.</summary>
    public ImmutableArray<int> Cryptosuites { get; init; } = [EapNoob.Cryptosuites.X25519, EapNoob.Cryptosuites.P256];
    /// <summary>What the device can show or take in.</summary>
    public OobDirections Directions { get; init; } = OobDirections.PeerToServer;
    /// <summary>The OOB message is shown as a URL: without an https ServerURL of at most 60 characters the server is refused (5003).</summary>
    public bool NeedsServerUrl { get; init; } = true;
    /// <summary>ServerURL may be http: for tests in a closed network.</summary>
    public bool AllowsHttpUrl { get; init; }
    /// <summary>Null: this server's ServerInfo is well; else why it is not (5002).</summary>
    public Func<ReadOnlyMemory<byte>, string?>? JudgeServerInfo { get; init; }
    /// <summary>Between two Waiting Exchanges where the server names no time.</summary>
    public TimeSpan SleepTimeDefault { get; init; } = TimeSpan.FromSeconds(60);
    public TimeSpan NoobTimeout { get; init; } = TimeSpan.FromSeconds(3600);
    /// <summary>OobRetries: invalid OOB messages before the device starts over.</summary>
    public int OobRetries { get; init; } = 5;
    /// <summary>After a conversation that failed: doubled each time, with jitter, up to <see cref="MaxBackoff"/>.</summary>
    public TimeSpan Backoff { get; init; } = TimeSpan.FromSeconds(60);
    public TimeSpan MaxBackoff { get; init; } = TimeSpan.FromMinutes(30);
    /// <summary>After error 2001.</summary>
    public TimeSpan UnwantedBackoff { get; init; } = TimeSpan.FromHours(1);
    /// <summary>Conversations that fail in a row before the party ends; Waiting Exchanges do not count.</summary>
    public int MaxFailures { get; init; } = 20;
    /// <summary>Takes AMSK, 64 bytes, when a conversation made one.</summary>
    public Action<ReadOnlySpan<byte>>? ApplicationKey { get; init; }
}
