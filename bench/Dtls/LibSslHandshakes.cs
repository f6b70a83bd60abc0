using System.Diagnostics;
using System.Runtime.InteropServices;
using Hatchery.Dtls;

namespace Hatchery.Bench.Dtls;

/// <summary>The same handshakes by OpenSSL's libssl over memory BIOs, client and server in this process: what the ratio is against. The server's time is that of its own calls.</summary>
internal static unsafe partial class LibSslHandshakes
{
    private const string Ssl = "libssl.so.3", Crypto = "libcrypto.so.3";

    [LibraryImport(Ssl)] private static partial nint DTLS_server_method();
    [LibraryImport(Ssl)] private static partial nint DTLS_client_method();
    [LibraryImport(Ssl)] private static partial nint SSL_CTX_new(nint method);
    [LibraryImport(Ssl)] private static partial void SSL_CTX_free(nint context);
    [LibraryImport(Ssl, StringMarshalling = StringMarshalling.Utf8)] private static partial int SSL_CTX_set_cipher_list(nint context, string ciphers);
    [LibraryImport(Ssl)] private static partial long SSL_CTX_ctrl(nint context, int command, long value, nint pointer);
    [LibraryImport(Ssl)] private static partial ulong SSL_CTX_set_options(nint context, ulong options);
    [LibraryImport(Ssl)] private static partial void SSL_CTX_set_psk_server_callback(nint context, delegate* unmanaged<nint, byte*, byte*, uint, uint> callback);
    [LibraryImport(Ssl)] private static partial void SSL_CTX_set_psk_client_callback(nint context, delegate* unmanaged<nint, byte*, byte*, uint, byte*, uint, uint> callback);
    [LibraryImport(Ssl)] private static partial int SSL_CTX_use_PrivateKey(nint context, nint key);
    [LibraryImport(Ssl)] private static partial int SSL_CTX_use_certificate(nint context, nint certificate);
    [LibraryImport(Ssl)] private static partial nint SSL_new(nint context);
    [LibraryImport(Ssl)] private static partial void SSL_free(nint ssl);
    [LibraryImport(Ssl)] private static partial void SSL_set_bio(nint ssl, nint read, nint write);
    [LibraryImport(Ssl)] private static partial void SSL_set_accept_state(nint ssl);
    [LibraryImport(Ssl)] private static partial void SSL_set_connect_state(nint ssl);
    [LibraryImport(Ssl)] private static partial int SSL_do_handshake(nint ssl);
    [LibraryImport(Ssl)] private static partial int SSL_is_init_finished(nint ssl);
    [LibraryImport(Ssl)] private static partial int SSL_write(nint ssl, byte* from, int length);
    [LibraryImport(Ssl)] private static partial int SSL_read(nint ssl, byte* into, int length);
    [LibraryImport(Ssl)] private static partial nint SSL_ctrl(nint ssl, int command, nint value, nint pointer);
    [LibraryImport(Crypto)] private static partial nint BIO_new(nint method);
    [LibraryImport(Crypto)] private static partial nint BIO_s_mem();
    [LibraryImport(Crypto)] private static partial nint BIO_ctrl(nint bio, int command, nint value, nint pointer);
    [LibraryImport(Crypto)] private static partial int BIO_read(nint bio, byte* into, int length);
    [LibraryImport(Crypto)] private static partial int BIO_write(nint bio, byte* from, int length);
    [LibraryImport(Crypto)] private static partial nint d2i_AutoPrivateKey(nint into, byte** from, nint length);
    [LibraryImport(Crypto)] private static partial nint d2i_X509(nint into, byte** from, nint length);
    [LibraryImport(Crypto)] private static partial void ERR_clear_error();

    [UnmanagedCallersOnly]
    private static uint ServerKey(nint ssl, byte* identity, byte* key, uint most)
    {
        new Span<byte>(key, 16).Fill(7);
        return 16;
    }

    [UnmanagedCallersOnly]
    private static uint ClientKey(nint ssl, byte* hint, byte* identity, uint mostIdentity, byte* key, uint most)
    {
        "sensor\0"u8.CopyTo(new Span<byte>(identity, 7));
        new Span<byte>(key, 16).Fill(7);
        return 16;
    }

    public static string Measure(DtlsCipherSuite suite)
    {
        bool isPsk = suite == DtlsCipherSuite.PskAes128Ccm8;
        nint server = SSL_CTX_new(DTLS_server_method()), client = SSL_CTX_new(DTLS_client_method());
        foreach (nint context in new[] { server, client })
        {
            SSL_CTX_set_cipher_list(context, (isPsk ? "PSK-AES128-CCM8" : "ECDHE-ECDSA-AES128-GCM-SHA256") + ":@SECLEVEL=0");
            // No tickets, and no cache of sessions, as on our side.
            SSL_CTX_set_options(context, 1UL << 14);
            SSL_CTX_ctrl(context, 44, 0, 0);
        }
        if (isPsk)
        {
            SSL_CTX_set_psk_server_callback(server, &ServerKey);
            SSL_CTX_set_psk_client_callback(client, &ClientKey);
        }
        else
            UseCertificate(server);
        double time = 0;
        int count = isPsk ? 5000 : 2000;
        for (int round = 0; round < 2; round++)
        {
            long ticks = 0;
            for (int i = 0; i < count; i++)
                ticks += Handshake(server, client);
            time = Stopwatch.GetElapsedTime(0, ticks).TotalMicroseconds / count;
        }
        SSL_CTX_free(server);
        SSL_CTX_free(client);
        return $"libssl, the same suite: server {time:0.0} us per full handshake without cookie";
    }

