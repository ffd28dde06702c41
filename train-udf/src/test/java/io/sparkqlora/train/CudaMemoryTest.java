// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.kernels.Memory;
import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QLoraException.Kind;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** A GPU whose memory others have taken. */
@Tag("gpu")
class CudaMemoryTest {

    private static final long MIB = 1 << 20;
    private static final String SETTINGS = "per_device_train_batch_size or max_seq_length";

    private static final ModelConfig MODEL = ModelConfig.parse(
            """
            {"model_type": "llama", "hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 2,
             "num_attention_heads": 16, "num_key_value_heads": 4, "vocab_size": 32000, "max_position_embeddings": 4096,
             "tie_word_embeddings": false}
            """,
            "memory");

    private static Device device;
    private static List<String> loadedBefore;

    @BeforeAll
    static void open() throws IOException {
        loadedBefore = nvidiaLibraries();
        try {
            device = Devices.open("cuda");
        } catch (QLoraException e) {
            System.err.println("SKIPPED all tests of " + CudaMemoryTest.class.getSimpleName() + ": no GPU to test on: "
                    + e.getMessage());
            Assumptions.abort(e.getMessage());
        }
    }

    @AfterAll
    static void close() {
        if (device != null) {
            device.close();
        }
    }

    /** Takes all that there is but {@code left} bytes. */
    private static List<Memory> fill(long left) {
        List<Memory> taken = new ArrayList<>();
        for (long piece = 1L << 36; piece >= MIB; ) {
            if (device.availableBytes() - left < piece) {
                piece /= 2;
                continue;
            }
            try {
                taken.add(device.allocate(piece, "a test"));
            } catch (QLoraException e) {
                piece /= 2;
            }
        }
        return taken;
    }

    private static void give(List<Memory> taken) {
        taken.forEach(Memory::close);
    }

    private static TrainingBenchmark benchmark() {
        return new TrainingBenchmark(
                MODEL,
                QuantizationConfig.nf4(ComputeType.BF16),
                1024,
                2,
                1,
                8,
                1,
                0,
                TargetModules.allLinear(),
                Recompute.NONE,
                Optim.ADAMW_TORCH,
                1,
                1,
                42);
    }

    @Test
    void aRunThatDoesNotFitIsRefusedBeforeAnythingIsAllocated() {
        double loss = benchmark().run(device).loss(); // whatever grows or is loaded once, has
        List<Memory> taken = fill(300 * MIB);
        try {
            long before = device.availableBytes();
            assertThatThrownBy(() -> benchmark().run(device))
                    .isInstanceOfSatisfying(
                            QLoraException.class, e -> assertThat(e.kind()).isEqualTo(Kind.RESOURCES))
                    .hasMessageMatching("QLORA-T028: not enough memory on cuda:0 \\(.*\\): training needs \\d+ bytes, "
                            + before + " are free; the biggest parts are .*; set recompute: full, or lower " + SETTINGS
                            + ".*");
            assertThat(device.availableBytes()).isEqualTo(before);
        } finally {
            give(taken);
        }
        assertThat(benchmark().run(device).loss()).isEqualTo(loss);
    }

    @Test
    void aBaseThatDoesNotFitIsAnErrorThatLeavesNothingAllocated() {
        benchmark().run(device);
        List<Memory> taken = fill(100 * MIB);
        try {
            long before = device.availableBytes();
            WeightSource weights = benchmark().randomWeights();
            assertThatThrownBy(() ->
                            Generator.open(device, MODEL, weights, QuantizationConfig.dense(ComputeType.BF16), null))
                    .isInstanceOfSatisfying(
                            QLoraException.class, e -> assertThat(e.kind()).isEqualTo(Kind.RESOURCES))
                    .hasMessageMatching(
                            "QLORA-K002: not enough memory on cuda:0 \\(.*\\) for the .*: needs \\d+ bytes, \\d+ are"
                                    + " free; lower " + SETTINGS
                                    + ", set recompute to full or load_in_4bit to true, or use .*");
            // the driver may have found pages that it had kept for itself
            assertThat(device.availableBytes()).isGreaterThanOrEqualTo(before);
        } finally {
            give(taken);
        }
    }

