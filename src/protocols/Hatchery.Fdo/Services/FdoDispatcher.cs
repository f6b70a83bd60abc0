using System.Collections.Immutable;

namespace Hatchery.Fdo.Services;

/// <summary>The services of one listener as one: each message goes to the service that answers its type; an error message ends the conversation
/// that its token names.</summary>
public sealed class FdoDispatcher : IService
{
    private readonly FdoService?[] _byType = new FdoService?[256];
    private readonly ImmutableArray<FdoService> _services;

    public FdoDispatcher(params ReadOnlySpan<FdoService> services)
    {
        _services = [.. services];
        foreach (var service in services)
            foreach (int type in service.Types)
                _byType[type] = service;
    }

    /// <summary>The message types that are answered, in ascending order; 255 is taken besides.</summary>
    public ImmutableArray<int> Types => [.. Enumerable.Range(0, 256).Where(t => _byType[t] is not null)];

    public async ValueTask<Reply> HandleAsync(IMessage request, Caller caller, CancellationToken cancel)
    {
        var message = (FdoMessage)request;
        if (message is ErrorMessage)
        {
            if (caller.Token is { } token)
                foreach (var service in _services)
                    await service.AbandonAsync(token, cancel);
            return new Reply(null);
        }
        return _byType[message.Type] is { } handler ? await handler.HandleAsync(request, caller, cancel)
            : throw new FdoException(FdoErrorCode.MessageBodyError, "message type", $"{message.Kind} is not answered here.");
    }
}
