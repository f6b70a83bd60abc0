using System.CommandLine;
using System.Net.Http.Headers;
using System.Text.Json;

namespace Hatchery.Cli.Verbs;

/// <summary>Options and calls of verbs that talk to a server's admin API.</summary>
internal sealed class AdminClient
{
    private readonly Option<string> _server = new("--server") { Description = "The admin API.", DefaultValueFactory = _ => Environment.GetEnvironmentVariable("HATCHERY_SERVER") ?? "http://127.0.0.1:8081" };
    private readonly Option<string?> _token = new("--token") { Description = "A token, or HATCHERY_TOKEN; by default the one in data/admin.token." };

    public void AddTo(Command command)
    {
        command.Add(_server);
        command.Add(_token);
    }

    public async Task<string> CallAsync(ParseResult result, HttpMethod method, string path, byte[]? body, CancellationToken cancel, string contentType = "application/octet-stream")
    {
        string token = result.GetValue(_token) ?? Environment.GetEnvironmentVariable("HATCHERY_TOKEN")
            ?? (File.Exists("data/admin.token") ? (await File.ReadAllTextAsync("data/admin.token", cancel)).Trim() : throw new CommandException("A token is needed: --token, HATCHERY_TOKEN, or data/admin.token."));
        using var http = new HttpClient();
        using var request = new HttpRequestMessage(method, $"{result.GetRequiredValue(_server).TrimEnd('/')}/api/v1{path}");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        if (body is not null)
            request.Content = new ByteArrayContent(body) { Headers = { ContentType = new MediaTypeHeaderValue(contentType) } };
        using var response = await http.SendAsync(request, cancel);
        string text = await response.Content.ReadAsStringAsync(cancel);
        if (response.IsSuccessStatusCode)
            return text;
        string sentence = text;
        try
        {
            using var problem = JsonDocument.Parse(text);
            sentence = problem.RootElement.TryGetProperty("detail", out var detail) ? detail.GetString()! : problem.RootElement.GetProperty("title").GetString()!;
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            // Not a problem document: shown as it is.
        }
        throw new CommandException($"The server answers {(int)response.StatusCode}: {sentence}");
    }

    public static string Pretty(string json)
    {
        using var document = JsonDocument.Parse(json);
        return JsonSerializer.Serialize(document.RootElement, s_indented);
    }

    private static readonly JsonSerializerOptions s_indented = new() { WriteIndented = true };
}
