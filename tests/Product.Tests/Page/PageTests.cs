using System.Net;
using System.Text.RegularExpressions;

namespace Product.Tests.Page;

public sealed partial class PageTests
{
    private const string Hostile = "<script>alert(1)</script>\"'&";

    [Fact]
    public async Task The_devices_page_shows_devices_and_takes_no_markup_from_them()
    {
        await using var running = await Running.StartAsync(s =>
        {
            s["database:kind"] = "memory";
            s["page:openForReading"] = "true";
        });
        var init = await Command.InitAsync(running, Path.Combine(running.Folder, "device"), Hostile, Hostile);
        Assert.True(init.Code == 0, init.Errors);
        var guid = init.Json.GetProperty("guid").GetGuid();
        using var nobody = running.Client(null);
        using var response = await nobody.GetAsync("/", Running.Stop);
        string devices = await response.Content.ReadAsStringAsync(Running.Stop);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Contains(guid.ToString("N"), devices);
        Assert.Contains("&lt;script&gt;alert(1)&lt;/script&gt;", devices);
        Assert.Contains("page:openForReading", devices);
        string device = await nobody.GetStringAsync(DeviceLink().Match(devices).Groups[1].Value, Running.Stop);
        Assert.Contains("&lt;script&gt;alert(1)", device);
        Assert.Contains("seen", device);
        string ceremonies = await nobody.GetStringAsync("/ceremonies", Running.Stop);
        Assert.Contains("DI.SetHMAC", ceremonies);
        foreach (string page in new[] { devices, device, ceremonies })
        {
            Assert.DoesNotContain("<script>alert", page);
            Assert.Equal(["<script src=\"/live.js\" defer>"], Script().Matches(page).Select(m => m.Value));
        }
        string policy = response.Headers.GetValues("Content-Security-Policy").Single();
        Assert.Contains("default-src 'none'", policy);
        Assert.Contains("script-src 'self'", policy);
        Assert.DoesNotContain("unsafe", policy);
        Assert.Equal("nosniff", response.Headers.GetValues("X-Content-Type-Options").Single());
    }