    @Test
    void aStepThatFindsNoMemoryFailsAloneAndTheNextOneIsAsIfNothingHadBeen() {
        int[] tokens = new int[1024];
        for (int i = 0; i < tokens.length; i++) {
            tokens[i] = i * 31 % 32000;
        }
        List<List<PackedRow>> step = List.of(List.of(PackedRow.single(0, tokens, tokens)));
        double expected;
        try (Device fresh = Devices.open("cuda");
                TrainingSession session = session(fresh)) {
            expected = session.step(step).loss();
        }
        try (Device fresh = Devices.open("cuda");
                TrainingSession session = session(fresh)) {
            List<Memory> taken = fill(0);
            try {
                session.step(step); // what a step needs may have been there already: then it must be right
            } catch (QLoraException e) {
                assertThat(e.kind()).as(e.getMessage()).isEqualTo(Kind.RESOURCES);
                assertThat(e).hasMessageContaining(SETTINGS);
                assertThat(session.stepsDone()).isZero();
            } finally {
                give(taken);
            }
            if (session.stepsDone() == 0) {
                assertThat(session.step(step).loss()).isEqualTo(expected);
            }
        }
    }

    /** Sequences of a token or two are the most that so many tokens can be. */
    @Test
    void manyShortSequencesTakeNoMoreThanThePlan() {
        int[] tokens = new int[1024];
        int[] ones = new int[1024];
        Arrays.fill(ones, 1);
        int[] twos = new int[512];
        Arrays.fill(twos, 2);
        long planned = MemoryPlan.of(
                        Devices.traits("cuda"),
                        MODEL,
                        QuantizationConfig.nf4(ComputeType.BF16),
                        TestSessions.LORA,
                        TestSessions.ARGUMENTS,
                        1024)
                .total();
        try (Device fresh = Devices.open("cuda");
                TrainingSession session = session(fresh)) {
            for (int[] lengths : List.of(twos, new int[] {1024}, ones, twos)) {
                List<PackedRow> rows = List.of(new PackedRow(0, tokens, tokens, lengths));
                if (lengths == ones) {
                    session.evaluate(rows, true); // a single token predicts nothing
                } else {
                    session.step(List.of(rows, rows));
                }
                assertThat(fresh.peakBytes()).isLessThanOrEqualTo(planned);
            }
            assertThat(session.stepsDone()).isEqualTo(3);
        }
    }

    private static TrainingSession session(Device on) {
        return TrainingSession.open(
                on,
                MODEL,
                benchmark().randomWeights(),
                QuantizationConfig.nf4(ComputeType.BF16),
                TestSessions.LORA,
                TestSessions.ARGUMENTS,
                1024);
    }

    /**
     * The driver brings libraries of its own (libnvidia-…); CUDA's would be cudart, cuBLAS, cuDNN, NVRTC and the like. What a test of
     * ranks loaded into this JVM before, NCCL, doesn't count.
     */
    @Test
    void aStepNeedsTheDriversLibrariesAlone() throws IOException {
        benchmark().run(device);
        List<String> names = nvidiaLibraries();
        assertThat(names).anyMatch(name -> name.startsWith("libcuda.so"));
        assertThat(names)
                .filteredOn(name -> !loadedBefore.contains(name))
                .allMatch(name -> name.startsWith("libcuda.so") || name.startsWith("libnvidia-"));
    }

    private static List<String> nvidiaLibraries() throws IOException {
        return Pattern.compile("/(lib(?:cu|nv|nccl)[^/\\s]*\\.so[^/\\s]*)$", Pattern.MULTILINE)
                .matcher(Files.readString(Path.of("/proc/self/maps")))
                .results()
                .map(result -> result.group(1))
                .distinct()
                .toList();
    }
}
