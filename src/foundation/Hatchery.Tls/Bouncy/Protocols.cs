using Org.BouncyCastle.Tls;

namespace Hatchery.Tls.Bouncy;

internal interface IAbortable
{
    /// <summary>Sends a fatal alert and is closed.</summary>
    void Abort(short alert, string sentence);
}

internal sealed class ClientProtocol : TlsClientProtocol, IAbortable
{
    public void Abort(short alert, string sentence) => HandleException(alert, sentence, null);
    protected override void HandleException(short alertDescription, string message, Exception? e) =>
        base.HandleException(Alerts.For(alertDescription, e), message, e);
}

internal sealed class ServerProtocol : TlsServerProtocol, IAbortable
{
    public void Abort(short alert, string sentence) => HandleException(alert, sentence, null);
    protected override void HandleException(short alertDescription, string message, Exception? e) =>
        base.HandleException(Alerts.For(alertDescription, e), message, e);
}

internal static class Alerts
{
    /// <summary>A message that ends too early is the peer's fault, which BouncyCastle calls internal_error.</summary>
    public static short For(short alert, Exception? cause) =>
        alert == AlertDescription.internal_error && cause is EndOfStreamException ? AlertDescription.decode_error : alert;
}
