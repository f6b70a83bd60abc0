using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Product.Tests;

/// <summary>Samples in the READMEs of projects compile as they stand.</summary>
public sealed partial class SampleTests
{
    private const string Implicit = "global using System; global using System.Collections.Generic; global using System.IO; global using System.Linq; global using System.Net.Http; global using System.Threading; global using System.Threading.Tasks;";

    [Fact]
    public void Every_sample_compiles()
    {
        var root = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(root.FullName, "hatchery.slnx")))
            root = root.Parent ?? throw new InvalidOperationException("The sources are not here.");
        int compiled = 0;
        foreach (string file in Directory.EnumerateFiles(Path.Combine(root.FullName, "src"), "README.md", SearchOption.AllDirectories))
            foreach (Match block in Block().Matches(File.ReadAllText(file)))
            {
                var errors = Errors(block.Groups[1].Value);
                Assert.True(errors.Length == 0, $"{file}:\n{string.Join('\n', errors)}");
                compiled++;
            }
        Assert.True(compiled > 0);
    }

    [Fact]
    public void A_sample_that_does_not_compile_is_found() => Assert.NotEmpty(Errors("using Hatchery; Console.WriteLine(new DeviceOptions { Colour = 1 });"));

    private static string[] Errors(string code)
    {
        var references = ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator).Select(p => MetadataReference.CreateFromFile(p));
        var options = CSharpParseOptions.Default.WithLanguageVersion(LanguageVersion.Latest);
        return [.. CSharpCompilation.Create("Sample", [CSharpSyntaxTree.ParseText(Implicit, options), CSharpSyntaxTree.ParseText(code, options)], references,
                new CSharpCompilationOptions(OutputKind.ConsoleApplication, nullableContextOptions: NullableContextOptions.Enable))
            .GetDiagnostics(Running.Stop).Where(d => d.Severity >= DiagnosticSeverity.Warning && d.Id != "CS1701").Select(d => d.ToString())];
    }

    [GeneratedRegex("```csharp\r?\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Block();
}
