using System.Diagnostics;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace Product.Tests.Cli;

public sealed class ServeTests
{
    [Fact]
    public async Task Serve_starts_as_overridden_answers_and_drains_on_SIGTERM()
    {
        string folder = Running.NewFolder();
        using var process = Command.Start(folder, new Dictionary<string, string> { ["HATCHERY__LISTENERS__ADMIN__PORT"] = "0", ["HATCHERY__OPERATEDBY"] = "us" },
            "serve", "--listeners:public:port=0", "--listeners:radius:port=0", "--page:openForReading=false");
        try
        {
            var addresses = new Dictionary<string, Uri>();
            var screen = new StringBuilder();
            while (!screen.ToString().Contains("Insecure on purpose") && await process.StandardOutput.ReadLineAsync(Running.Stop) is { } line)
            {
                screen.AppendLine(line);
                string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
                if (words is [var name, var address, ..] && address.StartsWith("http://", StringComparison.Ordinal))
                    addresses[name] = new Uri(address);
            }
            Assert.Equal(["admin", "public"], addresses.Keys.Order());
            Assert.DoesNotContain(addresses.Values, a => a.Port is 8080 or 8081);
            string token = (await File.ReadAllTextAsync(Path.Combine(folder, "data", "admin.token"), Running.Stop)).Trim();
            using var client = new HttpClient { BaseAddress = addresses["admin"] };
            client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
            using var view = JsonDocument.Parse(await client.GetStringAsync("/api/v1/server", Running.Stop));
            Assert.Equal(5, view.RootElement.GetProperty("roles").GetArrayLength());

            // As an operator in the same folder: the token is found where the server left it.
            var list = await Command.RunInAsync(folder, new Dictionary<string, string>(), "device", "list", "--server", addresses["admin"].ToString(), "--json");
            Assert.True(list.Code == 0, list.Errors);
            Assert.Equal("[]", list.Output.Trim());

            // A request is in flight when the signal comes, and is answered.
            using var socket = new TcpClient();
            await socket.ConnectAsync(addresses["public"].Host, addresses["public"].Port, Running.Stop);
            var stream = socket.GetStream();
            await stream.WriteAsync("POST /fdo/101/msg/99 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/cbor\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n"u8.ToArray(), Running.Stop);
            using var answer = new StreamReader(stream, Encoding.Latin1);
            Assert.StartsWith("HTTP/1.1 100", await answer.ReadLineAsync(Running.Stop));
            using (var kill = Process.Start("kill", ["-TERM", $"{process.Id}"]))
                await Command.EndAsync(kill);
            while (await process.StandardOutput.ReadLineAsync(Running.Stop) is { } line && line != "Draining.")
            {
            }
            await stream.WriteAsync(new byte[] { 0x80 }, Running.Stop);
            string rest = await answer.ReadToEndAsync(Running.Stop);
            Assert.Contains("HTTP/1.1 500", rest);
            Assert.Contains("Message-Type: 255", rest);
            await Command.EndAsync(process);
            Assert.Equal(0, process.ExitCode);
            Assert.DoesNotContain("   at ", await process.StandardError.ReadToEndAsync(Running.Stop));
        }
        finally
        {
            if (!process.HasExited)
                process.Kill(entireProcessTree: true);
        }
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task The_printed_configuration_is_one_that_serve_takes()
    {
        var printed = await Command.RunAsync("serve", "--print-config");
        Assert.Equal(0, printed.Code);
        Assert.Equal("data", printed.Json.GetProperty("dataDirectory").GetString());
        var options = Hatchery.Server.ServerOptions.Read(Microsoft.Extensions.Configuration.JsonConfigurationExtensions
            .AddJsonStream(new Microsoft.Extensions.Configuration.ConfigurationBuilder(), new MemoryStream(Encoding.UTF8.GetBytes(printed.Output))).Build());
        Assert.Equal(["eapnoob.server", "fdo.manufacturer", "fdo.owner", "fdo.rendezvous"], options.Roles.Keys.Order());
    }
}
