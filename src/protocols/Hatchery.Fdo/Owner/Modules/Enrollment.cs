using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Hatchery.Cryptography.Cose;
using Hatchery.Pki;

namespace Hatchery.Fdo.Owner.Modules;

/// <summary>Errors of fdo.csr.</summary>
public enum CsrError { BadRequest = 1, Unauthorized = 2, NotSupported = 3, RateExceeded = 4, UnsupportedFormat = 5 }

/// <summary>Whoever certifies devices for fdo.csr: a certificate authority here, or a registration authority of EST behind.</summary>
public interface IDeviceEnrollment
{
    /// <summary>DER, the issuer of the device certificates first.</summary>
    ImmutableArray<ReadOnlyMemory<byte>> CaCertificates { get; }

    /// <summary>A certificate (DER) for the request, whose signature was verified; or an error.</summary>
    /// <param name="again">The device has one already (simplereenroll).</param>
    ValueTask<(ReadOnlyMemory<byte> Certificate, CsrError? Error)> EnrollAsync(Pkcs10 request, bool again, ModuleContext context, CancellationToken cancel);
}

/// <summary>Certifies devices by a certificate authority of ours. The subject is the serial number that the device's own certificate attests, or else the new
/// GUID: a device does not choose its name.</summary>
public sealed class CaEnrollment(CertificateAuthority authority, TimeSpan life) : IDeviceEnrollment
{
    public ImmutableArray<ReadOnlyMemory<byte>> CaCertificates => authority.Chain;

    public ValueTask<(ReadOnlyMemory<byte> Certificate, CsrError? Error)> EnrollAsync(Pkcs10 request, bool again, ModuleContext context, CancellationToken cancel)
    {
        string name = context.Serial.Length > 0 ? context.Serial : context.NewGuid.ToString("N");
        return new((authority.Issue(request, CertificateProfile.Device(name), context.Now, life, context.Chance), null));
    }
}

/// <summary>fdo.csr, the owner's side: answers the device's requests for certificates; done when one was given or refused.</summary>
/// <param name="serverKeyGen">Make key pairs for devices that ask for one.</param>
public sealed class CertificateSigning(IDeviceEnrollment enrollment, bool serverKeyGen = false) : OwnerModule
{
    private const int Announce = 0, Serving = 1, Given = 2;
    private const int CertsOnlyType = 281, PkixCertType = 287, MaxAnswer = 1 << 16;

    public override string Name => "fdo.csr";
    public override string Describe() => "certificate signing";

    /// <summary>The answer to be sent lies in the memory: key, a zero byte, value.</summary>
    public override ModuleCursor Produce(ModuleCursor cursor, ServiceInfoBudget room, out bool more)
    {
        more = false;
        if (cursor.Phase == Announce)
        {
            if (!room.TryAdd("fdo.csr:active", ServiceInfoValue.True))
                throw new FdoException(FdoErrorCode.InternalServerError, "fdo.csr:active", "does not fit a message.");
            return new ModuleCursor(Serving, 0, 0) { Memory = new ModuleMemory(MaxAnswer) };
        }
        var waiting = cursor.Memory!.First.Span[(int)cursor.Offset..];
        while (!waiting.IsEmpty)
        {
            int zero = waiting.IndexOf((byte)0), length = System.Buffers.Binary.BinaryPrimitives.ReadInt32BigEndian(waiting[(zero + 1)..]);
            string key = System.Text.Encoding.ASCII.GetString(waiting[..zero]);
            var value = waiting.Slice(zero + 5, length);
            if (!room.TryAdd(key, value.ToArray()))
            {
                // Split over messages where it fits none: the receiver joins what has one key.
                int part = room.RoomForValue(key);
                more = true;
                if (part < 64)
                    return cursor;
                room.TryAdd(key, value[..part].ToArray());
                return cursor with { Memory = Rest(cursor, zero + 5 + part, key, value[part..]), Offset = 0 };
            }
            cursor = cursor with { Offset = cursor.Offset + zero + 5 + length };
            waiting = waiting[(zero + 5 + length)..];
        }
        return cursor.Phase == Given ? cursor.Finish() : cursor;
    }

    private static ModuleMemory Rest(ModuleCursor cursor, int taken, string key, ReadOnlySpan<byte> value)
    {
        var rest = new ModuleMemory(MaxAnswer);
        Put(rest, key, value);
        rest.AddFirst(cursor.Memory!.First.Span[((int)cursor.Offset + taken + value.Length)..], key);
        return rest;
    }

