// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.train.internal.safetensors.FloatBytes;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Adapters that begin with a decomposition of the base. PiSSA's references are peft's over a base in F32, LoftQ's the steps of peft's
 * loftq_init over bitsandbytes' NF4, made by src/test/python/decomposed_base_reference.py.
 */
class DecomposedBaseTest {

    private static final int STEPS = 12;
    private static final String PREFIX = "base_model.model.";

    private final Device device = Devices.open(System.getProperty("qlora.test.backend", "cpu"));

    @TempDir
    Path folder;

    @AfterEach
    void close() {
        device.close();
    }

    @ParameterizedTest
    @CsvSource({
        "pissa, pissa, llama",
        "pissa, pissa_niter_16, llama",
        "pissa-rslora, pissa, qwen2",
        "pissa-rslora, pissa_niter_16, qwen2"
    })
    void pissaIsPefts(String reference, String init, String checkpoint) {
        try (ParityModel model = model(reference, checkpoint);
                TrainingSession session = open(model, dense(), lora(reference, init, 0))) {
            assertThat(Distance.relative(loss(session, model, true), model.floats("start.loss")[0]))
                    .isLessThan(1e-5);
            starts(session.adapter(), model, 5e-5);
            run(session, model, 1e-4);
            assertThat(Distance.relative(loss(session, model, false), model.floats("base.loss")[0]))
                    .isLessThan(1e-5);

            Adapter converted = OriginalBase.adapter(device, model.checkpoint(), dense(), session.adapter());

            Path written = Path.of("target/peft-adapters", reference + "-" + init); // for peft_loads_adapter.py
            AdapterFiles.write(converted, written);
            Adapter theirs = model.adapter("converted");
            TargetModules targets = converted.config().targetModules(); // theirs stand in another order
            assertThat(AdapterFiles.read(written).config())
                    .isEqualTo(theirs.config().withTargetModules(targets));
            for (String module : modules(converted)) {
                assertThat(Distance.relativeNorm(product(converted, module), product(theirs, module)))
                        .as(module)
                        .isLessThan(1e-3);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"loftq-1, 1", "loftq-3, 3"})
    void loftqIsPeftsStepsOverBitsandbytesFormat(String reference, int iterations) {
        LoraConfig lora = lora(reference, "loftq", iterations);
        try (ParityModel model = model(reference, "llama");
                TrainingSession session = open(model, nf4(), lora)) {
            assertThat(Distance.relative(loss(session, model, true), model.floats("start.loss")[0]))
                    .isLessThan(1e-5);
            starts(session.adapter(), model, 1e-3);
            for (String module : model.names("held.")) {
                float[] difference = weight(model, nf4(), session.adapter(), module);
                float[] product = product(session.adapter(), module);
                for (int i = 0; i < product.length; i++) {
                    difference[i] -= product[i];
                }
                assertThat(Distance.relativeNorm(difference, model.floats("held." + module)))
                        .as(module)
                        .isLessThan(1e-4);
            }
            run(session, model, 1e-3);
        }
    }

    @Test
    void loftqLosesLessThanQuantisationAlone() {
        try (ParityModel model = model("loftq-1", "llama")) {
            Adapter plain = start(model, lora("loftq-1", "true", 0));
            Adapter once = start(model, lora("loftq-1", "loftq", 1));
            Adapter thrice = start(model, lora("loftq-1", "loftq", 3));
            for (String module : modules(plain)) {
                float[] exact = exact(model, module);
                double alone = Distance.relativeNorm(weight(model, nf4(), plain, module), exact);
                double after = Distance.relativeNorm(weight(model, nf4(), once, module), exact);
                double later = Distance.relativeNorm(weight(model, nf4(), thrice, module), exact);
                assertThat(after).as(module).isLessThan(0.95 * alone);
                assertThat(later).as(module).isLessThan(after);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"pissa", "pissa_niter_4", "loftq"})
    void whatWasMergedIsWhatWasTrained(String init) {
        for (QuantizationConfig held : List.of(nf4(), dense(), QuantizationConfig.int8(ComputeType.F32))) {
            if (init.equals("loftq") && !held.loadIn4bit()) {
                continue;
            }
            try (ParityModel model = model("pissa", "llama")) {
                Adapter adapter;
                double trained;
                try (TrainingSession session = open(model, held, lora("pissa", init, 2))) {
                    session.step(List.of(model.rows()));
                    adapter = session.adapter();
                    trained = loss(session, model, true);
                }
                // in 8 bits inputs are rounded too, which no merged weight does
                double allowed = held.loadIn8bit() ? 3e-3 : 1e-5;
                Path out = folder.resolve(init + held.loadIn4bit() + held.loadIn8bit());
                MergedCheckpoint.write(device, model.checkpoint(), held, adapter, ComputeType.F32, out);
                try (Checkpoint merged = Checkpoint.open(out)) {
                    assertThat(Distance.relative(plainLoss(merged, dense(), null, model), trained))
                            .isLessThan(allowed);
                }
                try (Generator generator = Generator.open(
                        device, model.checkpoint().config(), model.checkpoint().weights(), held, adapter)) {
                    GenerationConfig greedy = GenerationConfig.greedy(4);
                    List<int[]> prompts = List.of(new int[] {5, 9, 11});
                    generator.generate(prompts, greedy, false);
                    assertThat(generator.generate(prompts, greedy, true)).hasSize(1);
                }
            }
        }
    }

    /** Beside the checkpoint in 16 bits or more a converted adapter is what was trained but for what 4 bits lost. */
    @Test
    void aConvertedAdapterGoesWithTheCheckpointAsItIsStored() {
        try (ParityModel model = model("pissa", "llama")) {
            Adapter adapter;
            double trained;
            try (TrainingSession session = open(model, nf4(), lora("pissa", "pissa", 0))) {
                for (int i = 0; i < STEPS; i++) {
                    session.step(List.of(model.rows()));
                }
                adapter = session.adapter();
                trained = loss(session, model, true);
            }
            Adapter converted = OriginalBase.adapter(device, model.checkpoint(), nf4(), adapter);
            double beside = plainLoss(model.checkpoint(), dense(), converted, model);
            double base = plainLoss(model.checkpoint(), dense(), null, model);
            assertThat(Math.abs(beside - trained)).isLessThan(0.1 * Math.abs(base - trained));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"pissa", "pissa_niter_4", "loftq"})
    void aRunThatGoesOnGivesTheSameBits(String init) {
        try (ParityModel model = model("pissa", "llama");
                TrainingSession whole = open(model, nf4(), lora("pissa", init, 2));
                TrainingSession first = open(model, nf4(), lora("pissa", init, 2));
                TrainingSession second = open(model, nf4(), lora("pissa", init, 2))) {
            for (int i = 0; i < 4; i++) {
                whole.step(List.of(model.rows()));
            }
            first.step(List.of(model.rows()));
            first.evaluate(model.rows(), false);
            first.step(List.of(model.rows()));
            second.restore(first.state());
            second.step(List.of(model.rows()));
            second.step(List.of(model.rows()));
            assertThat(second.state().sha256()).isEqualTo(whole.state().sha256());
        }
    }

    /** Slots begin with the same matrices, whatever their seeds. */
    @Test
    void severalAdaptersBeginOnOneBase() {
        LoraConfig lora = lora("pissa", "pissa", 0);
        try (ParityModel model = model("pissa", "llama");
                TrainingSession alone = open(model, nf4(), lora);
                MultiAdapterSession several = MultiAdapterSession.open(
                        device,
                        model.checkpoint().config(),
                        model.checkpoint().weights(),
                        nf4(),
                        lora,
                        arguments(),
                        2 * model.tokens(),
                        2)) {
            several.start(0, arguments());
            several.start(1, arguments());
            several.step(Map.of(0, List.of(model.rows()), 1, List.of(model.rows())));
            alone.step(List.of(model.rows()));
            for (String module : modules(alone.adapter())) {
                float[] expected = product(alone.adapter(), module);
                assertThat(Distance.relativeNorm(product(several.adapter(1), module), expected))
                        .isLessThan(1e-4);
            }
            double base = several.evaluate(1, model.rows(), false).mean();
            assertThat(Distance.relative(base, loss(alone, model, false))).isLessThan(1e-6);
        }
    }

    @Test
    void whatLacksItsBeginningIsNotTakenForMore() {
        try (ParityModel model = model("pissa", "llama");
                TrainingSession session = open(model, nf4(), lora("pissa", "pissa", 0))) {
            Adapter adapter = session.adapter();
            assertThatThrownBy(() -> AdapterFiles.write(adapter, folder))
                    .hasMessageStartingWith(
                            "QLORA-T217: this adapter was trained with init_lora_weights: pissa, over a base");
            AdapterCombination cat = new AdapterCombination(AdapterCombination.Type.CAT, null);
            assertThatThrownBy(() -> cat.of(List.of(adapter, adapter), List.of(1.0, 1.0)))
                    .hasMessageStartingWith("QLORA-T218: adapter 1 of those to combine");
            try (Generator generator = session.generator()) {
                assertThatThrownBy(() -> generator.dialogue(8, false)).hasMessageStartingWith("QLORA-T219: ");
            }
        }
        assertThat(folder).isEmptyDirectory();
        LoraConfig.Builder negative = LoraConfig.builder().loraAlpha(-8).initLoraWeights(InitLoraWeights.PISSA);
        assertThatThrownBy(negative::build).hasMessageContaining("above 0 with init_lora_weights: pissa");
    }

    @Test
    void anOutputProjectionThatIsTheEmbeddingTooStaysWhole() {
        ModelConfig tied = ModelConfig.parse(
                TinyModels.CONFIG.replace("\"tie_word_embeddings\": false", "\"tie_word_embeddings\": true"), "tied");
        LoraConfig lora = LoraConfig.builder()
                .r(2)
                .targetModules(TargetModules.names("q_proj", "lm_head"))
                .initLoraWeights(InitLoraWeights.PISSA)
                .build();
        assertThatThrownBy(() ->
                        TrainingSession.open(device, tied, new RandomWeights(tied, 7), dense(), lora, arguments(), 16))
                .hasMessageStartingWith("QLORA-T214: init_lora_weights: pissa takes a part out of lm_head");
    }

    private static ParityModel model(String reference, String checkpoint) {
        return new ParityModel(
                Path.of("src/test/resources/parity", checkpoint), Path.of("src/test/resources/decomposed", reference));
    }

    private static QuantizationConfig dense() {
        return QuantizationConfig.dense(ComputeType.F32);
    }

    private static QuantizationConfig nf4() {
        return QuantizationConfig.nf4(ComputeType.F32);
    }

    private static LoraConfig lora(String reference, String init, int iterations) {
        boolean two = reference.equals("pissa-rslora");
        return LoraConfig.builder()
                .r(4)
                .loraAlpha(8)
                .useRslora(two)
                .targetModules(
                        two
                                ? TargetModules.names("q_proj", "down_proj")
                                : TargetModules.names(
                                        "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"))
                .initLoraWeights(InitLoraWeights.named(init, iterations))
                .build();
    }

    private static TrainingArguments arguments() {
        return TrainingArguments.builder()
                .learningRate(5e-3)
                .maxSteps(STEPS)
                .weightDecay(0.01)
                .build();
    }

    private TrainingSession open(ParityModel model, QuantizationConfig held, LoraConfig lora) {
        return TrainingSession.open(
                device,
                model.checkpoint().config(),
                model.checkpoint().weights(),
                held,
                lora,
                arguments(),
                model.tokens());
    }

    private Adapter start(ParityModel model, LoraConfig lora) {
        try (TrainingSession session = open(model, nf4(), lora)) {
            return session.adapter();
        }
    }

    private static double loss(TrainingSession session, ParityModel model, boolean withAdapter) {
        return session.evaluate(model.rows(), withAdapter).mean();
    }

    /** Of a checkpoint as it is, and an adapter of it or null. */
    private double plainLoss(Checkpoint checkpoint, QuantizationConfig held, Adapter adapter, ParityModel rows) {
        LoraConfig lora = adapter == null ? lora("pissa", "true", 0) : adapter.config();
        try (TrainingSession session = TrainingSession.open(
                device, checkpoint.config(), checkpoint.weights(), held, lora, arguments(), rows.tokens())) {
            if (adapter != null) {
                session.loadAdapter(adapter);
            }
            return loss(session, rows, adapter != null);
        }
    }

    private static void starts(Adapter adapter, ParityModel model, double allowed) {
        assertThat(model.names("start.model")).isNotEmpty();
        for (String name : model.names("start.model")) {
            String module = "model" + name;
            assertThat(Distance.relativeNorm(product(adapter, module), model.floats("start." + module)))
                    .as(module)
                    .isLessThan(allowed);
        }
    }

    private static void run(TrainingSession session, ParityModel model, double allowed) {
        for (int step = 0; step < STEPS; step++) {
            StepMetrics metrics = session.step(List.of(model.rows()));
            assertThat(Distance.relative(metrics.loss(), model.floats("train.losses")[step]))
                    .as("loss of step " + step)
                    .isLessThan(allowed);
            assertThat(Distance.relative(metrics.gradNorm(), model.floats("train.grad_norms")[step]))
                    .as("gradient norm of step " + step)
                    .isLessThan(allowed);
        }
    }

    private static List<String> modules(Adapter adapter) {
        return adapter.tensors().stream()
                .map(NamedTensor::name)
                .filter(name -> name.endsWith(".lora_A.weight"))
                .map(name -> name.substring(PREFIX.length(), name.length() - ".lora_A.weight".length()))
                .toList();
    }

    /** {@code scaling · B·A} [out, in]. */
    private static float[] product(Adapter adapter, String module) {
        Map<String, NamedTensor> tensors = new HashMap<>();
        adapter.tensors().forEach(tensor -> tensors.put(tensor.name(), tensor));
        NamedTensor tensorA = tensors.get(PREFIX + module + ".lora_A.weight");
        NamedTensor tensorB = tensors.get(PREFIX + module + ".lora_B.weight");
        float[] a = ParityModel.floats(tensorA);
        float[] b = ParityModel.floats(tensorB);
        int rank = (int) tensorA.shape()[0];
        int in = (int) tensorA.shape()[1];
        int out = (int) tensorB.shape()[0];
        float[] product = new float[out * in];
        for (int row = 0; row < out; row++) {
            for (int col = 0; col < in; col++) {
                double sum = 0;
                for (int i = 0; i < rank; i++) {
                    sum += (double) b[row * rank + i] * a[i * in + col];
                }
                product[row * in + col] = (float) (adapter.config().scaling(module) * sum);
            }
        }
        return product;
    }

    /** What the base holds and the adapter adds. */
    private float[] weight(ParityModel model, QuantizationConfig held, Adapter adapter, String module) {
        Path out = folder.resolve("merged-" + System.nanoTime());
        MergedCheckpoint.write(device, model.checkpoint(), held, adapter, ComputeType.F32, out);
        try (Checkpoint merged = Checkpoint.open(out)) {
            return floats(merged, module);
        }
    }

    private static float[] exact(ParityModel model, String module) {
        return floats(model.checkpoint(), module);
    }

    private static float[] floats(Checkpoint checkpoint, String module) {
        String name = module + ".weight";
        byte[] wide = FloatBytes.toF32(
                checkpoint.weights().info(name).dtype(), checkpoint.weights().read(name));
        return ParityModel.floats(new NamedTensor(name, DType.F32, new long[] {wide.length / Float.BYTES}, wide));
    }
}
