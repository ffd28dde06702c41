// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.base;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.pipeline.TestJobs;
import io.sparkqlora.pipeline.internal.base.TestFileSystem.Fault;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class StoreBaseTest {

    private static final Patience SHORT = new Patience(Duration.ofMillis(300), 3, Duration.ofMillis(1));

    @TempDir
    Path dir;

    private Path store;

    @BeforeEach
    void fillStore() throws IOException {
        TestFileSystem.reset();
        store = TestJobs.copyOfBase(dir.resolve("llama"));
        Files.writeString(store.resolve("pytorch_model.bin"), "never read");
        Files.writeString(store.resolve("consolidated.safetensors"), "the same weights in another layout");
        Files.createDirectory(store.resolve("original"));
    }

    @AfterEach
    void mend() {
        TestFileSystem.reset();
    }

    private StoreBase base() {
        return new StoreBase(URI.create("test://" + store), TestFileSystem.settings(), dir.resolve("cache"), SHORT);
    }

    private static List<String> names(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    @Test
    void onlyWhatIsNeededIsBroughtAndOnce() throws IOException {
        Path folder = base().folder(BasePart.TOKENIZER);
        assertThat(names(folder))
                .containsExactly("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json");
        assertThat(base().missing()).isEqualTo(Files.size(store.resolve("model.safetensors")));
        assertThat(base().folder(BasePart.ALL)).isEqualTo(folder);
        assertThat(names(folder)).hasSize(5).contains("model.safetensors");
        for (String name : names(folder)) {
            assertThat(folder.resolve(name)).hasSameBinaryContentAs(store.resolve(name));
        }
        assertThat(TestFileSystem.opened()).hasSize(5);
        assertThat(base().folder(BasePart.ALL)).isEqualTo(folder);
        assertThat(base().missing()).isZero();
        assertThat(TestFileSystem.opened()).hasSize(5);
    }

    @Test
    void shardsAreThoseThatTheIndexNames() throws IOException {
        Files.delete(store.resolve("model.safetensors"));
        Files.writeString(store.resolve("model-1.safetensors"), "one");
        Files.writeString(store.resolve("model-2.safetensors"), "two");
        index(
                "{\"weight_map\":{\"a\":\"model-1.safetensors\",\"b\":\"model-2.safetensors\",\"c\":\"model-1.safetensors\"}}");
        assertThat(base().missing()).isEqualTo(6);
        assertThat(names(base().folder(BasePart.ALL)))
                .contains("model-1.safetensors", "model-2.safetensors", "model.safetensors.index.json")
                .doesNotContain("consolidated.safetensors", "pytorch_model.bin");
        index("{\"weight_map\":{\"a\":\"model-3.safetensors\"}}");
        refused("QLORA-P193", "its weight_map names model-3.safetensors, which is not there");
        index("{\"weight_map\":{\"a\":\"../secret.safetensors\"}}");
        refused("QLORA-P193", "'../secret.safetensors', which is no safetensors file beside it");
        index("{}");
        refused("QLORA-P193", "its weight_map has no entry");
    }

    private void index(String json) throws IOException {
        Files.writeString(store.resolve("model.safetensors.index.json"), json);
    }

    private void refused(String code, String... says) {
        assertThatThrownBy(() -> base().folder(BasePart.ALL))
                .hasMessageStartingWith(code)
                .hasMessageContainingAll(says);
    }

    @Test
    void aStreamThatBreaksEndsOrHangsIsGoneOnWith() {
        TestFileSystem.fault("model.safetensors", Fault.BREAKS, 100_000);
        TestFileSystem.fault("model.safetensors", Fault.ENDS, 50_000);
        TestFileSystem.fault("model.safetensors", Fault.HANGS, 10_000);
        Path folder = base().folder(BasePart.ALL);
        assertThat(folder.resolve("model.safetensors")).hasSameBinaryContentAs(store.resolve("model.safetensors"));
        assertThat(TestFileSystem.opened())
                .contains(
                        "model.safetensors@0",
                        "model.safetensors@100000",
                        "model.safetensors@150000",
                        "model.safetensors@160000");
    }

    @Test
    void whatNeverComesIsAnErrorAndTheNextCommandGoesOn() {
        for (int i = 0; i < 3; i++) {
            TestFileSystem.fault("model.safetensors", Fault.BREAKS, i == 0 ? 1000 : 0);
        }
        TestFileSystem.fault("model.safetensors", Fault.BREAKS, 0);
        refused("QLORA-P186", "test:", "/llama/model.safetensors can't be fetched: the store's connection was reset");
        assertThat(base().folder(BasePart.ALL).resolve("model.safetensors"))
                .hasSameBinaryContentAs(store.resolve("model.safetensors"));
        assertThat(TestFileSystem.opened()).endsWith("model.safetensors@1000");
    }

    @Test
    void aSourceThatStaysSilentIsGivenUp() {
        for (int i = 0; i < 3; i++) {
            TestFileSystem.fault("config.json", Fault.HANGS, 0);
        }
        refused("QLORA-P186", "config.json can't be fetched: no byte came for 0.3 s");
    }

    @Test
    void anotherCheckpointUnderThePathIsAnotherCopy() throws IOException {
        Path before = base().folder(BasePart.ALL);
        Files.writeString(store.resolve("tokenizer_config.json"), "{}");
        Path after = base().folder(BasePart.ALL);
        assertThat(after).isNotEqualTo(before);
        assertThat(after.resolve("tokenizer_config.json")).hasContent("{}");
        assertThat(before.resolve("tokenizer_config.json"))
                .hasSameBinaryContentAs(TestJobs.base().resolve("tokenizer_config.json"));
    }

    @Test
    void whatCanNotBeACheckpointIsRefused() throws IOException {
        Files.delete(store.resolve("model.safetensors"));
        refused("QLORA-P189", "pickled weights only (pytorch_model.bin)");
        Files.delete(store.resolve("pytorch_model.bin"));
        refused("QLORA-P193", "neither model.safetensors nor");
        store = dir.resolve("nowhere");
        refused("QLORA-P192", "correct the path");
        assertThatThrownBy(() -> new StoreBase(
                        URI.create("nofs://bucket/base"), TestFileSystem.settings(), dir.resolve("cache"), SHORT))
                .hasMessageStartingWith("QLORA-P192: model_name_or_path nofs://bucket/base can't be looked at: ")
                .hasMessageContaining("add the connector's jar");
    }

    @Test
    void roomIsLookedForBeforeAByteIsRead() {
        base().folder(BasePart.TOKENIZER);
        TestFileSystem.claim("model.safetensors", 1L << 60);
        refused("QLORA-P190", (1L << 60) + " bytes", "make room, or set cache_dir");
        assertThat(TestFileSystem.opened()).doesNotContain("model.safetensors@0");
    }

    @Test
    void aCacheThatCanNotBeWrittenIsRefused() throws IOException {
        Files.writeString(dir.resolve("cache"), "a file");
        refused("QLORA-P191", dir.resolve("cache").toString(), "set cache_dir");
    }

    /** Three threads of this process, and before them one that waits for another process, which holds the lock until it is told. */
    @Test
    void oneBringsAndTheOthersFindIt() throws Exception {
        Path held = dir.resolve("held.lock");
        Path released = dir.resolve("released");
        Process holder = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-cp",
                        System.getProperty("java.class.path"),
                        LockHolder.class.getName(),
                        held.toString(),
                        released.toString())
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        assertThat(holder.inputReader(StandardCharsets.UTF_8).readLine()).isEqualTo("held");
        FutureTask<Boolean> afterIt = new FutureTask<>(() -> {
            try (HostLock lock = HostLock.acquire(held)) {
                return lock != null && Files.exists(released);
            }
        });
        Thread waiting = new Thread(afterIt);
        waiting.start();
        awaitLocking(waiting);
        holder.outputWriter(StandardCharsets.UTF_8).close();
        assertThat(afterIt.get(1, TimeUnit.MINUTES)).isTrue();
        assertThat(holder.waitFor()).isZero();

        List<Path> folders = Stream.of(base(), base(), base())
                .parallel()
                .map(base -> base.folder(BasePart.ALL))
                .distinct()
                .toList();
        assertThat(folders).hasSize(1);
        assertThat(TestFileSystem.opened()).hasSize(5);
    }

    /** Until a thread waits for a file's lock. */
    private static void awaitLocking(Thread thread) {
        long end = System.nanoTime() + TimeUnit.MINUTES.toNanos(1);
        while (Stream.of(thread.getStackTrace())
                .noneMatch(frame -> frame.getClassName().endsWith("FileChannelImpl")
                        && frame.getMethodName().equals("lock"))) {
            assertThat(System.nanoTime()).as("it waits for the lock").isLessThan(end);
            Thread.onSpinWait();
        }
    }

    /** Holds a lock until its input ends; says so with a file before it lets go. */
    static final class LockHolder {

        public static void main(String[] arguments) throws IOException {
            try (HostLock lock = HostLock.acquire(Path.of(arguments[0]))) {
                System.out.println(lock == null ? "" : "held");
                System.in.read();
                Files.createFile(Path.of(arguments[1]));
            }
        }
    }
}
