using System.Net;

namespace Hatchery.Radius.Tests.Peers;

/// <summary>hostapd as it comes: a pass-through authenticator on one end of the <see cref="Wire"/> that knows nothing of methods. Says AP-ENABLED when it is ready.</summary>
internal static class Hostapd
{
    /// <param name="more">Further lines of its configuration.</param>
    public static PeerProcess Start(PeerFolder folder, IPEndPoint server, string secret, string more = "") => new("hostapd", "-d", folder.Write("hostapd.conf", $"""
        interface=wire0
        driver=wired
        ieee8021x=1
        use_pae_group_addr=1
        own_ip_addr=127.0.0.1
        nas_identifier=switch-1
        auth_server_addr={server.Address}
        auth_server_port={server.Port}
        auth_server_shared_secret={secret}
        {more}
        """));
}
