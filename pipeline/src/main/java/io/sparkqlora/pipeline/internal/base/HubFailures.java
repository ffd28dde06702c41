// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.base;

import io.sparkqlora.pipeline.HubErrors;
import java.io.IOException;
import java.net.http.HttpResponse;
import java.time.Duration;

/** What an answer of the Hub means that is none. */
final class HubFailures {

    private static final int UNAUTHORIZED = 401;
    private static final int FORBIDDEN = 403;
    private static final int NOT_FOUND = 404;
    private static final int TIMEOUT = 408;
    private static final int TOO_MANY = 429;
    private static final int ERRORS = 400;
    private static final int SERVER_ERRORS = 500;

    /** What the Hub says to a token that it doesn't know. */
    private static final String BAD_TOKEN = "Invalid credentials";

    private HubFailures() {}

    /**
     * Nothing where there is an answer.
     *
     * @throws IOException if another attempt may get one
     * @throws io.sparkqlora.kernels.QLoraException QLORA-P182–P185 if the Hub won't give what is asked for
     */
    static void check(HttpResponse<?> answer, BaseName.Hub name, HubSettings settings) throws IOException {
        int status = answer.statusCode();
        if (status < ERRORS) {
            return;
        }
        boolean hub = new HubConnection(settings, Patience.USUAL).isHub(answer.uri());
        // a storage's address is signed for some time: the Hub gives another one
        if (!hub || status == TIMEOUT || status == TOO_MANY || status >= SERVER_ERRORS) {
            throw new Patience.Later(
                    "status " + status + " from " + answer.uri().getHost(), pause(answer));
        }
        throw refused(answer, name, settings);
    }

    private static Duration pause(HttpResponse<?> answer) {
        String seconds = answer.headers().firstValue("retry-after").orElse("");
        return seconds.matches("\\d{1,6}") ? Duration.ofSeconds(Long.parseLong(seconds)) : null;
    }

    private static RuntimeException refused(HttpResponse<?> answer, BaseName.Hub name, HubSettings settings) {
        String code = answer.headers().firstValue("x-error-code").orElse("");
        String says = answer.headers().firstValue("x-error-message").orElse("");
        String endpoint = settings.endpoint().toString();
        int status = answer.statusCode();
        if (code.equals("GatedRepo")) {
            return HubErrors.gated(name.toString(), endpoint + "/" + name.id(), settings.token() != null);
        }
        if (code.equals("RevisionNotFound")) {
            return HubErrors.noRevision(name.toString(), name.revision());
        }
        if (status == UNAUTHORIZED && says.startsWith(BAD_TOKEN)) {
            return HubErrors.tokenRefused(name.toString(), endpoint);
        }
        if (status == UNAUTHORIZED || status == FORBIDDEN || status == NOT_FOUND) {
            return HubErrors.noModel(name.toString(), endpoint, status, settings.token() != null);
        }
        return HubErrors.hubUnreachable(
                name.toString(),
                endpoint,
                new IOException("status " + status + (says.isEmpty() ? "" : " (" + says + ")")));
    }
}
