using System.Net;
using Microsoft.Extensions.Configuration;

namespace Hatchery.Server;

/// <summary>What cannot be started as configured; the sentence names the path in the configuration.</summary>
public sealed class ConfigurationFault(string path, string sentence) : Exception($"{path}: {sentence}")
{
    public string Path => path;
}

/// <summary>hatchery.json, with environment (HATCHERY__LISTENERS__PUBLIC__PORT) and command line (--listeners:public:port) over it.</summary>
public sealed class ServerOptions
{
    /// <summary>Database, keys that the server made itself, first token. Made if it is missing, mode 0700.</summary>
    public string DataDirectory { get; set; } = "data";
    /// <summary>Who operates this server, as the survey and the audit log name it.</summary>
    public string OperatedBy { get; set; } = "owner";
    public MasterKeyOptions MasterKey { get; set; } = new();
    public DatabaseOptions Database { get; set; } = new();
    public Dictionary<string, ListenerSettings> Listeners { get; set; } = [];
    public Dictionary<string, CertificateSettings> Certificates { get; set; } = [];
    public AdmissionOptions Admission { get; set; } = new();
    public PageOptions Page { get; set; } = new();
    /// <summary>OTLP endpoint for metrics and traces; empty: none.</summary>
    public string Otlp { get; set; } = "";
    /// <summary>Capture all listeners' traffic to this file (pcapng); empty: off.</summary>
    public string Capture { get; set; } = "";
    /// <summary>32 bytes under which observations are fingerprinted; empty: made in the data directory.</summary>
    public string WitnessKeyFile { get; set; } = "";
    /// <summary>Append what the server sees to this file, for the survey (JSON lines); empty: memory only.</summary>
    public string Observations { get; set; } = "";
    /// <summary>Seconds that requests in flight have when the server stops.</summary>
    public int DrainSeconds { get; set; } = 10;

    /// <summary>By role id; each role reads its own.</summary>
    public Dictionary<string, IConfigurationSection> Roles { get; } = [];

    /// <summary>Reads strictly: an unknown key or a value of the wrong kind stops with one sentence.</summary>
    /// <exception cref="ConfigurationFault"/>
    public static ServerOptions Read(IConfiguration configuration)
    {
        var options = new ServerOptions();
        var known = new Dictionary<string, Action<IConfigurationSection>>(StringComparer.OrdinalIgnoreCase)
        {
            ["dataDirectory"] = s => options.DataDirectory = Text(s),
            ["operatedBy"] = s => options.OperatedBy = Text(s),
            ["masterKey"] = s => options.MasterKey = Bind<MasterKeyOptions>(s),
            ["database"] = s => options.Database = Bind<DatabaseOptions>(s),
            ["listeners"] = s => options.Listeners = s.GetChildren().ToDictionary(Name, Bind<ListenerSettings>),
            ["certificates"] = s => options.Certificates = s.GetChildren().ToDictionary(Name, Bind<CertificateSettings>),
            ["admission"] = s => options.Admission = Bind<AdmissionOptions>(s),
            ["page"] = s => options.Page = Bind<PageOptions>(s),
            ["otlp"] = s => options.Otlp = Text(s),
            ["capture"] = s => options.Capture = Text(s),
            ["witnessKeyFile"] = s => options.WitnessKeyFile = Text(s),
            ["observations"] = s => options.Observations = Text(s),
            ["drainSeconds"] = s => options.DrainSeconds = int.TryParse(Text(s), out int seconds) && seconds >= 0 ? seconds : throw new ConfigurationFault(s.Path, "not a number of seconds."),
            ["roles"] = s =>
            {
                foreach (var role in s.GetChildren())
                    options.Roles[Name(role)] = role;
            },
        };
        foreach (var section in configuration.GetChildren())
            (known.TryGetValue(section.Key, out var read) ? read : throw new ConfigurationFault(section.Path, $"unknown. Known are: {string.Join(", ", known.Keys)}."))(section);
        return options;
    }

    /// <exception cref="ConfigurationFault"/>
    public static T Bind<T>(IConfigurationSection section) where T : new()
    {
        try
        {
            var value = new T();
            section.Bind(value, o => o.ErrorOnUnknownConfiguration = true);
            return value;
        }
        catch (InvalidOperationException e)
        {
            throw new ConfigurationFault(section.Path, Sentence((e.InnerException ?? e).Message));
        }
    }

