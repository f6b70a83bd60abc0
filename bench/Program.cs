using Hatchery.Bench.Coap;
using Hatchery.Bench.Fdo;

// The figures of docs/benchmarks.md. Whole-system figures are verbs of their own; everything else is BenchmarkDotNet's.
return args switch
{
    ["fdo-to2", .. var rest] => await To2Load.RunAsync(rest),
    ["fdo-to2-server", .. var rest] => await To2Server.RunAsync(rest),
    ["fdo-to2-devices", .. var rest] => await To2Devices.RunAsync(rest),
    ["coap", .. var rest] => await CoapLoad.RunAsync(rest),
    ["coap-server", var port] => await CoapLoad.ServeAsync(int.Parse(port, System.Globalization.CultureInfo.InvariantCulture)),
    ["est-enroll", .. var rest] => await Hatchery.Bench.Est.EnrollmentLoad.RunAsync(rest),
    ["dtls-figures", .. var rest] => Hatchery.Bench.Dtls.DtlsFigures.Run(rest),
    ["eapnoob", .. var rest] => await Hatchery.Bench.EapNoob.NoobLoad.RunAsync(rest),
    ["eapnoob-radius", .. var rest] => await Hatchery.Bench.EapNoob.NoobLoad.OverRadiusAsync(rest),
    ["eapnoob-server"] => await Hatchery.Bench.EapNoob.NoobLoad.ServeAsync(),
    ["fdo-suites", .. var rest] => await To2Suites.RunAsync(rest),
    ["fdo-memory", .. var rest] => await To2Suites.MemoryAsync(rest),
    ["fdo-download", .. var rest] => await DownloadSpeed.RunAsync(rest),
    ["radius", .. var rest] => await Hatchery.Bench.Radius.RadiusLoad.RunAsync(rest),
    _ => BenchmarkDotNet.Running.BenchmarkSwitcher.FromAssembly(System.Reflection.Assembly.GetExecutingAssembly()).Run(args).Any() ? 0 : 1,
};
