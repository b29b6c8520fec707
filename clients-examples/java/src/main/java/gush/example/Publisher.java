package gush.example;

import centrifugal.centrifugo.api.Api.PublishRequest;
import centrifugal.centrifugo.api.Api.PublishResponse;
import centrifugal.centrifugo.api.CentrifugoApiGrpc;
import centrifugal.centrifugo.api.CentrifugoApiGrpc.CentrifugoApiBlockingV2Stub;
import com.google.protobuf.ByteString;
import io.grpc.Deadline;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.stub.MetadataUtils;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.TimeUnit;

/**
 * Publishes through the server API: each argument, or each line of stdin, is one publication.
 *
 * <p>A publication that fails on its way is sent again under the same idempotency key, so a call
 * that was carried out and whose answer got lost is not carried out twice.
 */
public final class Publisher {
    private static final String USAGE = """
            usage: publisher --address HOST:PORT --channel C [--key APIKEY] [--gzip]
                             [--deadline-ms N] [--idempotency-prefix P]
                             [--tls-ca FILE [--tls-cert FILE --tls-key FILE]] [DATA ...]
                   publisher --address HOST:PORT --health""";

    private static final Metadata.Key<String> AUTHORIZATION =
            Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

    private final Target target;
    private final String name;
    private final String key;
    private final boolean gzip;
    private final boolean health;
    private final long deadlineMs;
    private final String prefix;
    private final List<String> data;
    private ManagedChannel channel;
    private long published;

    private Publisher(Arguments arguments) throws IOException {
        target = Target.from(arguments, "127.0.0.1:10000");
        name = arguments.last("--channel", "");
        key = arguments.last("--key", "GUSH_API_KEY", "");
        gzip = arguments.has("--gzip");
        health = arguments.has("--health");
        deadlineMs = Long.parseLong(arguments.last("--deadline-ms", "30000"));
        prefix = arguments.last("--idempotency-prefix", UUID.randomUUID().toString());
        data = arguments.rest();
        if (name.isEmpty() && !health) {
            throw new IllegalArgumentException("--channel is missing");
        }
        channel = target.open();
    }

    /** Returns the exit status. */
    private int run() throws Failure, IOException, InterruptedException {
        for (String item : data) {
            publish(ByteString.copyFromUtf8(item));
        }
        if (data.isEmpty()) {
            // A character set in which every byte is a character: lines pass as they are.
            BufferedReader lines = new BufferedReader(
                    new InputStreamReader(System.in, StandardCharsets.ISO_8859_1));
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                publish(ByteString.copyFrom(line, StandardCharsets.ISO_8859_1));
            }
        }
        return 0;
    }

    private void publish(ByteString payload) throws Failure, InterruptedException {
        published++;
        PublishResponse reply = send(PublishRequest.newBuilder()
                .setChannel(name)
                .setData(payload)
                .setIdempotencyKey(prefix + "-" + published)
                .build());
        if (reply.hasError()) {
            throw new Failure(reply.getError());
        }
        String offset = Long.toUnsignedString(reply.getResult().getOffset());
        System.out.println(name + " #" + offset);
    }

    /** Sends until it is known what became of it. */
    private PublishResponse send(PublishRequest request) throws Failure, InterruptedException {
        Deadline deadline = Deadline.after(deadlineMs, TimeUnit.MILLISECONDS);
        Backoff backoff = new Backoff();
        while (true) {
            try {
                return stub().withDeadline(deadline).publish(request);
            } catch (StatusException e) {
                if (e.getStatus().getCode() != Status.Code.UNAVAILABLE) {
                    throw new Failure(e);
                }
                long pauseMs = backoff.nextMs();
                System.err.printf("retrying in %d ms: %s%n", pauseMs, Failure.describe(e));
                long leftMs = Math.max(0, deadline.timeRemaining(TimeUnit.MILLISECONDS));
                Thread.sleep(Math.min(pauseMs, leftMs));
                // The old channel would wait by a backoff of its own.
                channel.shutdownNow();
                channel = target.open();
            }
        }
    }

    private CentrifugoApiBlockingV2Stub stub() {
        CentrifugoApiBlockingV2Stub stub = CentrifugoApiGrpc.newBlockingV2Stub(channel);
        if (!key.isEmpty()) {
            Metadata headers = new Metadata();
            headers.put(AUTHORIZATION, "apikey " + key);
            stub = stub.withInterceptors(MetadataUtils.newAttachHeadersInterceptor(headers));
        }
        return gzip ? stub.withCompression("gzip") : stub;
    }

    /** Returns the exit status. */
    private int checkHealth() throws Failure {
        try {
            ServingStatus status = HealthGrpc.newBlockingV2Stub(channel)
                    .withDeadlineAfter(deadlineMs, TimeUnit.MILLISECONDS)
                    .check(HealthCheckRequest.getDefaultInstance()) // no name: the whole server
                    .getStatus();
            System.out.println(status);
            return status == ServingStatus.SERVING ? 0 : 1;
        } catch (StatusException e) {
            throw new Failure(e);
        }
    }

    public static void main(String[] args) throws Exception {
        Publisher publisher;
        try {
            publisher = new Publisher(new Arguments(args,
                    Set.of("--address", "--tls-ca", "--tls-cert", "--tls-key", "--channel", "--key",
                            "--deadline-ms", "--idempotency-prefix"),
                    Set.of("--gzip", "--health")));
        } catch (IllegalArgumentException | IOException e) {
            System.err.println("publisher: " + e.getMessage() + "\n" + USAGE);
            System.exit(2);
            return;
        }
        int status = 1;
        try {
            status = publisher.health ? publisher.checkHealth() : publisher.run();
        } catch (Failure e) {
            System.err.println("error " + e.getMessage());
        }
        System.exit(status);
    }
}
