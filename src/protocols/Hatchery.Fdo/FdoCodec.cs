namespace Hatchery.Fdo;

/// <summary>The door: the type number beside a body picks the parser. Throws only <see cref="FdoException"/>.</summary>
public static class FdoCodec
{
    /// <summary>Types 65 to 71 come back as <see cref="SealedMessage"/>.</summary>
    /// <exception cref="FdoException">100 for an unknown type and for a body that is none of its type.</exception>
    public static FdoMessage Parse(int type, ReadOnlyMemory<byte> body) => type switch
    {
        10 => AppStart.Parse(body),
        11 => SetCredentials.Parse(body),
        12 => SetHmac.Parse(body),
        13 => DiDone.Parse(body),
        20 => To0Hello.Parse(body),
        21 => To0HelloAck.Parse(body),
        22 => OwnerSign.Parse(body),
        23 => AcceptOwner.Parse(body),
        30 => HelloRV.Parse(body),
        31 => HelloRVAck.Parse(body),
        32 => ProveToRV.Parse(body),
        33 => RVRedirect.Parse(body),
        60 => HelloDevice.Parse(body),
        61 => ProveOVHdr.Parse(body),
        62 => GetOVNextEntry.Parse(body),
        63 => OVNextEntry.Parse(body),
        64 => ProveDevice.Parse(body),
        >= 65 and <= 71 => SealedMessage.Parse(type, body),
        ErrorMessage.MessageType => ErrorMessage.Parse(body),
        _ => throw new FdoException(FdoErrorCode.MessageBodyError, "message type", $"There is no message of type {type}."),
    };

    /// <summary>What is inside the encryption of 65 to 71.</summary>
    internal static FdoMessage ParseContent(int type, ReadOnlyMemory<byte> plain) => type switch
    {
        65 => SetupDevice.Parse(plain),
        66 => DeviceServiceInfoReady.Parse(plain),
        67 => OwnerServiceInfoReady.Parse(plain),
        68 => DeviceServiceInfo.Parse(plain),
        69 => OwnerServiceInfo.Parse(plain),
        70 => Done.Parse(plain),
        71 => Done2.Parse(plain),
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "Not sent encrypted."),
    };

    /// <summary>The body; the type beside it is <see cref="FdoMessage.Type"/>.</summary>
    public static ReadOnlyMemory<byte> Encode(IMessage message) =>
        message is FdoMessage known ? known.Raw : throw new ArgumentException($"{message.Kind.Name} is no message of FDO.", nameof(message));
}