    private static void Put(ModuleMemory memory, string key, ReadOnlySpan<byte> value)
    {
        Span<byte> length = stackalloc byte[4];
        System.Buffers.Binary.BinaryPrimitives.WriteInt32BigEndian(length, value.Length);
        memory.AddFirst([.. System.Text.Encoding.ASCII.GetBytes(key), 0, .. length], key);
        memory.AddFirst(value, key);
    }

    public override async ValueTask<ModuleCursor> ReceiveAsync(ModuleCursor cursor, string message, ReadOnlyMemory<byte> value, ModuleContext context, CancellationToken cancel)
    {
        string field = "fdo.csr:" + message;
        var reader = new BoundedCborReader(value, FdoException.Content);
        if (message == "active")
            return reader.Bool(field) ? cursor : ModuleCursor.End;
        if (cursor.Phase != Serving)
            return cursor;
        switch (message)
        {
            case "cacerts-req":
                long type = reader.Integer(field, 0, ushort.MaxValue);
                if (type == CertsOnlyType)
                    Put(cursor.Memory!, "fdo.csr:cacerts-res", ServiceInfoValue.Text(CertsOnly.Encode(enrollment.CaCertificates)));
                else if (type == PkixCertType)
                    Put(cursor.Memory!, "fdo.csr:cacerts-res", ServiceInfoValue.Text(Convert.ToBase64String(enrollment.CaCertificates[0].Span)));
                else
                    return Refuse(cursor, CsrError.UnsupportedFormat);
                return cursor;
            case "csrattrs-req":
                // No attributes are asked for: an empty CsrAttrs (RFC 7030 section 4.5.2).
                Put(cursor.Memory!, "fdo.csr:csrattrs-res", ServiceInfoValue.Text(Convert.ToBase64String([0x30, 0])));
                return cursor;
            case "simpleenroll-req" or "simplereenroll-req":
                return await EnrollAsync(cursor, Request(reader.Text(field), field), message == "simplereenroll-req", context, cancel);
            case "serverkeygen-req":
                return serverKeyGen ? await GenerateAsync(cursor, Request(reader.Text(field), field), context, cancel) : Refuse(cursor, CsrError.NotSupported);
            default:
                return cursor;
        }
    }

    private async ValueTask<ModuleCursor> EnrollAsync(ModuleCursor cursor, Pkcs10? request, bool again, ModuleContext context, CancellationToken cancel)
    {
        if (request is null)
            return Refuse(cursor, CsrError.BadRequest);
        var (certificate, error) = await enrollment.EnrollAsync(request, again, context, cancel);
        if (error is { } refused)
            return Refuse(cursor, refused);
        Put(cursor.Memory!, again ? "fdo.csr:simplereenroll-res" : "fdo.csr:simpleenroll-res", ServiceInfoValue.Text(Convert.ToBase64String(certificate.Span)));
        return cursor with { Phase = Given };
    }

    private async ValueTask<ModuleCursor> GenerateAsync(ModuleCursor cursor, Pkcs10? wish, ModuleContext context, CancellationToken cancel)
    {
        if (wish is null)
            return Refuse(cursor, CsrError.BadRequest);
        bool isLarge = FdoPublicKey.TypeOf(wish.SubjectPublicKeyInfo) == PublicKeyType.Secp384R1;
        using var key = context.Chance.NewSigningKey(isLarge ? ECCurve.NamedCurves.nistP384 : ECCurve.NamedCurves.nistP256, "fdo.csr.serverkeygen");
        var csr = new CertificateRequest(wish.Subject, context.Chance.Signer(key, "fdo.csr.serverkeygen"), isLarge ? HashAlgorithmName.SHA384 : HashAlgorithmName.SHA256).CreateSigningRequest();
        var (certificate, error) = await enrollment.EnrollAsync(Pkcs10.Parse(csr), false, context, cancel);
        if (error is { } refused)
            return Refuse(cursor, refused);
        var pkcs8 = key.ExportPkcs8PrivateKey();
        Put(cursor.Memory!, "fdo.csr:serverkeygen-res", ServiceInfoValue.Text(CertsOnly.Multipart(pkcs8, [certificate])));
        CryptographicOperations.ZeroMemory(pkcs8);
        return cursor with { Phase = Given };
    }

    private static ModuleCursor Refuse(ModuleCursor cursor, CsrError error)
    {
        Put(cursor.Memory!, "fdo.csr:error", ServiceInfoValue.Number((int)error));
        return cursor with { Phase = Given };
    }

    private static Pkcs10? Request(string text, string field)
    {
        try
        {
            return Pkcs10.Parse(CertsOnly.FromBase64(text, field));
        }
        catch (Exception e) when (e is PkiException or FdoException)
        {
            return null;
        }
    }
}
