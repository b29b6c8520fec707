package gush.example;

import java.util.concurrent.ThreadLocalRandom;

/** Exponential, with full jitter: clients that lost one server do not return as one crowd. */
final class Backoff {
    private static final long FIRST_MS = 200;
    private static final long MAX_MS = 10_000;

    private long limitMs = FIRST_MS;

    void reset() {
        limitMs = FIRST_MS;
    }

    long nextMs() {
        long pause = ThreadLocalRandom.current().nextLong(limitMs + 1);
        limitMs = Math.min(2 * limitMs, MAX_MS);
        return pause;
    }
}
