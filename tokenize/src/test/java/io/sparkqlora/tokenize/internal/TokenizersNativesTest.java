// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TokenizersNativesTest {

    private static final String CACHE = "ENGINE_CACHE_DIR";

    @TempDir
    Path dir;

    @AfterEach
    void forget() {
        System.clearProperty(CACHE);
    }

    /** What asks for GPUs, and takes CUDA's runtime library into the process for it, is never loaded. */
    @Test
    void nobodyLooksForAGpu() throws Exception {
        TokenizersNatives.load();
        Method loaded = ClassLoader.class.getDeclaredMethod("findLoadedClass", String.class);
        loaded.setAccessible(true);
        ClassLoader loader = TokenizersLibrary.class.getClassLoader();
        assertThat(loaded.invoke(loader, TokenizersLibrary.class.getName())).isNotNull();
        for (String name : List.of("ai.djl.util.cuda.CudaUtils", "ai.djl.util.Platform")) {
            assertThat(loaded.invoke(loader, name)).as(name).isNull();
        }
    }

    @Test
    void aFileThatIsNotWholeIsUnpackedAgain() throws Exception {
        System.setProperty(CACHE, dir.toString());
        TokenizersNatives.load();
        Path file = onlyFile();
        byte[] whole = Files.readAllBytes(file);
        // another file: the one that is loaded must stay what it is
        Files.delete(file);
        Files.write(file, new byte[10]);
        TokenizersNatives.load();
        assertThat(onlyFile()).isEqualTo(file).hasBinaryContent(whole);
    }

    @Test
    void aFolderThatCantBeMadeIsNamed() throws Exception {
        Path file = Files.createFile(dir.resolve("file"));
        System.setProperty(CACHE, file.toString());
        assertThatThrownBy(TokenizersNatives::load)
                .hasMessageContaining("QLORA-D008: the tokenizers library can't be loaded from /native/lib/linux-")
                .hasMessageContaining(file.toString())
                .hasMessageContaining("set ENGINE_CACHE_DIR to a folder that can be written");
    }

    private Path onlyFile() throws Exception {
        try (Stream<Path> files = Files.walk(dir).filter(Files::isRegularFile)) {
            List<Path> all = files.toList();
            assertThat(all).hasSize(1);
            return all.get(0);
        }
    }
}
