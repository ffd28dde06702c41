// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.base;

import java.io.Closeable;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandler;
import java.net.http.HttpResponse.BodyHandlers;
import java.net.http.HttpTimeoutException;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Requests to the Hub, and to where it sends one. Redirects are followed here, and not by Java's client, since the token is for the
 * Hub's own host alone.
 */
final class HubConnection {

    private static final Duration CONNECT = Duration.ofSeconds(20);
    private static final int MOST_HOPS = 8;
    private static final int REDIRECTION = 3;
    private static final int HUNDRED = 100;

    private static final HttpClient HTTP = HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .followRedirects(HttpClient.Redirect.NEVER)
            .connectTimeout(CONNECT)
            .build();

    private final HubSettings settings;
    private final Patience patience;

    HubConnection(HubSettings settings, Patience patience) {
        this.settings = settings;
        this.patience = patience;
    }

    /** Gets what is there, from a byte on. */
    <T> HttpResponse<T> get(URI uri, long position, BodyHandler<T> body) throws IOException {
        return follow("GET", uri, position, body);
    }

    /**
     * Asks about what is there. The answer is the Hub's own: where it sends one to its storage, its answer says what lies there, and the
     * storage's does not.
     */
    HttpResponse<Void> head(URI uri) throws IOException {
        return follow("HEAD", uri, 0, BodyHandlers.discarding());
    }

    private <T> HttpResponse<T> follow(String method, URI uri, long position, BodyHandler<T> body) throws IOException {
        URI at = uri;
        for (int hops = 0; hops < MOST_HOPS; hops++) {
            HttpResponse<T> answer = send(request(method, at, position), body);
            Optional<String> location = answer.headers().firstValue("location");
            if (answer.statusCode() / HUNDRED != REDIRECTION || location.isEmpty()) {
                return answer;
            }
            URI next = at.resolve(location.get());
            if (method.equals("HEAD") && !isHub(next)) {
                return answer;
            }
            if (answer.body() instanceof Closeable open) {
                open.close();
            }
            if (next.getHost() == null || (at.getScheme().equals("https") && !"https".equals(next.getScheme()))) {
                throw new IOException("it is redirected from " + at.getHost() + " to what is no https address");
            }
            at = next;
        }
        throw new IOException("it is redirected more than " + MOST_HOPS + " times");
    }

    private HttpRequest request(String method, URI uri, long position) {
        HttpRequest.Builder request = HttpRequest.newBuilder(uri)
                .method(method, HttpRequest.BodyPublishers.noBody())
                .timeout(patience.silence())
                .header("User-Agent", "spark-qlora")
                .header("Accept-Encoding", "identity");
        if (position > 0) {
            request.header("Range", "bytes=" + position + "-");
        }
        if (settings.token() != null && isHub(uri)) {
            request.header("Authorization", "Bearer " + settings.token());
        }
        return request.build();
    }

    /** Whether an address is of the host that the token is for. */
    boolean isHub(URI uri) {
        URI hub = settings.endpoint();
        return hub.getScheme().equals(uri.getScheme())
                && hub.getHost().equalsIgnoreCase(uri.getHost())
                && port(hub) == port(uri);
    }

    private static int port(URI uri) {
        if (uri.getPort() >= 0) {
            return uri.getPort();
        }
        return uri.getScheme().equals("https") ? 443 : 80;
    }

    /** The client's own limit ends with the headers, and a body may be awaited here. */
    private <T> HttpResponse<T> send(HttpRequest request, BodyHandler<T> body) throws IOException {
        CompletableFuture<HttpResponse<T>> answer = HTTP.sendAsync(request, body);
        try {
            return answer.get(patience.silence().toMillis() * 2, TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
            answer.cancel(true);
            throw new HttpTimeoutException(
                    "no whole answer came in " + patience.silence().toMillis() * 2 / 1e3 + " s");
        } catch (InterruptedException e) {
            answer.cancel(true);
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("interrupted");
        } catch (ExecutionException e) {
            throw e.getCause() instanceof IOException io ? io : new IOException(e.getCause());
        }
    }
}
