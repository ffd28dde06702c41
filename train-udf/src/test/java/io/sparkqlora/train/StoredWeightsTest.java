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
import io.sparkqlora.kernels.QuantFormat;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Checkpoints in bitsandbytes' 4 bits; {@link ParityTest} holds the logits of one against bitsandbytes' own. */
class StoredWeightsTest {

    private static final Path STORED = Path.of("src/test/resources/parity/llama-bnb-nf4");
    private static final Path LLAMA = Path.of("src/test/resources/parity/llama");
    private static final String Q = "model.layers.0.self_attn.q_proj.weight";
    private static final String STATE = Q + ".quant_state.bitsandbytes__nf4";
    private static final QuantizationConfig NF4 = QuantizationConfig.nf4(ComputeType.F32);

    @TempDir
    Path temp;

    private final Device device = Devices.open(System.getProperty("qlora.test.backend", "cpu"));

    @AfterEach
    void close() {
        device.close();
    }

    private TrainingState trained(Path folder, QuantizationConfig held) {
        return trained(device, folder, held, TestSessions.ARGUMENTS);
    }

    /** Two steps on a checkpoint. */
    static TrainingState trained(Device device, Path folder, QuantizationConfig held, TrainingArguments arguments) {
        try (Checkpoint checkpoint = Checkpoint.open(folder);
                TrainingSession session = TrainingSession.open(
                        device,
                        checkpoint.config(),
                        checkpoint.weights(),
                        held,
                        TestSessions.LORA,
                        arguments,
                        TestSessions.MAX_TOKENS)) {
            session.step(List.of(List.of(TestRows.packed(1, 200, 20, 30))));
            session.step(List.of(List.of(TestRows.packed(2, 200, 40))));
            return session.state();
        }
    }

    /** bitsandbytes' own bytes train to the adapter that quantising here does, bit for bit. */
    @Test
    void storedWeightsAreThoseOfQuantisingWhileLoading() {
        try (Checkpoint checkpoint = Checkpoint.open(STORED)) {
            assertThat(checkpoint.config().quantization())
                    .isEqualTo(new StoredQuantization(
                            QuantFormat.Type.NF4, true, 64, QuantStorage.UINT8, SkipModules.DEFAULT));
        }
        assertThat(trained(STORED, NF4)).isEqualTo(trained(LLAMA, NF4));
    }

    @Test
    void aSessionHoldsThemAsTheyAreStored() {
        for (QuantizationConfig other : List.of(
                new QuantizationConfig(true, QuantFormat.Type.FP4, true, 64, ComputeType.F32),
                new QuantizationConfig(true, QuantFormat.Type.NF4, true, 128, ComputeType.F32))) {
            assertThatThrownBy(() -> trained(STORED, other))
                    .hasMessageContaining("QLORA-T156: weight " + Q + " is to be held as QuantFormat[");
        }
        assertThatThrownBy(() -> trained(STORED, QuantizationConfig.dense(ComputeType.F32)))
                .hasMessageContaining(
                        "QLORA-T156: weight " + Q + " is to be held dense, but the checkpoint has it in 4");
    }

