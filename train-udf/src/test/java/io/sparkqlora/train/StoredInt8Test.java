// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import static io.sparkqlora.train.ChangedCheckpoint.GONE;
import static io.sparkqlora.train.ChangedCheckpoint.SAME;
import static io.sparkqlora.train.ChangedCheckpoint.shaped;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.train.internal.collective.Ranks;
import io.sparkqlora.train.internal.collective.Ranks.Ended;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Checkpoints in bitsandbytes' 8 bits; {@link ParityTest} holds the logits of one against bitsandbytes' own. */
class StoredInt8Test {

    private static final Path STORED = Path.of("src/test/resources/parity/llama-bnb-int8");
    private static final Path LLAMA = Path.of("src/test/resources/parity/llama");
    private static final String MODULE = "model.layers.0.self_attn.q_proj";
    private static final String Q = MODULE + ".weight";
    private static final String SCALES = MODULE + ".SCB";
    private static final String FORMAT = MODULE + ".weight_format";
    private static final QuantizationConfig INT8 = QuantizationConfig.int8(ComputeType.F32);
    private static final UnaryOperator<String> CONFIG = UnaryOperator.identity();

    @TempDir
    Path temp;

    private final Device device = Devices.open(System.getProperty("qlora.test.backend", "cpu"));

    @AfterEach
    void close() {
        device.close();
    }

    private TrainingState trained(Path folder, QuantizationConfig held) {
        return StoredWeightsTest.trained(device, folder, held, TestSessions.ARGUMENTS);
    }

    private ChangedCheckpoint stored() {
        return new ChangedCheckpoint(STORED, temp);
    }

    /** bitsandbytes' own bytes train to the adapter that quantising here does, bit for bit. */
    @ParameterizedTest
    @EnumSource(ComputeType.class)
    void storedWeightsAreThoseOfQuantisingWhileLoading(ComputeType compute) {
        QuantizationConfig held = QuantizationConfig.int8(compute);
        try (Checkpoint checkpoint = Checkpoint.open(STORED)) {
            StoredQuantization stored = checkpoint.config().quantization();
            assertThat(stored).isEqualTo(StoredQuantization.int8(6, SkipModules.DEFAULT));
            assertThat(QuantizationConfig.nf4(compute).as(stored).loadIn4bit()).isFalse();
        }
        assertThat(trained(STORED, held)).isEqualTo(trained(LLAMA, held));
    }

    /** Neither the number of a format nor the older names in the configuration have to be there. */
    @Test
    void whatOlderVersionsWroteIsRead() throws IOException {
        Path folder = stored().changed(
                        text -> text.replace("\"_load_in_4bit\": false,", "")
                                .replace("\"_load_in_8bit\": true,", "")
                                .replace("\"quant_method\": \"bitsandbytes\",", "")
                                .replace("\"llm_int8_threshold\": 6.0,", ""),
                        FORMAT,
                        GONE);
        try (Checkpoint checkpoint = Checkpoint.open(folder)) {
            assertThat(checkpoint.config().quantization()).isEqualTo(StoredQuantization.int8(6, SkipModules.DEFAULT));
        }
        assertThat(trained(folder, INT8)).isEqualTo(trained(STORED, INT8));
    }

    /** With one that has outliers in these inputs. */
    @Test
    void theStoredThresholdCounts() throws IOException {
        Path folder = stored().changed(text -> text.replace("6.0", "2.0"), "", SAME);
        QuantizationConfig held;
        try (Checkpoint checkpoint = Checkpoint.open(folder)) {
            held = INT8.as(checkpoint.config().quantization());
        }
        assertThat(held.llmInt8Threshold()).isEqualTo(2);
        assertThat(trained(folder, held))
                .isEqualTo(trained(LLAMA, INT8.withInt8(2)))
                .isNotEqualTo(trained(LLAMA, INT8));
    }

    @Test
    void aSessionHoldsThemAsTheyAreStored() {
        assertThatThrownBy(() -> trained(STORED, QuantizationConfig.nf4(ComputeType.F32)))
                .hasMessageContaining("QLORA-T156: weight " + Q + " is to be held as QuantFormat[")
                .hasMessageContaining("but the checkpoint has it in 8 bits");
        assertThatThrownBy(() -> trained(STORED, QuantizationConfig.dense(ComputeType.F32)))
                .hasMessageContaining(
                        "QLORA-T156: weight " + Q + " is to be held dense, but the checkpoint has it in 8");
        assertThatThrownBy(() -> trained(Path.of("src/test/resources/parity/llama-bnb-nf4"), INT8))
                .hasMessageContaining(
                        "QLORA-T156: weight " + Q + " is to be held in 8 bits, but the checkpoint has it in 4");
    }

    @Test
    void aMergeIsThatOfTheUnquantisedBaseQuantised() throws IOException {
        Adapter adapter = AdapterFiles.read(LLAMA.resolve("adapter_final"));
        Path one = temp.resolve("one");
        Path other = temp.resolve("other");
        try (Checkpoint stored = Checkpoint.open(STORED);
                Checkpoint base = Checkpoint.open(LLAMA)) {
            MergedCheckpoint.write(device, stored, INT8, adapter, ComputeType.F32, one);
            MergedCheckpoint.write(device, base, INT8, adapter, ComputeType.F32, other);
        }
        assertThat(one.resolve("model.safetensors")).exists();
        try (Checkpoint a = Checkpoint.open(one);
                Checkpoint b = Checkpoint.open(other)) {
            assertThat(a.config()).isEqualTo(b.config());
            assertThat(a.weights().names()).hasSameElementsAs(b.weights().names());
            for (String name : b.weights().names()) {
                assertThat(a.weights().read(name))
                        .as(name)
                        .isEqualTo(b.weights().read(name));
            }
        }
        assertThat(Files.readString(one.resolve("config.json"))).doesNotContain("quantization_config");
    }

