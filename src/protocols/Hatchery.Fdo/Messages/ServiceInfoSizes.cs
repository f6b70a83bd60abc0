namespace Hatchery.Fdo;

/// <summary>How much ServiceInfo goes into one message.</summary>
internal static class ServiceInfoSizes
{
    /// <summary>What a side takes that does not say, and the least that one may say.</summary>
    public const int Smallest = 1300;

    /// <summary>What a message has besides its ServiceInfo, at most: the array, and the largest of the containers (AES-CBC in a COSE_Mac0 with SHA-384).</summary>
    public const int AroundMessage = 256;
}
