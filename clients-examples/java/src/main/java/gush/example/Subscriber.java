package gush.example;

import centrifugal.centrifugo.unistream.CentrifugoUniStreamGrpc;
import centrifugal.centrifugo.unistream.Unistream.Connect;
import centrifugal.centrifugo.unistream.Unistream.ConnectRequest;
import centrifugal.centrifugo.unistream.Unistream.Disconnect;
import centrifugal.centrifugo.unistream.Unistream.Publication;
import centrifugal.centrifugo.unistream.Unistream.Push;
import centrifugal.centrifugo.unistream.Unistream.SubscribeRequest;
import centrifugal.centrifugo.unistream.Unistream.SubscribeResult;
import com.google.protobuf.ByteString;
import io.grpc.ManagedChannel;
import io.grpc.StatusException;
import io.grpc.stub.BlockingClientCall;
import java.io.IOException;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Subscribes to channels over the one-way stream {@code Consume} and prints what they say.
 *
 * <p>Whatever ends a connection, short of being sent away for good, it comes back and asks for what
 * it missed: the position (epoch and offset) of each channel goes into the next connect request.
 */
public final class Subscriber {
    private static final String USAGE = """
            usage: subscriber --address HOST:PORT --channel C [--channel C2 ...] [--token JWT]
                              [--count N] [--tls-ca FILE [--tls-cert FILE --tls-key FILE]]""";

    private static final long CONNECT_PATIENCE_S = 10; // until the connect push
    private static final long PING_GRACE_S = 10;
    private static final long NO_PINGS_S = TimeUnit.DAYS.toSeconds(365); // then keepalive has to do

    /** Why a connection is over. */
    private sealed interface End {
        record Exit(int status) implements End {}

        record Lost(String reason) implements End {}
    }

    private final Target target;
    private final String token;
    private final long wanted; // publications; 0: go on
    private long received;
    /** What the next connect request asks for: each channel, with our position in it. */
    private final Map<String, SubscribeRequest> subs = new LinkedHashMap<>();
    private final Backoff backoff = new Backoff();

    private Subscriber(Arguments arguments) throws IOException {
        target = Target.from(arguments, "127.0.0.1:11000");
        token = arguments.last("--token", "GUSH_TOKEN", "");
        wanted = Long.parseLong(arguments.last("--count", "0"));
        for (String channel : arguments.all("--channel")) {
            subs.put(channel, SubscribeRequest.getDefaultInstance());
        }
        if (subs.isEmpty()) {
            throw new IllegalArgumentException("--channel is missing");
        }
        if (!arguments.rest().isEmpty()) {
            throw new IllegalArgumentException("too many arguments: " + arguments.rest());
        }
    }

    /** Returns the exit status. */
    private int run() throws IOException, InterruptedException {
        while (true) {
            End end = consume();
            if (end instanceof End.Exit exit) {
                return exit.status();
            }
            long pauseMs = backoff.nextMs();
            System.err.printf("reconnecting in %d ms: %s%n", pauseMs, ((End.Lost) end).reason());
            Thread.sleep(pauseMs);
        }
    }

    /** One connection, from the request to its end. */
    private End consume() throws IOException, InterruptedException {
        // A channel of its own: the last TCP connection may be dead without knowing it, and a
        // channel that has failed waits by a backoff of its own.
        ManagedChannel channel = target.open();
        try {
            BlockingClientCall<?, Push> call = CentrifugoUniStreamGrpc.newBlockingV2Stub(channel)
                    .consume(ConnectRequest.newBuilder()
                            .setToken(token).putAllSubs(subs).setName("java-example").build());
            long patienceS = CONNECT_PATIENCE_S;
            while (true) {
                Push push = call.read(patienceS, TimeUnit.SECONDS);
                if (push == null) {
                    return new End.Lost("the stream ended");
                }
                if (push.hasConnect()) {
                    backoff.reset();
                    int pingS = push.getConnect().getPing();
                    patienceS = pingS == 0 ? NO_PINGS_S : pingS + PING_GRACE_S;
                }
                End end = onPush(push);
                if (end != null) {
                    return end;
                }
            }
        } catch (StatusException e) {
            return new End.Lost(Failure.describe(e));
        } catch (TimeoutException e) {
            return new End.Lost("the server is silent");
        } finally {
            channel.shutdownNow();
        }
    }

    /** Returns null as long as the connection goes on. */
    private End onPush(Push push) throws IOException {
        if (push.hasConnect()) {
            return onConnect(push.getConnect());
        }
        if (push.hasPub()) {
            onPublication(push.getChannel(), push.getPub());
        } else if (push.hasUnsubscribe()) {
            System.err.printf("unsubscribed %s %d %s%n", push.getChannel(),
                    push.getUnsubscribe().getCode(), push.getUnsubscribe().getReason());
            subs.remove(push.getChannel());
        } else if (push.hasDisconnect()) {
            return onDisconnect(push.getDisconnect());
        } // nothing at all is a ping
        return isDone() ? new End.Exit(0) : null;
    }

    private End onConnect(Connect connect) throws IOException {
        System.out.println("connected " + connect.getClient());
        Set<String> refused = new HashSet<>(subs.keySet());
        refused.removeAll(connect.getSubsMap().keySet());
        if (!refused.isEmpty()) {
            refused.forEach(name -> System.err.println("refused " + name));
            return new End.Exit(1);
        }
        for (String name : subs.keySet()) {
            SubscribeResult result = connect.getSubsOrThrow(name);
            String recovered =
                    !result.getWasRecovering() ? "-" : result.getRecovered() ? "yes" : "no";
            System.out.printf("subscribed %s recovered=%s offset=%s%n", name, recovered,
                    Long.toUnsignedString(result.getOffset()));
            if (recovered.equals("no")) {
                System.out.println("lost " + name);
            }
            subs.put(name, SubscribeRequest.newBuilder()
                    .setRecover(result.getRecoverable())
                    .setEpoch(result.getEpoch())
                    .setOffset(result.getOffset())
                    .build());
            for (Publication publication : result.getPublicationsList()) {
                onPublication(name, publication);
            }
        }
        return isDone() ? new End.Exit(0) : null;
    }

    private void onPublication(String name, Publication publication) throws IOException {
        if (isDone()) {
            return;
        }
        String offset = Long.toUnsignedString(publication.getOffset());
        ByteString.copyFromUtf8(name + " #" + offset + " ")
                .concat(publication.getData()) // any bytes, not always text
                .concat(ByteString.copyFromUtf8("\n"))
                .writeTo(System.out);
        System.out.flush();
        subs.computeIfPresent(name, (key, position) ->
                position.toBuilder().setOffset(publication.getOffset()).build());
        received++;
    }

    private End onDisconnect(Disconnect disconnect) {
        int code = disconnect.getCode();
        System.err.println("disconnected " + code + " " + disconnect.getReason());
        boolean terminal = code >= 3500 && code <= 3999 || code >= 4500 && code <= 4999;
        return terminal ? new End.Exit(1) : new End.Lost(disconnect.getReason());
    }

    private boolean isDone() {
        return wanted != 0 && received == wanted;
    }

    public static void main(String[] args) throws Exception {
        Subscriber subscriber;
        try {
            subscriber = new Subscriber(new Arguments(args,
                    Set.of("--address", "--tls-ca", "--tls-cert", "--tls-key",
                            "--channel", "--token", "--count"), Set.of()));
        } catch (IllegalArgumentException | IOException e) {
            System.err.println("subscriber: " + e.getMessage() + "\n" + USAGE);
            System.exit(2);
            return;
        }
        System.exit(subscriber.run());
    }
}
