using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Hatchery.AspNetCore;

/// <summary>A role in somebody's container, under the type by which it is mapped.</summary>
internal sealed record RoleOf<T>(IHttpRole Role);

public static class HttpRoles
{
    /// <summary>Serves the roles wherever their paths are asked for, on every listener; other requests go on.</summary>
    public static IApplicationBuilder MapRoles(this IApplicationBuilder app, params IReadOnlyList<IHttpRole> roles) =>
        Use(app, roles, null, last: false, Options(app));

    /// <summary>Serves the roles of one listener of ours. Other paths on this listener are 404; requests on other listeners go on.</summary>
    public static IApplicationBuilder MapListener(this IApplicationBuilder app, string listener, IReadOnlyList<IHttpRole> roles, HttpRoleOptions? options = null) =>
        Use(app, roles, listener, last: true, options ?? Options(app));

    /// <summary>A role that the container makes; see <see cref="MapRole{TRole}"/>.</summary>
    public static IServiceCollection AddHttpRole<[System.Diagnostics.CodeAnalysis.DynamicallyAccessedMembers(System.Diagnostics.CodeAnalysis.DynamicallyAccessedMemberTypes.PublicConstructors)] TRole>(
        this IServiceCollection services) where TRole : class, IHttpRole
    {
        services.AddSingleton<TRole>();
        return services.AddSingleton(provider => new RoleOf<TRole>(provider.GetRequiredService<TRole>()));
    }

    /// <summary>With options, which the role takes as they are.</summary>
    public static IServiceCollection AddHttpRole<[System.Diagnostics.CodeAnalysis.DynamicallyAccessedMembers(System.Diagnostics.CodeAnalysis.DynamicallyAccessedMemberTypes.PublicConstructors)] TRole,
        [System.Diagnostics.CodeAnalysis.DynamicallyAccessedMembers(System.Diagnostics.CodeAnalysis.DynamicallyAccessedMemberTypes.PublicParameterlessConstructor)] TOptions>(
        this IServiceCollection services, Action<TOptions> configure) where TRole : class, IHttpRole where TOptions : class
    {
        services.AddOptions<TOptions>().Configure(configure);
        services.AddSingleton(provider => provider.GetRequiredService<IOptions<TOptions>>().Value);
        return services.AddHttpRole<TRole>();
    }

    /// <summary>A role that the caller makes, under the type by which it is mapped (a service, with its driver and binding around it).</summary>
    public static IServiceCollection AddHttpRole<TRole>(this IServiceCollection services, Func<IServiceProvider, IHttpRole> make) =>
        services.AddSingleton(provider => new RoleOf<TRole>(make(provider)));

    /// <summary>Serves a role that was added to the container, on every listener; other requests go on.</summary>
    public static IApplicationBuilder MapRole<TRole>(this IApplicationBuilder app) =>
        app.MapRoles(app.ApplicationServices.GetRequiredService<RoleOf<TRole>>().Role);

    private static HttpRoleOptions Options(IApplicationBuilder app) => app.ApplicationServices.GetService<HttpRoleOptions>() ?? new();

    private static IApplicationBuilder Use(IApplicationBuilder app, IReadOnlyList<IHttpRole> roles, string? listener, bool last, HttpRoleOptions options)
    {
        var table = new RoleTable(roles);
        return app.Use(next => new RoleMiddleware(table, listener, last, options, next).InvokeAsync);
    }
}
