// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.base;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparkqlora.pipeline.HubErrors;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;

/** The questions that the Hugging Face Hub is asked. Each is asked again where another attempt may get an answer. */
final class HubClient {

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int OK = 200;
    private static final int PARTIAL = 206;

    private final HubSettings settings;
    private final Patience patience;
    private final HubConnection connection;

    HubClient(HubSettings settings, Patience patience) {
        this.settings = settings;
        this.patience = patience;
        this.connection = new HubConnection(settings, patience);
    }

    /**
     * What a revision is now.
     *
     * @param commit its hash
     * @param files names of its files, with their folders
     */
    record Revision(String commit, Set<String> files) {}

    /**
     * What the Hub says of a file.
     *
     * @param etag hash of its content: SHA-256 of a large file, git's SHA-1 of another one
     * @param size its length
     */
    record Info(String etag, long size) {}

    /** The commit and the files of a revision. */
    Revision revision(BaseName.Hub name) {
        URI uri = URI.create(settings.endpoint() + "/api/models/" + name.id() + "/revision/" + quoted(name.revision()));
        return asked(name, uri, () -> {
            HttpResponse<String> answer = connection.get(uri, 0, BodyHandlers.ofString());
            HubFailures.check(answer, name, settings);
            return revision(uri, answer.body());
        });
    }

    private static Revision revision(URI uri, String body) throws IOException {
        JsonNode json;
        try {
            json = JSON.readTree(body);
        } catch (JsonProcessingException e) {
            throw new IOException("the answer is no JSON", e);
        }
        Set<String> files = new TreeSet<>();
        json.path("siblings").forEach(file -> files.add(file.path("rfilename").asText()));
        String commit = json.path("sha").asText();
        if (!commit.matches("[0-9a-f]{40}")) {
            throw HubErrors.notTheHub(uri.toString(), "its answer names no commit");
        }
        return new Revision(commit, files);
    }

    /** Hash and length of a file of a commit. */
    Info info(BaseName.Hub name, String file) {
        URI uri = uri(name, file);
        return asked(name, uri, () -> {
            HttpResponse<Void> answer = connection.head(uri);
            HubFailures.check(answer, name, settings);
            String etag = header(answer, "x-linked-etag", header(answer, "etag", ""))
                    .replaceFirst("^W/", "")
                    .replace("\"", "")
                    .toLowerCase(Locale.ROOT);
            String size = header(answer, "x-linked-size", header(answer, "content-length", ""));
            if (!etag.matches("[0-9a-f]{40}|[0-9a-f]{64}") || !size.matches("\\d{1,18}")) {
                throw HubErrors.notTheHub(
                        uri.toString(),
                        "its ETag '" + etag + "' and length '" + size + "' are no hash and length to check a copy by");
            }
            return new Info(etag, Long.parseLong(size));
        });
    }

    /** The bytes of a file; asked once. */
    RemoteFile.Opened open(BaseName.Hub name, String file, long position) throws IOException {
        HttpResponse<InputStream> answer = connection.get(uri(name, file), position, BodyHandlers.ofInputStream());
        try {
            HubFailures.check(answer, name, settings);
            return new RemoteFile.Opened(answer.body(), start(answer, position));
        } catch (IOException | RuntimeException e) {
            answer.body().close();
            throw e;
        }
    }

    private static long start(HttpResponse<?> answer, long position) throws IOException {
        if (answer.statusCode() == OK) {
            return 0;
        }
        String range = header(answer, "content-range", "");
        if (answer.statusCode() != PARTIAL || !range.startsWith("bytes " + position + "-")) {
            throw new IOException(
                    "asked for bytes from " + position + ", status " + answer.statusCode() + " gives '" + range + "'");
        }
        return position;
    }

    private <T> T asked(BaseName.Hub name, URI uri, Patience.Attempt<T> question) {
        try {
            return patience.retrying(question);
        } catch (IOException e) {
            throw HubErrors.hubUnreachable(name.toString(), uri.toString(), e);
        }
    }

    private URI uri(BaseName.Hub name, String file) {
        return URI.create(settings.endpoint() + "/" + name.id() + "/resolve/" + name.revision() + "/" + quoted(file));
    }

    private static String quoted(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20");
    }

    private static String header(HttpResponse<?> answer, String name, String absent) {
        return answer.headers().firstValue(name).orElse(absent);
    }
}