    /** Codes and scales of a layer are cut into the ranks' parts as they are stored. */
    @Test
    void ranksThatShareTheBaseGiveTheSameBits() {
        assertThat(ofRanks(true)).isEqualTo(ofRanks(false));
    }

    private static TrainingState ofRanks(boolean sharded) {
        TrainingArguments arguments = ShardedBaseTest.arguments(2, sharded, Recompute.FULL);
        List<Ended<TrainingState>> all = Ranks.run(2, Duration.ofSeconds(60), collective -> {
            try (Device own = Devices.open("cpu");
                    Checkpoint checkpoint = Checkpoint.open(STORED);
                    TrainingSession session = TrainingSession.open(
                            own,
                            checkpoint.config(),
                            checkpoint.weights(),
                            INT8,
                            TestSessions.LORA,
                            arguments,
                            TestSessions.MAX_TOKENS,
                            sharded ? collective.rank() : 0)) {
                session.step(ShardedBaseTest.batches(0, collective), collective);
                session.step(ShardedBaseTest.batches(1, collective), collective);
                return session.state();
            }
        });
        assertThat(all).allSatisfy(ended -> assertThat(ended.failure()).isNull());
        return all.get(1).value();
    }

    private static UnaryOperator<NamedTensor> scale(float value) {
        return tensor -> {
            byte[] data = tensor.data().clone();
            ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN).putFloat(4 * 7, value);
            return new NamedTensor(tensor.name(), DType.F32, tensor.shape(), data);
        };
    }

    private static UnaryOperator<NamedTensor> format(int number) {
        return tensor -> new NamedTensor(tensor.name(), DType.U8, new long[0], new byte[] {(byte) number});
    }

    @Test
    void whatDoesNotFitTogetherIsRefusedBeforeAnythingIsLoaded() throws IOException {
        String where = "model.safetensors: tensor " + Q + ", which is stored in 8 bits: ";
        ChangedCheckpoint stored = stored();
        stored.refused(
                CONFIG, Q, shaped(DType.I8, 32, 64), "QLORA-T220", where + "it is I8 [32, 64], expected I8 [64, 64]");
        stored.refused(CONFIG, Q, shaped(DType.U8, 64, 64), "QLORA-T220", "it is U8 [64, 64], expected I8 [64, 64]");
        stored.refused(CONFIG, SCALES, GONE, "QLORA-T220", where + SCALES + " is missing");
        stored.refused(CONFIG, SCALES, shaped(DType.F32, 32), "SCB is F32 [32], expected F32 [64]");
        stored.refused(CONFIG, SCALES, shaped(DType.BF16, 64), "SCB is BF16 [64], expected F32 [64]");
        for (float bad : new float[] {-1, Float.NaN, Float.POSITIVE_INFINITY}) {
            stored.refused(
                    CONFIG, SCALES, scale(bad), "QLORA-T220", "SCB has " + bad + " for row 7, a number of 0 or more");
        }
        stored.refused(CONFIG, FORMAT, shaped(DType.I8), "weight_format is I8 [], expected one U8");
        List<String> formats = List.of("col32", "col_turing", "col_ampere", "number 4");
        for (int i = 0; i < formats.size(); i++) {
            stored.refused(
                    CONFIG,
                    FORMAT,
                    format(i + 1),
                    "QLORA-T221",
                    where + "its weight_format is " + formats.get(i) + ", and only row is supported");
        }
        stored.refused(CONFIG, Q, GONE, "QLORA-T220", Q + " is missing");
    }

    @Test
    void aConfigurationOfOtherWeightsIsRefused() throws IOException {
        ChangedCheckpoint stored = stored();
        stored.refused(
                text -> text.replace(
                        "\"llm_int8_skip_modules\": null", "\"llm_int8_skip_modules\": [\"lm_head\", \"q_proj\"]"),
                "",
                SAME,
                "QLORA-T152",
                "is stored in 8 bits, but llm_int8_skip_modules of config.json has " + MODULE);
        stored.refused(
                text -> text.replace("\"load_in_4bit\": false", "\"load_in_4bit\": true")
                        .replace("\"load_in_8bit\": true", "\"load_in_8bit\": false"),
                "",
                SAME,
                "QLORA-T152",
                "tensor " + Q + " has no quant_state beside it");
        new ChangedCheckpoint(LLAMA, temp)
                .refused(
                        text -> text.replaceFirst(
                                "\\{",
                                "{\"quantization_config\": {\"load_in_8bit\": true, \"llm_int8_threshold\": 0},"),
                        "",
                        SAME,
                        "QLORA-T152",
                        "tensor " + Q
                                + " has no SCB beside it, but quantization_config of config.json says that it is stored "
                                + "in 8 bits");
        stored.refused(
                text -> text.replace("\"llm_int8_has_fp16_weight\": false", "\"llm_int8_has_fp16_weight\": true"),
                "",
                SAME,
                "QLORA-T006",
                "quantization_config.llm_int8_has_fp16_weight = true is not supported");
        for (String bad : List.of("-1", "65505", "\"6\"")) {
            stored.refused(
                    text -> text.replace("6.0", bad),
                    "",
                    SAME,
                    "QLORA-T004",
                    "quantization_config.llm_int8_threshold is " + bad);
        }
        stored.refused(
                CONFIG,
                "lm_head.weight",
                shaped(DType.I8, 259, 64),
                "QLORA-T153",
                "lm_head.weight is stored in 8 bits, and the output projection can't be");
    }
}
