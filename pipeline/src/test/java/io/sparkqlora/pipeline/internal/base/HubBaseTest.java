// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.base;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.pipeline.TestJobs;
import io.sparkqlora.pipeline.internal.base.HubServer.Fault;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The Hub's protocol and the cache of its library, against a server that speaks it, well and badly. */
class HubBaseTest {

    private static final String COMMIT = "0123456789abcdef0123456789abcdef01234567";
    private static final String TOKEN = "hf_secret";
    private static final Patience SHORT = new Patience(Duration.ofMillis(400), 4, Duration.ofMillis(1));

    @TempDir
    Path dir;

    private final HubServer server = new HubServer();
    private Path model;

    @BeforeEach
    void fillHub() throws IOException {
        model = TestJobs.copyOfBase(dir.resolve("model"));
        Files.writeString(model.resolve("pytorch_model.bin"), "never read");
        Files.writeString(model.resolve("consolidated.safetensors"), "never read");
        server.commit(COMMIT, model);
    }

    @AfterEach
    void stop() {
        server.close();
    }

    private HubBase base(String revision) {
        return base(revision, TOKEN, false);
    }

    private HubBase base(String revision, String token, boolean offline) {
        HubSettings settings = new HubSettings(URI.create(server.endpoint()), token, offline, dir.resolve("hub"));
        return new HubBase(new BaseName.Hub(HubServer.MODEL, revision), settings, SHORT);
    }

    private Path cached(String path) {
        return dir.resolve("hub/models--org--llama").resolve(path);
    }

    private void requireWhole(Path folder) {
        for (String name : List.of(
                "config.json",
                "generation_config.json",
                "model.safetensors",
                "tokenizer.json",
                "tokenizer_config.json")) {
            assertThat(folder.resolve(name)).hasSameBinaryContentAs(model.resolve(name));
        }
    }

    @Test
    void filesComeOnceIntoTheLayoutOfTheHubsOwnCache() throws IOException {
        Path folder = base("main").folder(BasePart.TOKENIZER);
        assertThat(folder).isEqualTo(cached("snapshots/" + COMMIT)).isDirectoryNotContaining("glob:**.safetensors");
        assertThat(base("main").missing()).isEqualTo(Files.size(model.resolve("model.safetensors")));
        requireWhole(base("main").folder(BasePart.ALL));
        assertThat(server.requests()).noneMatch(path -> path.contains(".bin") || path.contains("consolidated"));

        assertThat(cached("refs/main")).hasContent(COMMIT);
        String blob = Hashes.sha256(model.resolve("model.safetensors"));
        assertThat(Files.readSymbolicLink(folder.resolve("model.safetensors"))).hasToString("../../blobs/" + blob);
        assertThat(Files.readSymbolicLink(folder.resolve("config.json")))
                .hasToString("../../blobs/" + Hashes.gitBlob(model.resolve("config.json")));
        assertThat(cached(".no_exist/" + COMMIT + "/chat_template.jinja")).isEmptyFile();
        try (Stream<Path> blobs = Files.list(cached("blobs"))) {
            assertThat(blobs).hasSize(5).noneMatch(file -> file.toString().endsWith("incomplete"));
        }

        server.forget();
        requireWhole(base("main").folder(BasePart.ALL));
        assertThat(server.requests()).containsExactly("GET /api/models/org/llama/revision/main!");
        server.forget();
        requireWhole(base(COMMIT).folder(BasePart.ALL));
        assertThat(server.requests()).isEmpty();
    }

    @Test
    void theTokenIsForTheHubAlone() {
        server.require(TOKEN);
        requireWhole(base("main").folder(BasePart.ALL));
        assertThat(server.requests())
                .contains("GET /" + COMMIT + "/model.safetensors")
                .contains("GET /org/llama/resolve/" + COMMIT + "/model.safetensors!")
                .allMatch(request -> request.endsWith("!") != request.startsWith("GET /" + COMMIT));
    }

    /** Python fetched some files; which others there are only the Hub knows, and nothing comes twice. */
    @Test
    void whatPythonFetchedIsTaken() throws IOException {
        String blob = Hashes.sha256(model.resolve("model.safetensors"));
        Files.createDirectories(cached("blobs"));
        Files.createDirectories(cached("snapshots/" + COMMIT));
        Files.copy(model.resolve("model.safetensors"), cached("blobs/" + blob));
        Files.createSymbolicLink(cached("snapshots/" + COMMIT + "/model.safetensors"), Path.of("../../blobs/" + blob));
        Files.copy(model.resolve("config.json"), cached("blobs/" + Hashes.gitBlob(model.resolve("config.json"))));
        requireWhole(base("main").folder(BasePart.ALL));
        assertThat(server.asked("GET"))
                .noneMatch(path -> path.contains("model.safetensors") || path.contains("/config.json"))
                .anyMatch(path -> path.contains("tokenizer.json"));
    }

    @Test
    void offlineTheCacheIsAllThereIs() throws IOException {
        assertThatThrownBy(() -> base("main", null, true).folder(BasePart.TOKENIZER))
                .hasMessageStartingWith("QLORA-P188: revision main of hf://org/llama@main is not in the cache " + dir)
                .hasMessageContaining("HF_HUB_OFFLINE is set");
        base("main").folder(BasePart.TOKENIZER);
        server.forget();
        assertThatThrownBy(() -> base("main", null, true).folder(BasePart.ALL))
                .hasMessageStartingWith("QLORA-P188: a part of its weights of hf://org/llama@main");
        assertThat(base("main", null, true).folder(BasePart.TOKENIZER)).isEqualTo(cached("snapshots/" + COMMIT));
        base("main").folder(BasePart.ALL);
        Files.delete(cached("snapshots/" + COMMIT + "/tokenizer.json"));
        server.forget();
        assertThatThrownBy(() -> base(COMMIT, null, true).folder(BasePart.ALL))
                .hasMessageStartingWith("QLORA-P188: tokenizer.json of hf://org/llama@" + COMMIT);
        assertThat(server.requests()).isEmpty();
    }

