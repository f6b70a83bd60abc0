using System.Net;

namespace Hatchery.Radius.Tests.Peers;

/// <summary>Debian's freeradius on loopback: a server of its own for EAP-MD5, and a proxy for the realm proxied.example.</summary>
internal sealed class FreeRadius : IDisposable
{
    public const string Secret = "testing123";
    private readonly PeerFolder _folder = new();
    private readonly PeerProcess _process;

    private FreeRadius(IPEndPoint? home, int port)
    {
        EndPoint = new IPEndPoint(IPAddress.Loopback, port);
        string proxy = home is null ? "" : $$"""
            home_server hatchery {
              type = auth
              ipaddr = 127.0.0.1
              port = {{home.Port}}
              secret = "{{UdpServer.Secret}}"
              status_check = status-server
              response_window = 20
            }
            home_server_pool hatchery {
              type = fail-over
              home_server = hatchery
            }
            realm proxied.example {
              auth_pool = hatchery
              nostrip
            }
            """;
        _folder.Write("dictionary", "");
        _folder.Write("radiusd.conf", $$"""
            prefix = /usr
            libdir = /usr/lib/freeradius
            logdir = {{_folder.Path}}
            raddbdir = {{_folder.Path}}
            run_dir = {{_folder.Path}}
            pidfile = {{_folder.Path}}/pid
            log {
              destination = stdout
            }
            security {
              allow_vulnerable_openssl = yes
            }
            proxy_requests = yes
            client loopback {
              ipaddr = 127.0.0.1
              secret = {{Secret}}
              require_message_authenticator = yes
            }
            {{proxy}}
            modules {
              eap {
                default_eap_type = md5
                md5 {
                }
              }
              realm suffix {
                format = suffix
                delimiter = "@"
              }
            }
            server default {
              listen {
                type = auth
                ipaddr = 127.0.0.1
                port = {{port}}
              }
              authorize {
                suffix
                update control {
                  Cleartext-Password := "hello"
                }
                eap {
                  ok = return
                }
              }
              authenticate {
                eap
              }
            }
            """);
        _process = new PeerProcess("freeradius", "-X", "-d", _folder.Path);
    }

    public IPEndPoint EndPoint { get; }
    public string Output => _process.Output;

    public static async Task<FreeRadius> StartAsync(CancellationToken cancel, IPEndPoint? home = null)
    {
        var server = new FreeRadius(home, PeerProcess.FreePort());
        try
        {
            await server._process.SaysAsync("Ready to process requests", cancel);
            return server;
        }
        catch
        {
            server.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        _process.Dispose();
        _folder.Dispose();
    }
}
