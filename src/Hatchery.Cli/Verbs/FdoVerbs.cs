using System.CommandLine;

namespace Hatchery.Cli.Verbs;

/// <summary>hatchery fdo …: FIDO Device Onboard, both sides.</summary>
internal static class FdoVerbs
{
    public static Command Make() => new("fdo", "FIDO Device Onboard: a device to test servers with, vouchers, and what an operator does with them.")
    {
        FdoDeviceVerbs.Make(),
        FdoVoucherVerbs.Make(),
        FdoKeyVerbs.Make(),
        FdoServerVerbs.Make(),
    };
}
