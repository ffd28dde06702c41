// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.base;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * A Hub of one model on the loopback interface, and its storage on another port: small files come from the Hub (after a redirect
 * within it), large ones from the storage. Answers may be broken or slow.
 */
public final class HubServer implements AutoCloseable {

    /** How the next answer to a path goes wrong. */
    enum Fault {
        STATUS_500,
        STATUS_429,
        SHORT_BODY,
        OTHER_BYTES,
        RESET,
        NO_ANSWER,
        STALLS,
        BAD_ETAG,
        NO_RANGES
    }

    private static final Set<Fault> ANYWHERE = EnumSet.of(Fault.STATUS_500, Fault.STATUS_429, Fault.NO_ANSWER);

    public static final String MODEL = "org/llama";

    /** Files from this size on are large. */
    private static final int LARGE = 100_000;

    private final HttpServer hub = server();
    private final HttpServer storage = server();
    private final ExecutorService threads = Executors.newCachedThreadPool(work -> {
        Thread thread = new Thread(work, "hub-server");
        thread.setDaemon(true);
        return thread;
    });
    private final Map<String, Path> commits = new TreeMap<>();
    private final Map<String, String> branches = new ConcurrentHashMap<>();
    private final Map<String, ConcurrentLinkedQueue<Fault>> faults = new ConcurrentHashMap<>();
    private final List<String> requests = new CopyOnWriteArrayList<>();
    private volatile String token;
    private volatile String refusal;
    private final Handler storageHandler = this::storage;
    private boolean closed;

    public HubServer() {
        hub.createContext("/", exchange -> answer(exchange, this::hub));
        storage.createContext("/", exchange -> answer(exchange, storageHandler));
        Stream.of(hub, storage).forEach(server -> {
            server.setExecutor(threads);
            server.start();
        });
    }

