namespace Hatchery.EapNoob;

/// <summary>What NoobId is the hash of; RFC 9140 §3.3.2 writes H("NoobId", Noob) and leaves the form open.</summary>
public enum NoobIdForm
{
    /// <summary>["NoobId","…"]: as the inputs of all other hashes.</summary>
    JsonArray,
    /// <summary>NoobId…</summary>
    Concat,
    /// <summary>["NoobId",…], the value without quotes.</summary>
    JsonUnquoted,
}

/// <summary>What stands as element 10, NAI, of the input of Hoob and MACs.</summary>
public enum NaiElement
{
    /// <summary>RFC 9140 §3.3.2: NewNAI where one was sent, else the NAI in use.</summary>
    Nai,
    /// <summary>Its realm alone.</summary>
    Realm,
    /// <summary>NewNAI where one was sent in the Initial Exchange, else the empty string.</summary>
    NewNaiOnly,
}

/// <summary>A form of the protocol that is found in the field. The RFC's is the default; the others are for devices and servers that cannot be changed.</summary>
public sealed record NoobVariant(string Name)
{
    /// <summary>RFC 9140 as all its implementations read it.</summary>
    public static readonly NoobVariant Rfc9140 = new("rfc9140");
    /// <summary>With the length byte in front of SuppPrivInfo that the letter of RFC 9140 §3.5 asks for.</summary>
    public static readonly NoobVariant Rfc9140Literal = new("rfc9140-literal") { Datalength = true };
    /// <summary>The example messages in drafts 03 to 05.</summary>
    public static readonly NoobVariant DraftExamples = new("draft-examples") { NaiElement = NaiElement.NewNaiOnly, NoobIdForm = NoobIdForm.Concat };
    /// <summary>Forks of hostap and wpa_supplicant after draft 02.</summary>
    public static readonly NoobVariant LegacyDraft02 = new("legacy-draft02")
    {
        NaiElement = NaiElement.Realm,
        NoobIdForm = NoobIdForm.Concat,
        RealmMember = true,
        X25519KeyType = "EC",
        TrailingNul = true,
        ReplacesKz = true,
        AlwaysSendsInfo = true,
    };

    public static IReadOnlyList<NoobVariant> All { get; } = [Rfc9140, Rfc9140Literal, DraftExamples, LegacyDraft02];

    public NaiElement NaiElement { get; init; }
    /// <summary>The form that we send first; all are recognized.</summary>
    public NoobIdForm NoobIdForm { get; init; }
    /// <summary>SuppPrivInfo has a length byte in front. Whoever verifies tries the other way too and remembers what was right.</summary>
    public bool Datalength { get; init; }
    /// <summary>The member NewNAI is called Realm and holds a realm; empty means <see cref="DefaultRealm"/>.</summary>
    public bool RealmMember { get; init; }
    public string DefaultRealm { get; init; } = "eap-noob.net";
    /// <summary>"kty" of an X25519 key. Any is accepted but in the RFC's form.</summary>
    public string X25519KeyType { get; init; } = "OKP";
    /// <summary>A NUL stands behind the server's texts and is no part of what is hashed; from a peer it may come or not.</summary>
    public bool TrailingNul { get; init; }
    /// <summary>Kz is replaced by bytes 288 to 319 of the KDF's output after every Reconnect Exchange, not only in KeyingMode 3.</summary>
    public bool ReplacesKz { get; init; }
    /// <summary>ServerInfo and PeerInfo go with every Reconnect Exchange, changed or not.</summary>
    public bool AlwaysSendsInfo { get; init; }
}
