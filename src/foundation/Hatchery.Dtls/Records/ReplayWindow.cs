namespace Hatchery.Dtls;

/// <summary>The last 64 sequence numbers of one epoch (RFC 6347, section 4.1.2.6). Checked before decryption, marked after authentication.</summary>
internal struct ReplayWindow
{
    // Bit 0 is the highest number that was marked.
    private ulong _seen, _highest;

    public readonly bool IsNew(ulong sequence)
    {
        if (_seen == 0 || sequence > _highest)
            return true;
        ulong behind = _highest - sequence;
        return behind < 64 && (_seen >> (int)behind & 1) == 0;
    }

    /// <summary>Newer than everything marked.</summary>
    public readonly bool IsHighest(ulong sequence) => _seen == 0 || sequence > _highest;

    public void Mark(ulong sequence)
    {
        if (_seen == 0)
            (_seen, _highest) = (1, sequence);
        else if (sequence > _highest)
        {
            ulong ahead = sequence - _highest;
            _seen = ahead >= 64 ? 1 : _seen << (int)ahead | 1;
            _highest = sequence;
        }
        else if (_highest - sequence < 64)
            _seen |= 1UL << (int)(_highest - sequence);
    }
}
