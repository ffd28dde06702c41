// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.kernels.DeviceTraits;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QLoraException.Kind;
import org.junit.jupiter.api.Test;

class MemoryPlanTest {

    private static final LoraConfig LORA =
            LoraConfig.builder().r(16).targetModules(TargetModules.allLinear()).build();
    private static final QuantizationConfig NF4 = QuantizationConfig.nf4(ComputeType.BF16);

    private static MemoryPlan plan(String shape, Recompute recompute, int tokens) {
        return plan(DeviceTraits.HOST, shape, recompute, Optim.ADAMW_TORCH, tokens);
    }

    private static MemoryPlan plan(DeviceTraits device, String shape, Recompute recompute, Optim optim, int tokens) {
        return MemoryPlan.of(device, ModelShapes.named(shape), NF4, LORA, arguments(recompute, optim), tokens);
    }

    private static TrainingArguments arguments(Recompute recompute, Optim optim) {
        return TrainingArguments.builder()
                .recompute(recompute)
                .optim(optim)
                .perDeviceTrainBatchSize(1)
                .build();
    }

    @Test
    void anEightBillionModelTakesWhatItsParametersSay() {
        MemoryPlan plan = plan("llama3-8b", Recompute.FULL, 2048);
        long linear = 32L * (2 * 4096 * 4096 + 2 * 1024 * 4096 + 3L * 4096 * 14336);
        // half a byte an element, one byte a block of 64, four bytes in 256 blocks; norms and alignment are the rest
        double perElement = 0.5 + 1.0 / 64 + 4.0 / (64 * 256);
        assertThat((double) plan.baseWeights()).isBetween(linear * perElement, linear * perElement * 1.001);
        long adapter = 32L * 16 * ((4096 + 4096) * 2 + (4096 + 1024) * 2 + (4096 + 14336) * 3);
        assertThat(plan.adapter()).isBetween(4 * adapter, 4 * adapter + (1 << 16));
        assertThat(plan.shadowCopies()).isBetween(2 * adapter, 2 * adapter + (1 << 16));
        assertThat(plan.gradients()).isEqualTo(plan.adapter());
        assertThat(plan.optimizerState()).isEqualTo(2 * plan.adapter());
        long tables = 2L * 128_256 * 4096 * 2;
        assertThat(plan.embeddings()).isBetween(tables, tables + (64L << 20));
        // the parts are what each adds to the peak; a gate-up weight is dense beside the gate and up projections
        long step = plan.activations() + plan.lossWorkspace() + plan.dequantization();
        assertThat(step).isGreaterThanOrEqualTo(2L * 2 * 14336 * (4096 + 2048));
        assertThat(plan.total()).isBetween(5L << 30, 9L << 30);
    }

    /** A GPU's own memory holds neither the token embedding nor paged moments; in one memory they only lie elsewhere. */
    @Test
    void whatStaysInTheHostsMemoryIsCountedApart() {
        DeviceTraits gpu = Devices.traits("cuda");
        MemoryPlan whole = plan("llama3-8b", Recompute.FULL, 512);
        MemoryPlan apart = plan(gpu, "llama3-8b", Recompute.FULL, Optim.PAGED_ADAMW_32BIT, 512);
        long table = 128_256L * 4096 * 2;
        assertThat(apart.hostEmbedding()).isBetween(table, table + 4096);
        assertThat(whole.embeddings() - apart.embeddings()).isEqualTo(apart.hostEmbedding());
        assertThat(apart.hostOptimizerState()).isEqualTo(whole.optimizerState());
        assertThat(apart.optimizerState()).isZero();
        assertThat(apart.hostTotal()).isEqualTo(apart.hostEmbedding() + apart.hostOptimizerState());
        assertThat(apart.hostParts().values()).containsExactly(apart.hostEmbedding(), apart.hostOptimizerState());
        assertThat(plan(DeviceTraits.HOST, "llama3-8b", Recompute.FULL, Optim.PAGED_ADAMW_32BIT, 512))
                .isEqualTo(whole);
        MemoryPlan tied = plan(gpu, "smollm2-135m", Recompute.FULL, Optim.ADAMW_TORCH, 512);
        assertThat(tied.hostTotal()).isZero();
        QuantizationConfig onDevice = NF4.withOffloadEmbedding(false);
        assertThat(MemoryPlan.of(
                                gpu,
                                ModelShapes.named("llama3-8b"),
                                onDevice,
                                LORA,
                                arguments(Recompute.FULL, Optim.PAGED_ADAMW_8BIT),
                                512)
                        .embeddings())
                .isEqualTo(whole.embeddings());
    }

    /** Attention's sums of dQ on Hopper, in F32; 16 MiB where that is less. In one memory none is counted. */
    @Test
    void theWorkspaceOfAGpuIsCounted() {
        MemoryPlan small = plan(Devices.traits("cuda"), "llama3-8b", Recompute.FULL, Optim.ADAMW_8BIT, 512);
        assertThat(small.workspace()).isBetween(16L << 20, 17L << 20);
        long sums = 32L * 8192 * (128 + 2) * Float.BYTES; // with two numbers more a row
        MemoryPlan large = plan(Devices.traits("cuda"), "llama3-8b", Recompute.FULL, Optim.ADAMW_8BIT, 8192);
        assertThat(large.workspace()).isBetween(sums, sums + (1L << 18));
        assertThat(plan("llama3-8b", Recompute.FULL, 8192).workspace()).isZero();
    }

