namespace Hatchery.Transports;

/// <summary>The platform's TLS key log, in the format that Wireshark reads. It lays open every TLS connection of the process.</summary>
public static class TlsKeyLog
{
    /// <summary>Only before the first TLS connection of the process: the platform looks once.</summary>
    public static void Enable(string file)
    {
        AppContext.SetSwitch("System.Net.EnableSslKeyLogging", true);
        Environment.SetEnvironmentVariable("SSLKEYLOGFILE", file);
    }
}
