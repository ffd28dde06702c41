// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.safetensors;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.kernels.ByteSource;
import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QLoraException.Kind;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class WeightFileTest {

    private static final int SIZE = (5 << 20) + 1234;

    @TempDir
    Path folder;

    private final byte[] data = new byte[SIZE];
    private final ByteBuffer space = ByteBuffer.allocateDirect((6 << 20) + ByteSource.SLACK + ByteSource.ALIGNMENT)
            .alignedSlice(ByteSource.ALIGNMENT);

    private Path file() throws IOException {
        new Random(1).nextBytes(data);
        return Files.write(folder.resolve("weights"), data);
    }

    private static byte[] bytes(ByteBuffer buffer) {
        byte[] bytes = new byte[buffer.remaining()];
        buffer.get(bytes);
        return bytes;
    }

    @Test
    void anyStretchIsReadThroughTheCacheAndPastIt() throws IOException {
        try (WeightFile file = WeightFile.open(file())) {
            for (int position : new int[] {0, 1, 4095, 4096, 1_000_001}) {
                for (int count : new int[] {1, 4096, 100_000, (4 << 20) - 7, SIZE - position}) {
                    int end = Math.min(SIZE, position + count);
                    byte[] expected = Arrays.copyOfRange(data, position, end);
                    assertThat(bytes(file.read(position, end - position, space)))
                            .as("%s bytes from %s", count, position)
                            .isEqualTo(expected);
                    assertThat(bytes(file.readDirect(position, end - position, space)))
                            .as("%s bytes from %s past the cache", count, position)
                            .isEqualTo(expected);
                }
            }
        }
    }

    @Test
    void aFileThatGotShorterIsAnErrorWithThePlace() throws IOException {
        Path path = file();
        try (WeightFile file = WeightFile.open(path)) {
            Files.write(path, Arrays.copyOf(data, 3_000_000));
            for (boolean direct : new boolean[] {false, true}) {
                assertThatThrownBy(() -> {
                            if (direct) {
                                file.readDirect(1_000_000, 4_000_000, space);
                            } else {
                                file.read(1_000_000, 4_000_000, space);
                            }
                        })
                        .isInstanceOfSatisfying(
                                QLoraException.class, e -> assertThat(e.kind()).isEqualTo(Kind.INPUT))
                        .hasMessage(
                                "QLORA-T040: " + path + " ends at byte 3000000, weights reach to byte 5000000: it was"
                                        + " cut after it was opened; download or copy it again");
            }
        }
    }

    @Test
    void aReadThatFailsIsAnErrorWithThePlace() throws IOException {
        Path path = file();
        WeightFile file = WeightFile.open(path);
        file.close();
        assertThatThrownBy(() -> file.read(77, 100, space))
                .hasMessageMatching("QLORA-T041: .*weights can't be read from byte 77 on: .*; check the disk, or .*")
                .hasNoSuppressedExceptions();
    }

    @Test
    void whatWasJustWrittenIsInTheCache() throws IOException {
        try (WeightFile file = WeightFile.open(file())) {
            file.read(0, SIZE, space);
            assertThat(file.cached(0, SIZE)).isTrue();
            assertThat(file.cached(1_000_001, 4_000_000)).isTrue();
            assertThat(file.cached(SIZE - 1, 2)).isFalse();
        }
    }
}
