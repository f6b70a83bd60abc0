using System.Collections.Immutable;
using System.Reflection.Emit;
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;
using System.Runtime.CompilerServices;

namespace Hatchery.Tests;

/// <summary>The walls of docs/architecture.md, read from the compiled assemblies.</summary>
public sealed class WallTests
{
    private static readonly string[] s_product = ["Hatchery.Storage", "Hatchery.Server", "Hatchery.Lab", "Hatchery.Cli"];
    private static readonly (string From, string To)[] s_bridges =
        [("Hatchery.Brski", "Hatchery.Est"), ("Hatchery.Lwm2m", "Hatchery.Est"), ("Hatchery.MeshCop", "Hatchery.Brski")];
    /// <summary>Who may touch sockets, files, the clock and randomness. Cryptography holds SystemChance; AspNetCore runs Kestrel; Lab runs for real with --live.</summary>
    private static readonly string[] s_outside = ["Hatchery.Transports", "Hatchery.Coap.Sockets", "Hatchery.Storage", "Hatchery.Server", "Hatchery.Lab", "Hatchery.Cli", "Hatchery.AspNetCore"];
    private static readonly string[] s_deviceSides = ["Device"];
    private static readonly string[] s_infrastructureSides = ["Owner", "Rendezvous", "Manufacturer", "Server", "Registrar", "Masa", "Provisioner", "Configurator", "Commissioner", "JoinServer"];

