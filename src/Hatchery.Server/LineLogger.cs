using Microsoft.Extensions.Logging;

namespace Hatchery.Server;

/// <summary>One short line per entry. Control characters in what a peer may have chosen are not passed on.</summary>
internal sealed class LineLogger(TextWriter output) : ILoggerProvider
{
    private readonly Lock _lock = new();

    public ILogger CreateLogger(string categoryName) => new Category(this);
    public void Dispose() { }

    private sealed class Category(LineLogger owner) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;
        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Information;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            owner.Write($"{logLevel.ToString().ToLowerInvariant()}: {formatter(state, exception)}{(exception is null ? "" : " | " + exception)}");
    }

    private void Write(string line)
    {
        lock (_lock)
            output.WriteLine(string.Concat(line.Select(c => char.IsControl(c) ? ' ' : c)));
    }
}
