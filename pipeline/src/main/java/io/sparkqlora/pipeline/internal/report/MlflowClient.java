// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.report;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.net.http.HttpTimeoutException;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Calls of MLflow's REST API. (Its Java client does the same few calls, and brings Apache's HTTP client, gson and a protobuf of a
 * version of its own, beside those that Spark has.)
 */
final class MlflowClient {

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int ERRORS = 400;

    private final MlflowSettings settings;
    private final Duration patience;
    private final HttpClient http;

    MlflowClient(MlflowSettings settings, Duration patience) {
        this.settings = settings;
        this.patience = patience;
        this.http = HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1)
                .connectTimeout(patience)
                .build();
    }

    /** The server says no, and why. */
    static final class Refused extends IOException {

        private static final long serialVersionUID = 1L;

        private final String code;

        Refused(int status, String code, String message) {
            super("status " + status + " " + code + " " + message);
            this.code = code;
        }

        boolean isMissing() {
            return code.equals("RESOURCE_DOES_NOT_EXIST");
        }
    }

    /** Asks; the path begins behind {@code /api/2.0/mlflow/}. */
    JsonNode get(String path) throws IOException {
        return send(request(path).GET().build());
    }

    /** Tells. */
    JsonNode post(String path, Map<String, ?> body) throws IOException {
        return send(request(path)
                .header("Content-Type", "application/json")
                .POST(BodyPublishers.ofString(JSON.writeValueAsString(body)))
                .build());
    }

    private HttpRequest.Builder request(String path) {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(settings.uri() + "/api/2.0/mlflow/" + path))
                .timeout(patience);
        if (settings.authorization() != null) {
            request.header("Authorization", settings.authorization());
        }
        return request;
    }

    private JsonNode send(HttpRequest request) throws IOException {
        HttpResponse<String> answer = answer(request);
        if (answer.statusCode() >= ERRORS) {
            JsonNode error = error(answer.body());
            throw new Refused(
                    answer.statusCode(),
                    error.path("error_code").asText(),
                    error.path("message").asText());
        }
        return JSON.readTree(answer.body());
    }

    private static JsonNode error(String body) {
        try {
            return JSON.readTree(body);
        } catch (IOException e) {
            return JSON.createObjectNode();
        }
    }

    /** The request's own limit ends with the headers. */
    private HttpResponse<String> answer(HttpRequest request) throws IOException {
        CompletableFuture<HttpResponse<String>> answer = http.sendAsync(request, BodyHandlers.ofString());
        try {
            return answer.get(patience.toMillis() * 2, TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
            answer.cancel(true);
            throw new HttpTimeoutException("no whole answer came");
        } catch (InterruptedException e) {
            answer.cancel(true);
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("interrupted");
        } catch (ExecutionException e) {
            throw e.getCause() instanceof IOException io ? io : new IOException(e.getCause());
        }
    }
}
