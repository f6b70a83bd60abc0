namespace Hatchery.Transports;

/// <summary>Handles what an engine says; on the pump's thread, which may call the engine. What the event refers to is valid for the call only.</summary>
public delegate void EngineEventHandler<TEvent>(in TEvent happened) where TEvent : struct;

public enum PumpEnd
{
    /// <summary>The peer closed its side; what the engine still had to send was sent.</summary>
    PeerClosed,
    /// <summary><c>Close</c> was called; what the engine had to send was sent.</summary>
    Closed,
    /// <summary>Nothing passed in either direction for the idle time.</summary>
    Idle,
    /// <summary>The connection broke.</summary>
    Broken,
}

public sealed record PumpOptions
{
    /// <summary>Bytes per read.</summary>
    public int ReceiveBuffer { get; init; } = 16 * 1024;
    /// <summary>Bytes per write; at least the longest piece that the engine transmits.</summary>
    public int SendBuffer { get; init; } = 32 * 1024;
    /// <summary>Of a stream.</summary>
    public TimeSpan IdleTimeout { get; init; } = TimeSpan.FromMinutes(2);
    public SystemClock Clock { get; init; } = new();
    public IWitness Witness { get; init; } = Hatchery.Witness.None;
    public SessionId Session { get; init; }
}
