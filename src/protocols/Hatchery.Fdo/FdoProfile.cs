namespace Hatchery.Fdo;
public static class FdoProfile { public static readonly Protocol Protocol = new("fdo", "FIDO Device Onboard", [], [], FdoSteps.All, [], []); }