    private static void UseCertificate(nint context)
    {
        using var key = System.Security.Cryptography.ECDsa.Create(System.Security.Cryptography.ECCurve.NamedCurves.nistP256);
        var made = new System.Security.Cryptography.X509Certificates.CertificateRequest("CN=server", key, System.Security.Cryptography.HashAlgorithmName.SHA256)
            .CreateSelfSigned(DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddYears(100));
        fixed (byte* k = key.ExportECPrivateKey(), c = made.RawData)
        {
            byte* kp = k, cp = c;
            if (SSL_CTX_use_certificate(context, d2i_X509(0, &cp, made.RawData.Length)) != 1
                || SSL_CTX_use_PrivateKey(context, d2i_AutoPrivateKey(0, &kp, key.ExportECPrivateKey().Length)) != 1)
                throw new InvalidOperationException("libssl took no certificate.");
        }
    }

    /// <summary>CCM-8 records of so many bytes from client to server, one at a time through the memory BIOs.</summary>
    public static string Records(int size)
    {
        const int Count = 200_000;
        nint serverContext = SSL_CTX_new(DTLS_server_method()), clientContext = SSL_CTX_new(DTLS_client_method());
        SSL_CTX_set_cipher_list(serverContext, "PSK-AES128-CCM8:@SECLEVEL=0");
        SSL_CTX_set_cipher_list(clientContext, "PSK-AES128-CCM8:@SECLEVEL=0");
        SSL_CTX_set_psk_server_callback(serverContext, &ServerKey);
        SSL_CTX_set_psk_client_callback(clientContext, &ClientKey);
        Handshake(serverContext, clientContext, out nint server, out nint client, out nint fromClient, out nint toServer);
        byte* data = stackalloc byte[size];
        double time = 0;
        for (int round = 0; round < 2; round++)
        {
            long start = Stopwatch.GetTimestamp();
            for (int i = 0; i < Count; i++)
            {
                if (SSL_write(client, data, size) != size)
                    throw new InvalidOperationException("libssl did not write.");
                Move(fromClient, toServer);
                if (SSL_read(server, data, size) != size)
                    throw new InvalidOperationException("libssl did not read.");
            }
            time = Stopwatch.GetElapsedTime(start).TotalMicroseconds / Count;
        }
        SSL_free(server);
        SSL_free(client);
        SSL_CTX_free(serverContext);
        SSL_CTX_free(clientContext);
        return $"libssl, CCM-8, {size} bytes: {time:0.00} us per record sealed and opened";
    }

    private static long Handshake(nint serverContext, nint clientContext)
    {
        long ticks = Handshake(serverContext, clientContext, out nint server, out nint client, out _, out _);
        long before = Stopwatch.GetTimestamp();
        SSL_free(server);
        ticks += Stopwatch.GetTimestamp() - before;
        SSL_free(client);
        ERR_clear_error();
        return ticks;
    }

    /// <summary>A memory BIO joins datagrams; one direction is copied at a time, so that both sides still see whole records.</summary>
    private static long Handshake(nint serverContext, nint clientContext, out nint server, out nint client, out nint fromClient, out nint toServer)
    {
        long ticks = 0, before = Stopwatch.GetTimestamp();
        server = SSL_new(serverContext);
        nint fromServer = Memory(), toClient = Memory();
        (toServer, fromClient) = (Memory(), Memory());
        SSL_set_bio(server, toServer, fromServer);
        Mtu(server);
        SSL_set_accept_state(server);
        ticks += Stopwatch.GetTimestamp() - before;
        client = SSL_new(clientContext);
        SSL_set_bio(client, toClient, fromClient);
        Mtu(client);
        SSL_set_connect_state(client);
        for (int i = 0; i < 20 && (SSL_is_init_finished(server) == 0 || SSL_is_init_finished(client) == 0); i++)
        {
            SSL_do_handshake(client);
            Move(fromClient, toServer);
            before = Stopwatch.GetTimestamp();
            SSL_do_handshake(server);
            ticks += Stopwatch.GetTimestamp() - before;
            Move(fromServer, toClient);
        }
        return SSL_is_init_finished(server) == 1 && SSL_is_init_finished(client) == 1 ? ticks : throw new InvalidOperationException("libssl's handshake failed.");
    }

    private static nint Memory()
    {
        nint bio = BIO_new(BIO_s_mem());
        // BIO_set_mem_eof_return(-1): empty means later, not ended.
        BIO_ctrl(bio, 130, -1, 0);
        return bio;
    }

    private static void Mtu(nint ssl)
    {
        // SSL_OP_NO_QUERY_MTU by SSL_CTRL_OPTIONS is a macro no more; SSL_set_mtu is.
        SSL_ctrl(ssl, 17, 1400, 0);
    }

    private static void Move(nint from, nint to)
    {
        byte* buffer = stackalloc byte[8192];
        int n;
        while ((n = BIO_read(from, buffer, 8192)) > 0)
            BIO_write(to, buffer, n);
    }
}