    [Fact]
    public async Task Reading_needs_a_sign_in_with_a_token_that_may_read()
    {
        await using var running = await Running.StartAsync(s => s["database:kind"] = "memory");
        using var client = running.Client(null);
        foreach (string path in new[] { "/", "/ceremonies", $"/devices/{Guid.NewGuid()}", "/events" })
        {
            using var refused = await client.GetAsync(path, HttpCompletionOption.ResponseHeadersRead, Running.Stop);
            Assert.True(refused.StatusCode is HttpStatusCode.Redirect, $"{path}: {refused.StatusCode}");
            Assert.StartsWith($"{running.AdminAddress}/login", refused.Headers.Location!.ToString());
        }
        foreach (string path in new[] { "/style.css", "/live.js", "/favicon.ico" })
            Assert.NotEqual("", await client.GetStringAsync(path, Running.Stop));

        using (var wrong = await SignInAsync(client, "hatch_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"))
            AssertRefused(wrong);
        using (var scope = await SignInAsync(client, await running.TokenAsync(["fdo:read"])))
            AssertRefused(scope);
        using (var forged = await client.PostAsync("/sign-in", new FormUrlEncodedContent([new("token", running.Token)]), Running.Stop))
        {
            Assert.Equal(HttpStatusCode.BadRequest, forged.StatusCode);
            Assert.DoesNotContain(Cookies(forged), c => c.StartsWith("hatchery=", StringComparison.Ordinal));
        }

        using var signedIn = await SignInAsync(client, running.Token);
        Assert.Equal(HttpStatusCode.Redirect, signedIn.StatusCode);
        Assert.Equal("/", signedIn.Headers.Location!.ToString());
        string cookie = Assert.Single(Cookies(signedIn), c => c.StartsWith("hatchery=", StringComparison.Ordinal));
        Assert.Contains("samesite=strict", cookie, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("httponly", cookie, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain(running.Token, cookie);

        using var request = new HttpRequestMessage(HttpMethod.Get, "/");
        request.Headers.Add("Cookie", cookie.Split(';')[0]);
        using var page = await client.SendAsync(request, Running.Stop);
        Assert.Equal(HttpStatusCode.OK, page.StatusCode);
        Assert.Contains("<h2>Devices</h2>", await page.Content.ReadAsStringAsync(Running.Stop));

        // A name that is not this server's, as a page of somebody else's would have after rebinding.
        using var rebound = new HttpRequestMessage(HttpMethod.Get, "/");
        rebound.Headers.Host = "evil.example";
        rebound.Headers.Add("Cookie", cookie.Split(';')[0]);
        using var misdirected = await client.SendAsync(rebound, Running.Stop);
        Assert.Equal(HttpStatusCode.MisdirectedRequest, misdirected.StatusCode);
        Assert.DoesNotContain("<h2>", await misdirected.Content.ReadAsStringAsync(Running.Stop));

        // The cookie reads the page; the admin API wants the token.
        using var api = new HttpRequestMessage(HttpMethod.Get, "/api/v1/devices");
        api.Headers.Add("Cookie", cookie.Split(';')[0]);
        using var unauthorized = await client.SendAsync(api, Running.Stop);
        Assert.Equal(HttpStatusCode.Unauthorized, unauthorized.StatusCode);

        string id = Assert.Single((await running.GetAsync("/tokens")).EnumerateArray(), t => t.GetProperty("name").GetString() == "first").GetProperty("id").GetString()!;
        using (await running.Admin.DeleteAsync($"/api/v1/tokens/{id}", Running.Stop))
        {
        }
        using var ended = new HttpRequestMessage(HttpMethod.Get, "/");
        ended.Headers.Add("Cookie", cookie.Split(';')[0]);
        using var signedOut = await client.SendAsync(ended, Running.Stop);
        Assert.Equal(HttpStatusCode.Redirect, signedOut.StatusCode);
    }

    [Fact]
    public async Task Events_tell_of_a_change_and_end_when_the_server_stops()
    {
        var running = await Running.StartAsync(s =>
        {
            s["database:kind"] = "memory";
            s["page:openForReading"] = "true";
        });
        using var client = running.Client(null);
        using var response = await client.GetAsync("/events", HttpCompletionOption.ResponseHeadersRead, Running.Stop);
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType!.MediaType);
        using var events = new StreamReader(await response.Content.ReadAsStreamAsync(Running.Stop));
        Assert.Equal(": hello", await events.ReadLineAsync(Running.Stop));
        Assert.Equal("", await events.ReadLineAsync(Running.Stop));
        var next = events.ReadLineAsync(Running.Stop);
        Assert.False(next.IsCompleted);
        Assert.Equal(0, (await Command.InitAsync(running, Path.Combine(running.Folder, "device"), "SN")).Code);
        Assert.Equal("data: changed", await next);
        await running.DisposeAsync();
        while (await events.ReadLineAsync(Running.Stop) is { } line)
            Assert.True(line is "" or "data: changed");
    }

    private static void AssertRefused(HttpResponseMessage response)
    {
        Assert.Equal(HttpStatusCode.Redirect, response.StatusCode);
        Assert.Equal("/login?wrong=1", response.Headers.Location!.ToString());
        Assert.DoesNotContain(Cookies(response), c => c.StartsWith("hatchery=", StringComparison.Ordinal));
    }

    /// <summary>As a browser: loads the form, sends it back with its cookie.</summary>
    private static async Task<HttpResponseMessage> SignInAsync(HttpClient client, string token)
    {
        using var form = await client.GetAsync("/login", Running.Stop);
        Assert.Equal(HttpStatusCode.OK, form.StatusCode);
        string html = await form.Content.ReadAsStringAsync(Running.Stop);
        var field = Antiforgery().Match(html);
        Assert.True(field.Success, html);
        var request = new HttpRequestMessage(HttpMethod.Post, "/sign-in") { Content = new FormUrlEncodedContent([new(field.Groups[1].Value, WebUtility.HtmlDecode(field.Groups[2].Value)), new("token", token)]) };
        request.Headers.Add("Cookie", string.Join("; ", Cookies(form).Select(c => c.Split(';')[0])));
        return await client.SendAsync(request, Running.Stop);
    }

    private static IEnumerable<string> Cookies(HttpResponseMessage response) => response.Headers.TryGetValues("Set-Cookie", out var values) ? values : [];

    [GeneratedRegex("<input type=\"hidden\" name=\"([^\"]+)\" value=\"([^\"]+)\"")]
    private static partial Regex Antiforgery();

    [GeneratedRegex("<script[^>]*>")]
    private static partial Regex Script();

    [GeneratedRegex("href=\"(/devices/[^\"]+)\"")]
    private static partial Regex DeviceLink();
}
