// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.safetensors;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QLoraException.Kind;
import io.sparkqlora.train.TinyModels;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Damaged files either read as something consistent with their own size, or are refused with a {@link QLoraException}. */
class SafetensorsFuzzTest {

    private static final int ROUNDS = 400;
    private static final String JSON_CHARACTERS = "{}[]\",:0123456789-.eE \\u";

    @TempDir
    Path folder;

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5})
    void anyDamageIsNoticedOrHarmless(long seed) throws IOException {
        Path whole = folder.resolve("whole.safetensors");
        SafetensorsWriter.write(whole, TinyModels.tensors().subList(0, 4), Map.of("format", "pt"));
        byte[] bytes = Files.readAllBytes(whole);
        Random random = new Random(seed);
        int refused = 0;
        for (int round = 0; round < ROUNDS; round++) {
            Path damaged = Files.write(folder.resolve("damaged.safetensors"), damage(bytes.clone(), random));
            refused += readAll(damaged, seed, round) ? 0 : 1;
        }
        assertThat(refused).isGreaterThan(ROUNDS / 4);
    }

    private static byte[] damage(byte[] bytes, Random random) {
        int header = (int) ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getLong(0);
        int edits = 1 + random.nextInt(4);
        for (int edit = 0; edit < edits; edit++) {
            int at = 8 + random.nextInt(header);
            switch (random.nextInt(5)) {
                case 0 -> bytes[at] = (byte) random.nextInt(256);
                case 1 -> bytes[random.nextInt(8)] = (byte) random.nextInt(256);
                case 2 -> bytes = Arrays.copyOf(bytes, random.nextInt(bytes.length + 16));
                case 3 -> bytes[Math.min(at, bytes.length - 1)] = (byte) ('0' + random.nextInt(10));
                default -> bytes[at] = (byte) JSON_CHARACTERS.charAt(random.nextInt(JSON_CHARACTERS.length()));
            }
            if (bytes.length < 8 + header) {
                break;
            }
        }
        return bytes;
    }

    /** Whether it could be read; reads every byte of every tensor. */
    private static boolean readAll(Path file, long seed, int round) throws IOException {
        try (SafetensorsFile read = SafetensorsFile.open(file)) {
            long sum = read.headerBytes().remaining();
            for (String name : read.names()) {
                ByteBuffer data = read.read(name);
                assertThat((long) data.remaining()).isEqualTo(read.info(name).bytes());
                while (data.hasRemaining()) {
                    data.get();
                    sum++;
                }
            }
            assertThat(sum).isEqualTo(Files.size(file));
            return true;
        } catch (QLoraException e) {
            assertThat(e.kind()).isEqualTo(Kind.INPUT);
            assertThat(e.getMessage()).contains(file.toString()).hasLineCount(1);
            return false;
        } catch (RuntimeException e) {
            return fail("seed " + seed + ", round " + round, e);
        }
    }
}
