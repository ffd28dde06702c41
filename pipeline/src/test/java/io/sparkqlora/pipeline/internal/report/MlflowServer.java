// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.report;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** A tracking server on the loopback interface, as far as one experiment and its runs go. */
final class MlflowServer implements AutoCloseable {

    private static final ObjectMapper JSON = new ObjectMapper();

    final List<String> calls = new ArrayList<>();
    final Map<String, String> params = new TreeMap<>();
    final Map<String, String> tags = new TreeMap<>();
    final List<String> metrics = new ArrayList<>();
    private final HttpServer server;
    private String experiment;
    private String status;
    private String authorization;
    private volatile boolean broken;
    private boolean closed;

    MlflowServer() {
        try {
            server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        server.createContext("/", this::answer);
        server.start();
    }

    String uri() {
        return "http://127.0.0.1:" + server.getAddress().getPort();
    }

    String experiment() {
        return experiment;
    }

    String status() {
        return status;
    }

    /** What it wants to see. */
    void require(String header) {
        authorization = header;
    }

    void setBroken(boolean now) {
        broken = now;
    }

    private synchronized void answer(HttpExchange exchange) throws IOException {
        try (exchange) {
            String given = exchange.getRequestHeaders().getFirst("Authorization");
            if (broken) {
                exchange.sendResponseHeaders(503, -1);
            } else if (authorization != null && !authorization.equals(given)) {
                send(exchange, 401, Map.of("error_code", "UNAUTHENTICATED", "message", "who are you?"));
            } else {
                String call = exchange.getRequestURI().getPath().replaceFirst("^/api/2.0/mlflow/", "");
                byte[] body = exchange.getRequestBody().readAllBytes();
                calls.add(call);
                answer(exchange, call, body.length == 0 ? JSON.createObjectNode() : JSON.readTree(body));
            }
        }
    }

    private void answer(HttpExchange exchange, String call, JsonNode body) throws IOException {
        Map<String, Object> run = Map.of(
                "info",
                Map.of("run_id", "abc"),
                "data",
                Map.of(
                        "tags",
                        tags.entrySet().stream()
                                .map(tag -> Map.of("key", tag.getKey(), "value", tag.getValue()))
                                .toList()));
        switch (call) {
            case "experiments/get-by-name" -> {
                if (experiment == null) {
                    send(exchange, 404, Map.of("error_code", "RESOURCE_DOES_NOT_EXIST", "message", "none"));
                } else {
                    send(exchange, 200, Map.of("experiment", Map.of("experiment_id", "7")));
                }
            }
            case "experiments/create" -> {
                experiment = body.path("name").asText();
                send(exchange, 200, Map.of("experiment_id", "7"));
            }
            case "runs/search" -> {
                String wanted = body.path("filter").asText().replaceFirst("^tags.`spark_qlora.run_id` = '(.*)'$", "$1");
                boolean there = wanted.equals(tags.get("spark_qlora.run_id"));
                send(exchange, 200, there ? Map.of("runs", List.of(run)) : Map.of());
            }
            case "runs/create" -> {
                body.path("tags").forEach(this::tag);
                send(exchange, 200, Map.of("run", run));
            }
            case "runs/set-tag" -> {
                tag(body);
                send(exchange, 200, Map.of());
            }
            case "runs/update" -> {
                status = body.path("status").asText();
                send(exchange, 200, Map.of());
            }
            default -> {
                body.path("params")
                        .forEach(param -> params.put(
                                param.path("key").asText(), param.path("value").asText()));
                body.path("metrics")
                        .forEach(metric -> metrics.add(metric.path("key").asText() + "="
                                + metric.path("value").asText() + "@"
                                + metric.path("step").asLong()));
                send(exchange, 200, Map.of());
            }
        }
    }

    private void tag(JsonNode tag) {
        tags.put(tag.path("key").asText(), tag.path("value").asText());
    }

    private static void send(HttpExchange exchange, int status, Map<String, ?> answer) throws IOException {
        byte[] body = JSON.writeValueAsString(answer).getBytes(StandardCharsets.UTF_8);
        exchange.sendResponseHeaders(status, body.length);
        exchange.getResponseBody().write(body);
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            server.stop(0);
        }
    }
}
