using System.CommandLine;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Hatchery.Cli.Output;
using Hatchery.Cryptography;
using Hatchery.Fdo;
using Hatchery.Fdo.Device;
using Hatchery.Fdo.Device.Modules;
using Hatchery.Fdo.Transport;
using Hatchery.Transports;

namespace Hatchery.Cli.Verbs;

/// <summary>hatchery fdo device …: a device whose credential is in a folder. It is a real one as far as any server can tell.</summary>
internal static class FdoDeviceVerbs
{
    private static readonly Option<DirectoryInfo> s_state = new("--state")
    {
        Description = "The device: a folder with its credential and what it received.",
        DefaultValueFactory = _ => new DirectoryInfo("fdo-device"),
    };

    public static Command Make() => new("device", "A device: initialize it in a factory, let it find its owner, look into it, reset it.") { Init(), Onboard(), Use(), Show(), Reset() };

    private static Command Init()
    {
        var manufacturer = new Option<string>("--manufacturer") { Description = "The manufacturing server, http://HOST:PORT", Required = true };
        var serial = new Option<string>("--serial") { Description = "Serial number.", DefaultValueFactory = _ => "SN-" + Convert.ToHexString(RandomNumberGenerator.GetBytes(4)) };
        var model = new Option<string>("--model") { Description = "Model, which becomes the voucher's DeviceInfo.", DefaultValueFactory = _ => "hatchery" };
        var curve = new Option<string>("--curve") { Description = "The attestation key: p256, p384, rsa2048 or rsa3072.", DefaultValueFactory = _ => "p256" };
        curve.AcceptOnlyFromAmong("p256", "p384", "rsa2048", "rsa3072");
        var wished = new Option<string?>("--manufacturer-key") { Description = "Type wished of the manufacturer's key: p256, p384, rsa2048restr, rsapkcs or rsapss; by default that of the attestation key." };
        wished.AcceptOnlyFromAmong("p256", "p384", "rsa2048restr", "rsapkcs", "rsapss");
        var encoding = new Option<string>("--encoding") { Description = "How the manufacturer's key shall be encoded: x509, x5chain or cose.", DefaultValueFactory = _ => "x509" };
        encoding.AcceptOnlyFromAmong("x509", "x5chain", "cose");
        var run = new DeviceRun();
        var command = new Command("init", "DI: becomes a device of a manufacturer, with a new key pair.") { s_state, manufacturer, serial, model, curve, wished, encoding };
        run.AddTo(command);
        command.SetAction(async (result, cancel) =>
        {
            var to = Destinations.From(result.GetRequiredValue(manufacturer), FdoPlayers.Manufacturer);
            using var device = DeviceDirectory.Open(result.GetRequiredValue(s_state));
            if (device.File.Load() is { IsInitialized: true } old)
                throw new CommandException($"{device.Path} holds device {old.Guid} already. Take another folder, or remove this one.");
            string sn = result.GetRequiredValue(serial);
            var (key, spki, csr) = FdoKeys.NewDeviceKey(result.GetRequiredValue(curve), sn);
            var party = new DeviceInitializer(to, key, spki, csr, result.GetValue(wished) is { } type ? FdoKeys.TypeOf(type) : FdoPublicKey.TypeOf(spki)!.Value,
                result.GetValue(encoding) switch { "x5chain" => PublicKeyEncoding.X5Chain, "cose" => PublicKeyEncoding.CoseKey, _ => PublicKeyEncoding.X509 },
                sn, result.GetRequiredValue(model), new SystemChance());
            return await run.RunAsync(result, device, party, cancel);
        });
        return command;
    }

    private static Command Onboard()
    {
        var rounds = new Option<int?>("--rounds") { Description = "How often to go through all directives before giving up; by default for ever." };
        var suites = new FdoSuiteOptions();
        var modules = new FdoModuleOptions();
        var size = new Option<ushort>("--max-service-info") { Description = "Bytes of ServiceInfo that the device takes in one message.", DefaultValueFactory = _ => 1300 };
        var manufacturer = new Option<bool>("--manufacturer-may-own") { Description = "Take a voucher without entries." };
        var run = new DeviceRun();
        var command = new Command("onboard", "TO1 and TO2: finds the owner and is onboarded by it. Files that the owner sends land in STATE/files.") { s_state, rounds, size, manufacturer };
        suites.AddTo(command);
        modules.AddTo(command);
        run.AddTo(command);
        command.SetAction(async (result, cancel) =>
        {
            using var device = DeviceDirectory.Open(result.GetRequiredValue(s_state));
            var credential = device.Credential();
            var options = new DeviceOptions
            {
                Facts = new DeviceFacts("Linux", RuntimeInformation.OSArchitecture.ToString().ToLowerInvariant(), Environment.OSVersion.VersionString, credential.DeviceInfo, credential.SerialNumber),
                Modules = modules.Names(result),
                Rounds = result.GetValue(rounds),
                MaxServiceInfo = result.GetValue(size),
                ManufacturerMayOwn = result.GetValue(manufacturer),
                Cipher = suites.Cipher(result),
                KeyExchange = suites.KeyExchange(result),
                EncryptThenMac = suites.Profile(result),
                AcceptCredentialReuse = suites.AcceptReuse(result),
            };
            run.Modules = modules;
            using var party = new OnboardingDevice(credential, options, new RendezvousAbilities(Server.FdoCarriers.Schemes), new SystemChance());
            return await run.RunAsync(result, device, party, cancel);
        });
        return command;
    }

    private static Command Use()
    {
        var run = new DeviceRun();
        var command = new Command("use", "Uses what the owner delivered, against the owner's service: proves that the device was onboarded.") { s_state };
        run.AddTo(command);
        command.SetAction(async (result, cancel) =>
        {
            using var device = DeviceDirectory.Open(result.GetRequiredValue(s_state));
            return await run.RunAsync(result, device, new ServiceUser(device.Credential()), cancel);
        });
        return command;
    }

    private static Command Show()
    {
        var json = Out.JsonOption();
        var command = new Command("show", "Says what the device believes. Secrets are not shown.") { s_state, json };
        command.SetAction(result =>
        {
            using var device = DeviceDirectory.Open(result.GetRequiredValue(s_state));
            var credential = device.Credential();
            var beliefs = DeviceCredential.Schema.Project(credential, device.WitnessKey, item => device.File.Origins.GetValueOrDefault(item, Origin.Factory));
            if (result.GetValue(json))
                Out.Json(j =>
                {
                    j.WriteString("guid", credential.Guid);
                    j.WriteBoolean("active", credential.Active);
                    j.WriteString("serial", credential.SerialNumber);
                    BeliefText.Write(j, "beliefs", beliefs);
                });
            else
            {
                Console.WriteLine($"GUID {credential.Guid}, serial {credential.SerialNumber}, {(credential.Active ? "waits to be onboarded" : "onboarded")}");
                Console.Write(BeliefText.Table(beliefs));
            }
            return 0;
        });
        return command;
    }

    private static Command Reset()
    {
        var command = new Command("reset", "Factory reset: keeps the credential, forgets what ServiceInfo brought, and waits for an owner again.") { s_state };
        command.SetAction(result =>
        {
            using var device = DeviceDirectory.Open(result.GetRequiredValue(s_state));
            device.File.Save(DeviceCredential.Schema.Reset(device.Credential()) with { Active = true }, device.File.Origins);
            Console.WriteLine("The device waits for its owner again.");
            return 0;
        });
        return command;
    }
}
