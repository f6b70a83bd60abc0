using System.Formats.Cbor;

namespace Hatchery.Fdo;

/// <summary>255: [EMErrorCode, EMPrevMsgID, EMErrorStr, EMErrorTs, EMErrorCID]. Never encrypted, so it proves nothing: a receiver may only give up.</summary>
/// <param name="PreviousType">Type of the message that it answers.</param>
/// <param name="Timestamp">Seconds since 1970, UTC, as far as the sender's form could be read; null: none.</param>
/// <param name="CorrelationId">To be found in the logs of both sides.</param>
public sealed record ErrorMessage(int Code, int PreviousType, string Text, long? Timestamp, ulong? CorrelationId) : FdoMessage
{
    public const int MessageType = 255;
    private const int MaxText = 1024;

    public override StepKind Kind => FdoSteps.Error;

    public static ErrorMessage For(FdoException fault, int previousType, long? timestamp, ulong? correlationId) =>
        new((int)fault.Code, previousType, fault.Message, timestamp, correlationId);

    public static ErrorMessage Parse(ReadOnlyMemory<byte> body)
    {
        var reader = WireReading.Door(body, "Error");
        reader.StartArray("Error");
        int code = reader.UInt16("EMErrorCode"), previous = (int)reader.Integer("EMPrevMsgID", 0, 255);
        string text = reader.Text("EMErrorStr");
        long? time = null;
        if (!reader.TryNull("EMErrorTs"))
        {
            bool tagged = reader.TryTag("EMErrorTs", 1);
            if (reader.IsNumber("EMErrorTs"))
                time = reader.Integer("EMErrorTs");
            else if (!tagged && reader.TryTag("EMErrorTs", 0) && reader.IsText("EMErrorTs"))
                time = DateTimeOffset.TryParse(reader.Text("EMErrorTs"), System.Globalization.CultureInfo.InvariantCulture, System.Globalization.DateTimeStyles.AssumeUniversal, out var at)
                    ? at.ToUnixTimeSeconds() : null;
            else
                reader.Raw("EMErrorTs");
        }
        ulong? correlation = reader.TryNull("EMErrorCID") ? null : (ulong)reader.Integer("EMErrorCID", 0, long.MaxValue);
        reader.EndArray("Error");
        reader.End("Error");
        return new ErrorMessage(code, previous, text.Length <= MaxText ? text : text[..MaxText], time, correlation) { Received = body };
    }

    private protected override void Write(CborWriter writer)
    {
        writer.WriteStartArray(5);
        writer.WriteInt32(Code);
        writer.WriteInt32(PreviousType);
        writer.WriteTextString(Text);
        if (Timestamp is { } time)
            writer.WriteInt64(time);
        else
            writer.WriteNull();
        if (CorrelationId is { } id)
            writer.WriteUInt64(id);
        else
            writer.WriteNull();
        writer.WriteEndArray();
    }
}
