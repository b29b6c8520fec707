package gush.example;

import centrifugal.centrifugo.api.Api;
import com.google.common.base.Throwables;
import io.grpc.Status;
import io.grpc.StatusException;

/** A call that failed for good: an error of the API, or a status of gRPC. */
final class Failure extends Exception {
    Failure(Api.Error error) {
        super(error.getCode() + " " + error.getMessage());
    }

    Failure(StatusException status) {
        super(describe(status), status);
    }

    /** A status in one line, with the deepest cause if it has one. */
    static String describe(StatusException e) {
        Status status = e.getStatus();
        String text = status.getCode() + " ";
        if (status.getDescription() != null) {
            text += status.getDescription();
        }
        if (status.getCause() != null) {
            text += " (" + Throwables.getRootCause(status.getCause()).getMessage() + ")";
        }
        return text;
    }
}