    /// <summary>The binder speaks of its own options and types; its last words are the keys.</summary>
    private static string Sentence(string message) => message.Contains(nameof(BinderOptions.ErrorOnUnknownConfiguration), StringComparison.Ordinal)
        ? $"unknown: {message[(message.LastIndexOf(": ", StringComparison.Ordinal) + 2)..]}." : message;

    /// <summary>Names of listeners, certificates and roles do not depend on case, as keys of a configuration do not: the environment writes them in capitals.</summary>
    private static string Name(IConfigurationSection section) => section.Key.ToLowerInvariant();

    private static string Text(IConfigurationSection section) => section.Value ?? throw new ConfigurationFault(section.Path, "a value is needed.");
}

/// <summary>Where the key that seals secrets comes from; one of the three. None: the server makes one in its data directory, and says so.</summary>
public sealed class MasterKeyOptions
{
    public string File { get; set; } = "";
    public string Environment { get; set; } = "";
    /// <summary>Program and arguments; prints the key.</summary>
    public string Command { get; set; } = "";
}

public sealed class DatabaseOptions
{
    /// <summary>"sqlite", "postgres" or "memory".</summary>
    public string Kind { get; set; } = "sqlite";
    /// <summary>PostgreSQL's connection string.</summary>
    public string Connection { get; set; } = "";
}

public sealed class ListenerSettings
{
    public string Address { get; set; } = "127.0.0.1";
    public int Port { get; set; }
    /// <summary>"http", "https", "tcp", "tls" or "udp".</summary>
    public string Carrier { get; set; } = "http";
    /// <summary>Name of a certificate, for https and tls.</summary>
    public string Certificate { get; set => field = value.ToLowerInvariant(); } = "";
    /// <summary>"platform", or "engine" for what the platform cannot do: SRP, PSK, the exporter of TLS 1.3. For https; a role must serve it so.</summary>
    public string Tls { get; set; } = "platform";
    /// <summary>"1.2" or "1.3"; empty: both. Channel binding by tls-unique needs 1.2.</summary>
    public string TlsVersion { get; set; } = "";
    /// <summary>"none", "allow" or "require".</summary>
    public string ClientCertificates { get; set; } = "none";
    public int MaxConnections { get; set; } = 4096;

    public IPAddress AddressOf(string path) => IPAddress.TryParse(Address == "*" ? "::" : Address, out var address) ? address
        : throw new ConfigurationFault(path + ":address", $"{Address} is no IP address.");

    public int PortOf(string path) => Port is >= 0 and <= 65535 ? Port : throw new ConfigurationFault(path + ":port", $"{Port} is no port.");
}

public sealed class CertificateSettings
{
    /// <summary>Instead of files: issued by the embedded certificate authority of this name, and renewed in time.</summary>
    public string Authority { get; set; } = "";
    /// <summary>DNS names and addresses, for a certificate that is issued.</summary>
    public List<string> Hosts { get; set; } = [];
    /// <summary>PEM: certificate chain, leaf first.</summary>
    public string File { get; set; } = "";
    /// <summary>PEM: private key.</summary>
    public string Key { get; set; } = "";
}

public sealed class AdmissionOptions
{
    /// <summary>Admits whatever no rule decides. For demonstrations.</summary>
    public bool AcceptAnyone { get; set; }
    /// <summary>Holds for an operator whatever no rule decides, instead of refusing it.</summary>
    public bool HoldUnknown { get; set; }
    public List<AdmissionRuleOptions> Rules { get; set; } = [];
}

public sealed class AdmissionRuleOptions
{
    /// <summary>"fdo"; empty: any.</summary>
    public string Protocol { get; set; } = "";
    /// <summary>"fdo.to2"; empty: any.</summary>
    public string Method { get; set; } = "";
    /// <summary>"serial", "fdo.guid", "fdo.manufacturer"…; empty: any device.</summary>
    public string Kind { get; set; } = "";
    /// <summary>The value; a '*' at its end stands for any rest.</summary>
    public string Value { get; set; } = "";
    /// <summary>Match also what the device only claims.</summary>
    public bool Claimed { get; set; }
    /// <summary>"admit", "hold" or "refuse".</summary>
    public string Action { get; set; } = "refuse";
    public string Profile { get; set; } = "default";
}

public sealed class PageOptions
{
    /// <summary>Listener of page and admin API.</summary>
    public string Listener { get; set => field = value.ToLowerInvariant(); } = "admin";
    /// <summary>DNS names under which the page is reached, besides localhost and addresses.</summary>
    public List<string> Names { get; set; } = [];
    /// <summary>Anybody who reaches the listener may read the page. For demonstrations.</summary>
    public bool OpenForReading { get; set; }
}
