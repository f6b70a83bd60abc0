namespace Hatchery.Est;

/// <summary>Table 1 of RFC 7030, section 3.2.2.</summary>
public enum EstOperation { CaCerts, SimpleEnroll, SimpleReenroll, FullCmc, ServerKeyGen, CsrAttrs }

public static class EstOperations
{
    private static readonly string[] s_names = ["cacerts", "simpleenroll", "simplereenroll", "fullcmc", "serverkeygen", "csrattrs"];

    /// <summary>The last segment of the path.</summary>
    public static string Name(this EstOperation operation) => s_names[(int)operation];

    /// <summary>GET, without a body; the others are POST.</summary>
    public static bool IsFetch(this EstOperation operation) => operation is EstOperation.CaCerts or EstOperation.CsrAttrs;

    /// <summary>Null: no operation.</summary>
    public static EstOperation? Of(ReadOnlySpan<char> name)
    {
        for (int i = 0; i < s_names.Length; i++)
            if (name.SequenceEqual(s_names[i]))
                return (EstOperation)i;
        return null;
    }

    internal static StepKind Request(this EstOperation operation) => operation switch
    {
        EstOperation.CaCerts => EstSteps.CaCertsRequest,
        EstOperation.SimpleEnroll => EstSteps.SimpleEnrollRequest,
        EstOperation.SimpleReenroll => EstSteps.SimpleReenrollRequest,
        EstOperation.FullCmc => EstSteps.FullCmcRequest,
        EstOperation.ServerKeyGen => EstSteps.ServerKeyGenRequest,
        _ => EstSteps.CsrAttrsRequest,
    };

    internal static StepKind Response(this EstOperation operation) => operation switch
    {
        EstOperation.CaCerts => EstSteps.CaCertsResponse,
        EstOperation.SimpleEnroll => EstSteps.SimpleEnrollResponse,
        EstOperation.SimpleReenroll => EstSteps.SimpleReenrollResponse,
        EstOperation.FullCmc => EstSteps.FullCmcResponse,
        EstOperation.ServerKeyGen => EstSteps.ServerKeyGenResponse,
        _ => EstSteps.CsrAttrsResponse,
    };
}