    @Test
    void aMergeIsThatOfTheUnquantisedBaseQuantised() throws IOException {
        Adapter adapter = AdapterFiles.read(LLAMA.resolve("adapter_final"));
        Path one = temp.resolve("one");
        Path other = temp.resolve("other");
        try (Checkpoint stored = Checkpoint.open(STORED);
                Checkpoint base = Checkpoint.open(LLAMA)) {
            MergedCheckpoint.write(device, stored, NF4, adapter, ComputeType.F32, one);
            MergedCheckpoint.write(device, base, NF4, adapter, ComputeType.F32, other);
        }
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

    private static UnaryOperator<NamedTensor> state(String text, String by) {
        return tensor -> {
            byte[] data = new String(tensor.data(), StandardCharsets.UTF_8)
                    .replace(text, by)
                    .getBytes(StandardCharsets.UTF_8);
            return new NamedTensor(tensor.name(), DType.U8, new long[] {data.length}, data);
        };
    }

    private void refused(UnaryOperator<String> config, String name, UnaryOperator<NamedTensor> change, String... parts)
            throws IOException {
        new ChangedCheckpoint(STORED, temp).refused(config, name, change, parts);
    }

    @Test
    void whatDoesNotFitTogetherIsRefusedBeforeAnythingIsLoaded() throws IOException {
        UnaryOperator<String> same = UnaryOperator.identity();
        String where = "model.safetensors: tensor " + Q + ", which is stored in 4 bits: ";
        refused(same, STATE, state("[64, 64]", "[32, 64]"), "QLORA-T151", where + "quant_state says shape [32,64]");
        refused(same, STATE, state("\"blocksize\": 64", "\"blocksize\": 48"), "QLORA-T151", "says blocksize 48");
        refused(
                same,
                STATE,
                state("\"blocksize\": 64", "\"blocksize\": 128"),
                "QLORA-T151",
                "absmax is U8 [64], expected U8 [32]");
        refused(
                same,
                STATE,
                state("\"quant_type\": \"nf4\"", "\"quant_type\": \"fp4\""),
                "says quant_type \"fp4\", expected nf4");
        refused(same, STATE, state("float32\", \"shape", "int64\", \"shape"), "says dtype \"int64\"");
        refused(same, STATE, state("\"nested_blocksize\": 256", "\"nested_blocksize\": 128"), "nested_blocksize 128");
        refused(same, STATE, state("\"nested_offset\": 0", "\"nested_offset\": null, \"x\": 0"), "no nested_offset");
        refused(same, STATE, state("}", ""), "quant_state is no JSON");
        refused(
                same,
                Q,
                shaped(DType.U8, 2047, 1),
                where + "it is U8 [2047, 1] of 2047 bytes, expected one column of 2048");
        refused(same, Q, shaped(DType.U8, 1, 2048), "it is U8 [1, 2048]");
        refused(same, Q, shaped(DType.BF16, 1024, 1), "its bnb_4bit_quant_storage is bfloat16, but uint8");
        refused(same, Q + ".absmax", shaped(DType.U8, 63), "absmax is U8 [63], expected U8 [64]");
        refused(same, Q + ".nested_absmax", shaped(DType.U8, 4), "nested_absmax is U8 [4], expected F32 [1]");
        refused(same, Q + ".nested_absmax", GONE, "quant_state has a nested_offset, but there is no nested_absmax");
        refused(same, Q + ".nested_quant_map", GONE, Q + ".nested_quant_map is missing");
        refused(
                same,
                Q + ".quant_map",
                tensor -> {
                    byte[] data = tensor.data().clone();
                    data[3] ^= 1;
                    return new NamedTensor(tensor.name(), DType.F32, tensor.shape(), data);
                },
                "quant_map has ");
        refused(same, Q, GONE, "QLORA-T018", "tensor " + Q + " is missing");
        refused(same, STATE, GONE, "QLORA-T152", "has no quant_state beside it");
        refused(
                text -> text.replace(
                        "\"llm_int8_skip_modules\": null", "\"llm_int8_skip_modules\": [\"lm_head\", \"q_proj\"]"),
                "",
                SAME,
                "QLORA-T152",
                "is stored in 4 bits, but llm_int8_skip_modules of config.json has model.layers.0.self_attn.q_proj");
        refused(
                text -> text.replace("\"nf4\"", "\"fp4\""),
                "",
                SAME,
                "QLORA-T151",
                "its quant_type is nf4, but fp4 by");
        refused(
                text -> text.replace("\"bnb_4bit_use_double_quant\": true", "\"bnb_4bit_use_double_quant\": false"),
                "",
                SAME,
                "its bnb_4bit_use_double_quant is true, but false");
        refused(
                text -> text.replace("\"load_in_8bit\": false", "\"load_in_8bit\": true"),
                "",
                SAME,
                "QLORA-T007",
                "use one that bitsandbytes quantised to 4 or 8 bits");
        refused(
                text -> text.replace("\"uint8\"", "\"int3\""),
                "",
                SAME,
                "QLORA-T004",
                "bnb_4bit_quant_storage is \"int3\"");
    }
}