    /** Two bytes an element, two scales of 256; a block's place in the table takes 8 bytes. */
    @Test
    void momentsOf8BitsTakeAQuarter() {
        long adapter = 32L * 16 * ((4096 + 4096) * 2 + (4096 + 1024) * 2 + (4096 + 14336) * 3);
        long table = adapter / 256 * 8;
        MemoryPlan here = plan(DeviceTraits.HOST, "llama3-8b", Recompute.FULL, Optim.ADAMW_8BIT, 512);
        assertThat(here.optimizerState()).isBetween(2 * adapter + 2 * table, 2 * adapter + 2 * table + 4096);
        MemoryPlan apart = plan(Devices.traits("cuda"), "llama3-8b", Recompute.FULL, Optim.PAGED_ADAMW_8BIT, 512);
        assertThat(apart.optimizerState()).isBetween(table, table + 4096);
        assertThat(apart.hostOptimizerState()).isBetween(2 * adapter + table, 2 * adapter + table + 4096);
    }

    @Test
    void keepingLessTakesLess() {
        long none = plan("smollm2-135m", Recompute.NONE, 2048).activations();
        long selective = plan("smollm2-135m", Recompute.SELECTIVE, 2048).activations();
        long full = plan("smollm2-135m", Recompute.FULL, 2048).activations();
        assertThat(none).isGreaterThan(selective);
        assertThat(selective).isGreaterThan(3 * full);
        assertThat(plan("smollm2-135m", Recompute.FULL, 512).activations()).isLessThan(full / 3);
    }

    @Test
    void partsAreAllOfTheTotalAndNoneIsNegative() {
        MemoryPlan plan = plan("tinyllama-1.1b", Recompute.SELECTIVE, 256);
        assertThat(plan.parts().values()).allMatch(bytes -> bytes >= 0);
        assertThat(plan.parts().values().stream().mapToLong(b -> b).sum()).isEqualTo(plan.total());
        assertThat(plan.parts().keySet()).first().isEqualTo("base_weights");
        assertThat(plan.lossWorkspace()).isPositive();
    }

    @Test
    void tooLittleMemoryIsRefusedWithTheSettingToChange() {
        MemoryPlan plan = plan("smollm2-135m", Recompute.NONE, 4096);
        assertThatCode(() -> plan.requireFits("cpu", plan.total())).doesNotThrowAnyException();
        assertThatThrownBy(() -> plan.requireFits("cpu", 1000))
                .isInstanceOfSatisfying(
                        QLoraException.class, e -> assertThat(e.kind()).isEqualTo(Kind.RESOURCES))
                .hasMessageContaining("QLORA-T028: not enough memory on cpu: training needs " + plan.total()
                        + " bytes, 1000 are free; the biggest parts are activations " + plan.activations())
                .hasMessageEndingWith("set recompute: full, or lower per_device_train_batch_size or max_seq_length");
        assertThatThrownBy(() -> plan("llama3-8b", Recompute.FULL, 16).requireFits("cpu", 1000))
                .hasMessageContaining("base_weights")
                .hasMessageContaining("set load_in_4bit: true");
    }

    /** Each adapter has its masters, its rounded copy, its gradients and its moments; the rest is there once. */
    @Test
    void adaptersOverOneBaseAreCounted() {
        TrainingArguments arguments = arguments(Recompute.FULL, Optim.ADAMW_TORCH);
        ModelConfig model = ModelShapes.named("smollm2-135m");
        MemoryPlan one = MemoryPlan.of(DeviceTraits.HOST, model, NF4, LORA, arguments, 512);
        MemoryPlan many = MemoryPlan.of(DeviceTraits.HOST, model, NF4, LORA, arguments, 512, 100);
        long each = one.adapter() + one.shadowCopies() + one.gradients() + one.optimizerState();
        assertThat(many.total() - one.total()).isBetween(99 * each, 99 * each + (16 << 10)); // sums of each
        assertThatThrownBy(() -> many.requireFits("cpu", 1000))
                .hasMessageContaining("the biggest parts are optimizer_state " + 100 * one.optimizerState())
                .hasMessageEndingWith("train fewer adapters at once, lower r or name fewer target_modules");
    }

    @Test
    void targetsThatMatchNothingAreRefused() {
        LoraConfig none = LORA.withTargetModules(TargetModules.names("query_key_value"));
        assertThatThrownBy(() -> MemoryPlan.of(
                        DeviceTraits.HOST,
                        TinyModels.config(),
                        NF4,
                        none,
                        arguments(Recompute.FULL, Optim.ADAMW_TORCH),
                        16))
                .isInstanceOf(QLoraException.class)
                .hasMessageContaining("query_key_value");
    }
}
