package gush.example;

import io.grpc.ChannelCredentials;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.TlsChannelCredentials;
import java.io.File;
import java.io.IOException;
import java.util.concurrent.TimeUnit;

/** Where the server is, and how to trust it. */
record Target(String address, ChannelCredentials credentials) {
    private static final int KEEPALIVE_S = 30; // a server allows 5 s or more
    private static final int KEEPALIVE_TIMEOUT_S = 10;
    private static final int MAX_MESSAGE_BYTES = 64 << 20; // a connect push has all that was missed

    static Target from(Arguments arguments, String defaultAddress) throws IOException {
        return new Target(arguments.last("--address", defaultAddress), credentials(arguments));
    }

    private static ChannelCredentials credentials(Arguments arguments) throws IOException {
        String ca = arguments.last("--tls-ca", null);
        String cert = arguments.last("--tls-cert", null);
        String key = arguments.last("--tls-key", null);
        if (ca == null) {
            return InsecureChannelCredentials.create();
        }
        TlsChannelCredentials.Builder tls =
                TlsChannelCredentials.newBuilder().trustManager(new File(ca));
        if (cert != null && key != null) {
            tls.keyManager(new File(cert), new File(key));
        }
        return tls.build();
    }

    /** A new channel; it connects with the first call. */
    ManagedChannel open() {
        return Grpc.newChannelBuilder(address, credentials)
                .keepAliveTime(KEEPALIVE_S, TimeUnit.SECONDS)
                .keepAliveTimeout(KEEPALIVE_TIMEOUT_S, TimeUnit.SECONDS)
                .maxInboundMessageSize(MAX_MESSAGE_BYTES)
                .build();
    }
}
