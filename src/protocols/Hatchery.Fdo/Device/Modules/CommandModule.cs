using System.Collections.Immutable;
using Hatchery.Cryptography.Cose;

namespace Hatchery.Fdo.Device.Modules;

/// <summary>fdo.command, the device's side: runs one program at a time for its owner. A device that has this module gives its owner whatever the
/// <see cref="IDeviceCommands"/> behind it allows, so none has it unless told.</summary>
public sealed class CommandModule(IDeviceCommands commands) : IDeviceModule, IDisposable
{
    private const int MaxArguments = 256;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(1);

    private IDeviceCommand? _running;
    private string? _command;
    private ImmutableArray<string> _arguments = [];
    private bool _mayFail, _output, _error;

    public string Name => "fdo.command";
    public bool IsBusy => _running is not null;

    public void Begin() => Forget();

    public ValueTask ReceiveAsync(string message, ReadOnlyMemory<byte> value, ModuleReplies replies, CancellationToken cancel)
    {
        var reader = new BoundedCborReader(value, FdoException.Content);
        switch (message)
        {
            case "command":
                if (_running is not null)
                    throw FdoException.Invalid("fdo.command:command", "another command runs.");
                Forget();
                _command = reader.Text("fdo.command:command");
                break;
            case "args":
                // The array stands in a byte string; some peers send it bare.
                _arguments = Arguments(reader.IsBytes("fdo.command:args") ? new BoundedCborReader(reader.Bytes("fdo.command:args"), FdoException.Content) : reader);
                break;
            case "may_fail":
                _mayFail = reader.Bool("fdo.command:may_fail");
                break;
            case "return_stdout":
                _output = reader.Bool("fdo.command:return_stdout");
                break;
            case "return_stderr":
                _error = reader.Bool("fdo.command:return_stderr");
                break;
            case "execute":
                Execute(replies);
                break;
            case "sig":
                _running?.Signal((int)reader.Integer("fdo.command:sig", 1, 64));
                break;
        }
        return default;
    }

    private static ImmutableArray<string> Arguments(BoundedCborReader reader)
    {
        const string Field = "fdo.command:args";
        var arguments = ImmutableArray.CreateBuilder<string>();
        reader.StartArray(Field);
        while (reader.More(Field))
        {
            if (arguments.Count == MaxArguments)
                throw FdoException.Invalid(Field, $"more than {MaxArguments}.");
            arguments.Add(reader.Text(Field));
        }
        reader.EndArray(Field);
        return arguments.ToImmutable();
    }

    private void Execute(ModuleReplies replies)
    {
        if (_command is null || _running is not null)
            throw FdoException.Invalid("fdo.command:execute", _command is null ? "there is no command." : "another command runs.");
        try
        {
            _running = commands.Start(_command, _arguments);
        }
        catch (DeviceCommandException e)
        {
            if (!_mayFail)
                throw FdoException.Invalid("fdo.command:execute", e.Message, e);
            // As a shell reports a command that it cannot run.
            replies.AddNumber("exitcode", 127);
            Forget();
        }
    }

    public async ValueTask PollAsync(ModuleReplies replies, CancellationToken cancel)
    {
        if (_running is null)
            return;
        var read = await _running.ReadAsync(s_patience, cancel);
        if (_output && !read.StandardOutput.IsEmpty)
            replies.AddChunks("stdout", read.StandardOutput.Span);
        if (_error && !read.StandardError.IsEmpty)
            replies.AddChunks("stderr", read.StandardError.Span);
        if (read.ExitCode is not { } code)
            return;
        bool failed = code != 0 && !_mayFail;
        string command = _command!;
        Forget();
        if (failed)
            throw FdoException.Invalid("fdo.command:exitcode", $"{command} ended with {code}, which it may not.");
        replies.AddNumber("exitcode", code);
    }

    private void Forget()
    {
        _running?.Dispose();
        (_running, _command, _arguments, _mayFail, _output, _error) = (null, null, [], false, false, false);
    }

    public void Dispose() => Forget();
}