    private static HttpServer server() {
        try {
            return HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Its address. */
    public String endpoint() {
        return "http://127.0.0.1:" + hub.getAddress().getPort();
    }

    /** Makes a commit of a folder, and the branch main that. */
    public HubServer commit(String commit, Path folder) {
        commits.put(commit, folder);
        branches.put("main", commit);
        return this;
    }

    /** Requests so far: method, path, range; with ! behind them where they came with a token. */
    public List<String> requests() {
        return List.copyOf(requests);
    }

    public void forget() {
        requests.clear();
    }

    /** The token that it wants. */
    void require(String wanted) {
        token = wanted;
    }

    /** Refuses files for this reason (X-Error-Code). */
    void refuse(String code) {
        refusal = code;
    }

    /** Lets an answer to a path that ends like this go wrong, once. */
    void fault(String end, Fault... all) {
        faults.computeIfAbsent(end, any -> new ConcurrentLinkedQueue<>()).addAll(Arrays.asList(all));
    }

    private interface Handler {

        void handle(HttpExchange exchange, Fault fault) throws IOException;
    }

    private void answer(HttpExchange exchange, Handler handler) throws IOException {
        String path = exchange.getRequestURI().getRawPath();
        String range = exchange.getRequestHeaders().getFirst("Range");
        boolean authorized = exchange.getRequestHeaders().containsKey("Authorization");
        requests.add(exchange.getRequestMethod() + " " + path + (range == null ? "" : " " + range)
                + (authorized ? "!" : ""));
        boolean givesBody = handler == storageHandler || path.startsWith("/cached/");
        String what = exchange.getRequestMethod().equals("HEAD") ? "HEAD " + name(path) : name(path);
        Fault fault = fault(what, givesBody);
        try (exchange) {
            switch (fault == null ? Fault.NO_RANGES : fault) {
                case STATUS_500 -> exchange.sendResponseHeaders(500, -1);
                case STATUS_429 -> {
                    exchange.getResponseHeaders().set("Retry-After", "0");
                    exchange.sendResponseHeaders(429, -1);
                }
                case NO_ANSWER -> pause();
                default -> handler.handle(exchange, fault);
            }
        }
    }

    /** Those of a body wait for an answer that has one, behind the redirect to it. */
    private Fault fault(String name, boolean givesBody) {
        ConcurrentLinkedQueue<Fault> queue = faults.get(name);
        boolean now = queue != null
                && (givesBody || ANYWHERE.contains(queue.peek() == null ? Fault.NO_RANGES : queue.peek()));
        return now ? queue.poll() : null;
    }

    private static String name(String path) {
        return path.substring(path.lastIndexOf('/') + 1);
    }

    private static void pause() {
        try {
            Thread.sleep(5_000);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void hub(HttpExchange exchange, Fault fault) throws IOException {
        String path = exchange.getRequestURI().getPath();
        String given = exchange.getRequestHeaders().getFirst("Authorization");
        if (given != null && token != null && !given.equals("Bearer " + token)) {
            refuse(exchange, 401, "", "Invalid credentials in Authorization header");
        } else if ((token != null && given == null) || !path.contains("/" + MODEL + "/")) {
            refuse(exchange, 401, "", "Invalid username or password.");
        } else if (path.startsWith("/api/models/" + MODEL + "/revision/")) {
            revision(exchange, path.substring(("/api/models/" + MODEL + "/revision/").length()));
        } else if (refusal != null) {
            refuse(exchange, 403, refusal, "no");
        } else {
            file(exchange, path, fault);
        }
    }

    private static void refuse(HttpExchange exchange, int status, String code, String message) throws IOException {
        if (!code.isEmpty()) {
            exchange.getResponseHeaders().set("X-Error-Code", code);
        }
        exchange.getResponseHeaders().set("X-Error-Message", message);
        exchange.sendResponseHeaders(status, -1);
    }

    private void revision(HttpExchange exchange, String revision) throws IOException {
        String commit = branches.getOrDefault(revision, revision);
        if (!commits.containsKey(commit)) {
            refuse(exchange, 404, "RevisionNotFound", "Invalid rev id: " + revision);
            return;
        }
        String siblings;
        try (Stream<Path> files = Files.list(commits.get(commit))) {
            siblings = files.map(file -> "{\"rfilename\":\"" + file.getFileName() + "\"}")
                    .collect(Collectors.joining(",", "[", ",{\"rfilename\":\"onnx/model.onnx\"}]"));
        }
        send(
                exchange,
                ("{\"id\":\"" + MODEL + "\",\"sha\":\"" + commit + "\",\"siblings\":" + siblings + "}")
                        .getBytes(StandardCharsets.UTF_8));
    }

    private static void send(HttpExchange exchange, byte[] body) throws IOException {
        exchange.sendResponseHeaders(200, body.length);
        exchange.getResponseBody().write(body);
    }

    /** {@code /org/llama/resolve/COMMIT/FILE} sends one on; {@code /cached/org/llama/COMMIT/FILE} is a small one. */
    private void file(HttpExchange exchange, String path, Fault fault) throws IOException {
        String[] parts = path.split("/", -1);
        String commit = parts[parts.length - 2];
        Path file = commits.get(commit).resolve(parts[parts.length - 1]);
        boolean large = Files.size(file) >= LARGE;
        if (path.startsWith("/cached/")) {
            describe(exchange, file, fault, "ETag", "Content-Length");
            body(exchange, file, fault);
            return;
        }
        if (large) {
            describe(exchange, file, fault, "X-Linked-Etag", "X-Linked-Size");
        }
        String place = commit + "/" + file.getFileName();
        exchange.getResponseHeaders()
                .set(
                        "Location",
                        large
                                ? "http://127.0.0.1:" + storage.getAddress().getPort() + "/" + place + "?signature=abc"
                                : "/cached/" + MODEL + "/" + place);
        exchange.sendResponseHeaders(large ? 302 : 307, -1);
    }

    private static void describe(HttpExchange exchange, Path file, Fault fault, String etag, String size)
            throws IOException {
        String hash = Files.size(file) >= LARGE ? Hashes.sha256(file) : Hashes.gitBlob(file);
        exchange.getResponseHeaders().set(etag, fault == Fault.BAD_ETAG ? "\"abc\"" : "\"" + hash + "\"");
        if (exchange.getRequestMethod().equals("HEAD")) {
            exchange.getResponseHeaders().set(size, String.valueOf(Files.size(file)));
        }
    }

    private void storage(HttpExchange exchange, Fault fault) throws IOException {
        String[] parts = exchange.getRequestURI().getPath().split("/", -1);
        body(exchange, commits.get(parts[1]).resolve(parts[2]), fault);
    }

    private static void body(HttpExchange exchange, Path file, Fault fault) throws IOException {
        byte[] all = Files.readAllBytes(file);
        if (exchange.getRequestMethod().equals("HEAD")) {
            exchange.sendResponseHeaders(200, -1);
            return;
        }
        String range = exchange.getRequestHeaders().getFirst("Range");
        int from = range == null || fault == Fault.NO_RANGES
                ? 0
                : Integer.parseInt(range.substring("bytes=".length(), range.length() - 1));
        if (from > 0) {
            exchange.getResponseHeaders()
                    .set("Content-Range", "bytes " + from + "-" + (all.length - 1) + "/" + all.length);
        }
        if (fault == Fault.OTHER_BYTES) {
            all[from] = (byte) (all[from] ^ 1);
        }
        boolean half = fault == Fault.SHORT_BODY || fault == Fault.STALLS || fault == Fault.RESET;
        int until = half ? from + (all.length - from) / 2 : all.length;
        // without its length a body that ends early is only known by what the file's length should be
        exchange.sendResponseHeaders(from > 0 ? 206 : 200, fault == Fault.SHORT_BODY ? 0 : all.length - from);
        exchange.getResponseBody().write(all, from, until - from);
        exchange.getResponseBody().flush();
        if (fault == Fault.STALLS) {
            pause();
        }
        if (fault == Fault.SHORT_BODY) {
            exchange.getResponseBody().close();
        }
    }

    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        hub.stop(0);
        storage.stop(0);
        threads.shutdownNow();
    }

    /** The paths of requests of a method. */
    public List<String> asked(String method) {
        List<String> paths = new ArrayList<>();
        requests.stream().filter(each -> each.startsWith(method + " ")).forEach(paths::add);
        return paths;
    }
}
