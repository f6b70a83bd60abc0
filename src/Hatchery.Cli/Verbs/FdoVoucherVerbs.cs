using System.CommandLine;
using Hatchery.Cli.Output;
using Hatchery.Cryptography;
using Hatchery.Fdo;

namespace Hatchery.Cli.Verbs;

/// <summary>hatchery fdo voucher …: ownership vouchers as files, without a server.</summary>
internal static class FdoVoucherVerbs
{
    public static Command Make() => new("voucher", "Ownership vouchers as files: look into them, verify them, sign them over.") { Show(), Verify(), Extend() };

    private static Argument<FileInfo> FileArgument() => new("FILE") { Description = "A voucher: PEM (OWNERSHIP VOUCHER) or CBOR." };

    private static Command Show()
    {
        var file = FileArgument();
        var json = Out.JsonOption();
        var command = new Command("show", "Says what a voucher contains.") { file, json };
        command.SetAction(result =>
        {
            var voucher = Read(result.GetRequiredValue(file));
            var plan = RendezvousInterpreter.ForDevice(voucher.Header.RendezvousInfo, new RendezvousAbilities(["https", "http", "tls", "tcp"]));
            if (result.GetValue(json))
                Out.Json(j =>
                {
                    j.WriteString("guid", voucher.Guid);
                    j.WriteString("deviceInfo", voucher.Header.DeviceInfo);
                    j.WriteString("manufacturer", voucher.Header.PublicKey.Fingerprint);
                    j.WriteString("owner", voucher.Owner.Fingerprint);
                    j.WriteNumber("entries", voucher.Entries.Length);
                    j.WriteNumber("certificates", voucher.DevCertChain.Length);
                    j.WriteStartArray("rendezvous");
                    foreach (var attempt in plan.Attempts)
                        foreach (var target in attempt.Targets)
                            j.WriteStringValue($"{target.Scheme}://{target.Host}:{target.Port}{(attempt.Bypass ? ";bypass" : "")}");
                    j.WriteEndArray();
                });
            else
            {
                Console.WriteLine($"GUID          {voucher.Guid}");
                Console.WriteLine($"device        {voucher.Header.DeviceInfo}");
                Console.WriteLine($"manufacturer  {voucher.Header.PublicKey}");
                for (int i = 0; i < voucher.Entries.Length; i++)
                    Console.WriteLine($"entry {i,-7} {voucher.Entries[i].PublicKey}");
                foreach (var attempt in plan.Attempts)
                    Console.WriteLine($"directive {attempt.Directive,-3} {string.Join(", ", attempt.Targets.Select(t => $"{t.Scheme}://{t.Host}:{t.Port}"))}{(attempt.Bypass ? " (the owner itself)" : "")}"
                        + (attempt.Delay is { } delay ? $", then wait {delay.TotalSeconds} s" : ""));
                foreach (var (directive, why) in plan.Skipped)
                    Console.WriteLine($"directive {directive,-3} skipped: {why}");
            }
            return 0;
        });
        return command;
    }

    private static Command Verify()
    {
        var file = FileArgument();
        var owner = new Option<FileInfo?>("--owner") { Description = "The last owner's key must be this one (PEM)." };
        var allowNone = new Option<bool>("--allow-no-entries") { Description = "Take a voucher that nobody extended yet." };
        var json = Out.JsonOption();
        var command = new Command("verify", "Checks a voucher and says of each check how it ended. Exit code 0 only if all are right.") { file, owner, allowNone, json };
        command.SetAction(result =>
        {
            var policy = new VoucherPolicy
            {
                AllowNoEntries = result.GetValue(allowNone),
                Owner = result.GetValue(owner) is { } path ? KeyFiles.ReadPublic(path.FullName) : null,
            };
            var diagnosis = VoucherVerifier.Verify(Read(result.GetRequiredValue(file)), policy);
            if (result.GetValue(json))
                Out.Json(j =>
                {
                    j.WriteBoolean("valid", diagnosis.IsValid);
                    j.WriteStartArray("findings");
                    foreach (var finding in diagnosis.Findings)
                    {
                        j.WriteStartObject();
                        j.WriteString("check", finding.Check.ToString());
                        if (finding.Entry is { } entry)
                            j.WriteNumber("entry", entry);
                        j.WriteBoolean("passed", finding.Passed);
                        j.WriteString("sentence", finding.Sentence);
                        j.WriteEndObject();
                    }
                    j.WriteEndArray();
                });
            else
            {
                foreach (var finding in diagnosis.Findings)
                    Console.WriteLine($"{(finding.Passed ? "ok   " : "WRONG")} {(finding.Entry is { } n ? $"entry {n} " : "")}{finding.Check}: {finding.Sentence}");
                Console.WriteLine(diagnosis.IsValid ? "The voucher is right." : "The voucher is not to be trusted.");
            }
            return diagnosis.IsValid ? 0 : 1;
        });
        return command;
    }

    private static Command Extend()
    {
        var file = FileArgument();
        var key = new Option<FileInfo>("--key") { Description = "Private key of the present owner (PEM).", Required = true };
        var to = new Option<FileInfo>("--to") { Description = "Public key, or certificate chain, of the next owner (PEM).", Required = true };
        var output = new Option<FileInfo>("--out") { Description = "Where the extended voucher goes (PEM).", Required = true };
        var command = new Command("extend", "Signs a voucher over to the next owner. Nothing remembers that you did: a server's ledger does.") { file, key, to, output };
        command.SetAction(result =>
        {
            var voucher = Read(result.GetRequiredValue(file));
            var type = voucher.Owner.Type;
            using var owner = KeyFiles.ReadPrivate(result.GetRequiredValue(key).FullName, voucher.Owner.IsElliptic ? null : type);
            var extended = VoucherExtension.Extend(voucher, owner, KeyFiles.ReadPublic(result.GetRequiredValue(to).FullName), new SystemChance());
            File.WriteAllText(result.GetRequiredValue(output).FullName, VoucherFile.ToPem(extended));
            Console.WriteLine($"{extended.Guid} now belongs to {extended.Owner}.");
            return 0;
        });
        return command;
    }

    private static OwnershipVoucher Read(FileInfo file) => VoucherFile.Read(File.ReadAllBytes(file.FullName), out _);
}