    private static string Root([CallerFilePath] string here = "") => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "..", ".."));

    private static ImmutableArray<string> Projects(string folder) =>
        Directory.Exists(Path.Combine(Root(), "src", folder))
            ? [.. Directory.GetFiles(Path.Combine(Root(), "src", folder), "*.csproj", SearchOption.AllDirectories).Order()] : [];

    /// <summary>The assembly as built for this test run's configuration.</summary>
    private static string Assembly(string project)
    {
        string configuration = AppContext.BaseDirectory.Contains("/Release/", StringComparison.Ordinal) ? "Release" : "Debug";
        string path = Path.Combine(Path.GetDirectoryName(project)!, "bin", configuration, "net10.0", Path.GetFileNameWithoutExtension(project) + ".dll");
        Assert.True(File.Exists(path), $"{path} is not built; build the solution first.");
        return path;
    }

    [Fact]
    public void Every_project_is_in_the_solution()
    {
        string solution = File.ReadAllText(Path.Combine(Root(), "hatchery.slnx"));
        foreach (string folder in new[] { "src", "tests", "bench", "fuzz" })
            foreach (string project in Directory.GetFiles(Path.Combine(Root(), folder), "*.csproj", SearchOption.AllDirectories))
                Assert.Contains($"\"{Path.GetRelativePath(Root(), project)}\"", solution, StringComparison.Ordinal);
    }

    public static TheoryData<string> All() => [.. Projects("").Select(p => Path.GetRelativePath(Root(), p))];

    [Theory]
    [MemberData(nameof(All))]
    public void References_stay_within_the_walls(string project)
    {
        string name = Path.GetFileNameWithoutExtension(project);
        bool isProtocol = project.Contains("/protocols/", StringComparison.Ordinal);
        bool isFoundation = name == "Hatchery" || project.Contains("/foundation/", StringComparison.Ordinal);
        var protocols = Projects("protocols").Select(p => Path.GetFileNameWithoutExtension(p)!).ToHashSet();
        using var file = new PEReader(File.OpenRead(Assembly(Path.Combine(Root(), project))));
        var metadata = file.GetMetadataReader();
        foreach (var handle in metadata.AssemblyReferences)
        {
            string reference = metadata.GetString(metadata.GetAssemblyReference(handle).Name);
            if (name == "Hatchery")
                Assert.False(reference.StartsWith("Hatchery", StringComparison.Ordinal), $"{name} depends on {reference}");
            if (isFoundation)
                Assert.False(protocols.Contains(reference) || s_product.Contains(reference), $"{name} sees {reference}");
            if (isProtocol)
            {
                Assert.False(s_product.Contains(reference) || reference is "Hatchery.Transports" or "Hatchery.Coap.Sockets" or "Hatchery.Simulation" or "Hatchery.AspNetCore", $"{name} sees {reference}");
                Assert.True(!protocols.Contains(reference) || s_bridges.Contains((name, reference)), $"{name} sees {reference}");
            }
            if (name == "Hatchery.Storage")
                Assert.False(protocols.Contains(reference), $"{name} sees {reference}");
            if ((isFoundation || isProtocol) && name != "Hatchery.AspNetCore")
                Assert.False(reference.StartsWith("Microsoft.AspNetCore", StringComparison.Ordinal), $"{name} needs a web framework: {reference}");
        }
    }

    [Theory]
    [MemberData(nameof(All))]
    public void Only_the_outer_projects_touch_sockets_files_clock_and_randomness(string project)
    {
        string name = Path.GetFileNameWithoutExtension(project);
        if (s_outside.Contains(name))
            return;
        using var file = new PEReader(File.OpenRead(Assembly(Path.Combine(Root(), project))));
        var metadata = file.GetMetadataReader();
        foreach (var handle in metadata.TypeReferences)
        {
            var type = metadata.GetTypeReference(handle);
            string full = metadata.GetString(type.Namespace) + "." + metadata.GetString(type.Name);
            // AddressFamily only names the form of an address.
            bool allowed = (full == "System.Net.Sockets.AddressFamily" || !full.StartsWith("System.Net.Sockets.", StringComparison.Ordinal)) && !full.StartsWith("System.Net.Http.", StringComparison.Ordinal)
                && full is not ("System.IO.File" or "System.IO.FileStream" or "System.IO.Directory" or "System.Diagnostics.Stopwatch" or "System.Random" or "System.Threading.Timer");
            if (name != "Hatchery.Cryptography")
                allowed &= full != "System.Security.Cryptography.RandomNumberGenerator";
            Assert.True(allowed, $"{name} uses {full}");
        }
        foreach (var handle in metadata.MemberReferences)
        {
            var member = metadata.GetMemberReference(handle);
            if (member.Parent.Kind != HandleKind.TypeReference)
                continue;
            var type = metadata.GetTypeReference((TypeReferenceHandle)member.Parent);
            string full = metadata.GetString(type.Name) + "." + metadata.GetString(member.Name);
            Assert.True(full is not ("DateTime.get_UtcNow" or "DateTime.get_Now" or "DateTimeOffset.get_UtcNow" or "DateTimeOffset.get_Now" or "TimeProvider.get_System"
                or "Environment.get_TickCount64" or "Environment.get_TickCount" or "Guid.NewGuid"), $"{name} uses {full}");
        }
    }

    public static TheoryData<string> Protocols() => [.. Projects("protocols").Select(p => Path.GetRelativePath(Root(), p))];

    [Theory]
    [MemberData(nameof(Protocols))]
    public void Device_side_and_infrastructure_side_never_see_each_other(string project)
    {
        string name = Path.GetFileNameWithoutExtension(project);
        using var file = new PEReader(File.OpenRead(Assembly(Path.Combine(Root(), project))));
        var metadata = file.GetMetadataReader();
        bool Within(string ns, string[] rooms) => rooms.Any(r => ns == $"{name}.{r}" || ns.StartsWith($"{name}.{r}.", StringComparison.Ordinal));
        int scanned = 0;
        foreach (var typeHandle in metadata.TypeDefinitions)
        {
            string from = NamespaceOf(metadata, typeHandle);
            bool device = Within(from, s_deviceSides), infrastructure = Within(from, s_infrastructureSides);
            if (!device && !infrastructure)
                continue;
            foreach (var used in TypesUsed(file, metadata, typeHandle))
            {
                string to = NamespaceOf(metadata, used);
                Assert.False(device && Within(to, s_infrastructureSides), $"{from} sees {to}");
                Assert.False(infrastructure && Within(to, s_deviceSides), $"{from} sees {to}");
                scanned++;
            }
        }
        Assert.True(scanned > 0, $"{name} has no device or infrastructure side: are its rooms named as docs/architecture.md says?");
    }

    private static string NamespaceOf(MetadataReader metadata, TypeDefinitionHandle handle)
    {
        var type = metadata.GetTypeDefinition(handle);
        while (type.IsNested)
            type = metadata.GetTypeDefinition(type.GetDeclaringType());
        return metadata.GetString(type.Namespace);
    }

    /// <summary>The types of the same assembly that a type's code mentions: instructions are walked for tokens.</summary>
    private static HashSet<TypeDefinitionHandle> TypesUsed(PEReader file, MetadataReader metadata, TypeDefinitionHandle handle)
    {
        var used = new HashSet<TypeDefinitionHandle>();
        foreach (var methodHandle in metadata.GetTypeDefinition(handle).GetMethods())
        {
            var method = metadata.GetMethodDefinition(methodHandle);
            if (method.RelativeVirtualAddress == 0)
                continue;
            var il = file.GetMethodBody(method.RelativeVirtualAddress).GetILReader();
            while (il.RemainingBytes > 0)
            {
                int code = il.ReadByte();
                if (code == 0xfe)
                    code = 0xfe00 | il.ReadByte();
                var op = s_opcodes[code];
                switch (op.OperandType)
                {
                    case OperandType.InlineMethod or OperandType.InlineField or OperandType.InlineType or OperandType.InlineTok:
                        Add(MetadataTokens.EntityHandle(il.ReadInt32()));
                        break;
                    case OperandType.InlineSwitch:
                        int targets = il.ReadInt32();
                        il.Offset += 4 * targets;
                        break;
                    case OperandType.InlineI8 or OperandType.InlineR:
                        il.Offset += 8;
                        break;
                    case OperandType.InlineVar:
                        il.Offset += 2;
                        break;
                    case OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar:
                        il.Offset += 1;
                        break;
                    case OperandType.InlineNone:
                        break;
                    default:
                        il.Offset += 4;
                        break;
                }
            }
        }
        return used;

        void Add(EntityHandle token)
        {
            switch (token.Kind)
            {
                case HandleKind.TypeDefinition:
                    used.Add((TypeDefinitionHandle)token);
                    break;
                case HandleKind.MethodDefinition:
                    used.Add(metadata.GetMethodDefinition((MethodDefinitionHandle)token).GetDeclaringType());
                    break;
                case HandleKind.FieldDefinition:
                    used.Add(metadata.GetFieldDefinition((FieldDefinitionHandle)token).GetDeclaringType());
                    break;
                case HandleKind.MethodSpecification:
                    Add(metadata.GetMethodSpecification((MethodSpecificationHandle)token).Method);
                    break;
                case HandleKind.MemberReference when metadata.GetMemberReference((MemberReferenceHandle)token).Parent is { Kind: HandleKind.TypeDefinition } parent:
                    Add(parent);
                    break;
            }
        }
    }

    private static readonly Dictionary<int, OpCode> s_opcodes = typeof(OpCodes).GetFields().Select(f => (OpCode)f.GetValue(null)!).ToDictionary(o => (int)(ushort)o.Value);
}
