using QRCoder;

namespace Hatchery.Server;

/// <summary>A text as a QR code.</summary>
public static class QrPicture
{
    /// <summary>For a terminal: two rows of modules in one line, dark on light whatever the terminal's colors.</summary>
    public static string Terminal(string text)
    {
        using var code = Make(text);
        var rows = code.ModuleMatrix;
        var lines = new System.Text.StringBuilder();
        for (int y = 0; y < rows.Count; y += 2)
        {
            lines.Append("\u001b[30;107m");
            for (int x = 0; x < rows[y].Length; x++)
                lines.Append((rows[y][x], y + 1 < rows.Count && rows[y + 1][x]) switch { (true, true) => '█', (true, false) => '▀', (false, true) => '▄', _ => ' ' });
            lines.Append("\u001b[0m\n");
        }
        return lines.ToString();
    }

    /// <summary>PNG, 8 pixels per module.</summary>
    public static byte[] Png(string text)
    {
        using var code = Make(text);
        using var png = new PngByteQRCode(code);
        return png.GetGraphic(8);
    }

    private static QRCodeData Make(string text) => QRCodeGenerator.GenerateQrCode(text, QRCodeGenerator.ECCLevel.M);
}