    /** Each goes wrong for a large file on its way from the storage, and for a small one on its way from the Hub. */
    @ParameterizedTest
    @EnumSource(
            value = Fault.class,
            names = {"BAD_ETAG", "NO_RANGES"},
            mode = EnumSource.Mode.EXCLUDE)
    void anAnswerThatGoesWrongIsAskedForAgain(Fault fault) {
        server.fault("model.safetensors", fault);
        server.fault("config.json", fault);
        server.fault("main", fault == Fault.STATUS_500 || fault == Fault.STATUS_429 ? fault : Fault.STATUS_500);
        server.fault("HEAD tokenizer.json", Fault.STATUS_500);
        requireWhole(base("main").folder(BasePart.ALL));
    }

    @Test
    void whatHasComeIsNotAskedForAgain() {
        server.fault("model.safetensors", Fault.SHORT_BODY);
        requireWhole(base("main").folder(BasePart.ALL));
        assertThat(server.requests())
                .anyMatch(request -> request.matches("GET /" + COMMIT + "/model.safetensors bytes=1\\d+-"));
        assertThat(server.requests())
                .filteredOn(each -> each.contains("/model.safetensors"))
                .hasSize(5);
    }

    @Test
    void aServerThatIgnoresRangesGivesTheWholeAgain() {
        server.fault("model.safetensors", Fault.SHORT_BODY, Fault.NO_RANGES);
        requireWhole(base("main").folder(BasePart.ALL));
    }

    @Test
    void otherBytesAreAnErrorTheSecondTime() throws IOException {
        server.fault("tokenizer.json", Fault.OTHER_BYTES, Fault.OTHER_BYTES);
        assertThatThrownBy(() -> base("main").folder(BasePart.TOKENIZER))
                .hasMessageStartingWith("QLORA-P187: hf://org/llama@main/tokenizer.json came twice with other bytes")
                .hasMessageContaining("git's SHA-1 ")
                .hasMessageContaining("expected " + Hashes.gitBlob(model.resolve("tokenizer.json")));
        assertThat(cached("snapshots/" + COMMIT + "/tokenizer.json")).doesNotExist();
        requireWhole(base("main").folder(BasePart.ALL));
    }

    @Test
    void whatTheHubWillNotGiveIsOneLineWithItsFix() throws IOException {
        HubSettings settings = new HubSettings(URI.create(server.endpoint()), null, false, dir.resolve("hub"));
        assertThatThrownBy(
                        () -> new HubBase(new BaseName.Hub("org/none", "main"), settings, SHORT).folder(BasePart.ALL))
                .hasMessageStartingWith("QLORA-P182: http://127.0.0.1:")
                .hasMessageContainingAll("has no hf://org/none@main for this user (status 401)", "set HF_TOKEN");
        refused("dev", "QLORA-P184: hf://org/llama@dev: ", "the model has no revision dev; name a branch");
        server.require("another");
        refused("main", "QLORA-P185: http://127.0.0.1:", "refuses HF_TOKEN");
        server.require(null);
        server.refuse("GatedRepo");
        refused(
                "main",
                "QLORA-P183: hf://org/llama@" + COMMIT + " is gated; agree to its terms at",
                "/org/llama with the account");
        server.refuse(null);
        server.fault("HEAD config.json", Fault.BAD_ETAG);
        refused("main", "QLORA-P194: ", "its ETag 'abc' and length");
        Files.delete(model.resolve("model.safetensors"));
        refused("main", "QLORA-P189: ", "hf://org/llama@main has pickled weights only (pytorch_model.bin)");
        server.close();
        refused("main", "QLORA-P186: hf://org/llama@main can't be looked up at", "HF_HUB_OFFLINE=1");
    }

    private void refused(String revision, String begins, String... says) {
        assertThatThrownBy(() -> base(revision).folder(BasePart.ALL))
                .hasMessageStartingWith(begins)
                .hasMessageContainingAll(says)
                .hasMessageNotContaining(TOKEN)
                .satisfies(error -> assertThat(error.getMessage()).doesNotContain("\n"));
    }

    @Test
    void aHubThatNeverAnswersIsGivenUp() {
        server.fault("main", Fault.NO_ANSWER, Fault.NO_ANSWER, Fault.NO_ANSWER, Fault.NO_ANSWER);
        refused("main", "QLORA-P186: hf://org/llama@main can't be looked up at", "timed out");
    }

    @Test
    void shardsAreThoseThatTheIndexNames() throws IOException {
        Files.move(model.resolve("model.safetensors"), model.resolve("model-1.safetensors"));
        Files.writeString(
                model.resolve("model.safetensors.index.json"), "{\"weight_map\":{\"a\":\"model-1.safetensors\"}}");
        assertThat(base("main").missing()).isEqualTo(Files.size(model.resolve("model-1.safetensors")));
        Path folder = base("main").folder(BasePart.ALL);
        assertThat(folder.resolve("model-1.safetensors")).hasSameBinaryContentAs(model.resolve("model-1.safetensors"));
        assertThat(folder.resolve("consolidated.safetensors")).doesNotExist();
    }
}
