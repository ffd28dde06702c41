// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.sparkqlora.train.AdapterCombination.Type;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Combinations against those that peft made (adapters_reference.py). */
class AdapterCombinationTest {

    private static final Path ADAPTERS = Path.of("src/test/resources/adapters");

    @TempDir
    Path temp;

    private static Adapter peft(String name) {
        return AdapterFiles.read(ADAPTERS.resolve(name));
    }

    private static Adapter combine(Type type, Integer svdRank, String... names) {
        List<Double> weights = List.of(0.7, -0.4, 1.5).subList(0, names.length);
        return new AdapterCombination(type, svdRank)
                .of(Arrays.stream(names).map(AdapterCombinationTest::peft).toList(), weights);
    }

    /** Also where an adapter has no such module, or one of another rank. */
    @Test
    void linearAndCatAreThoseOfPeft() {
        requireSame(combine(Type.LINEAR, null, "x1", "x2"), peft("linear"));
        requireSame(combine(Type.CAT, null, "x1", "x2", "x3"), peft("cat"));
        Adapter one = new AdapterCombination(Type.SVD, null).of(List.of(peft("x2")), List.of(0.5));
        requireSame(one.tensors(), peft("one").tensors());
        // peft keeps use_rslora of the first adapter, which it did not reckon with
        assertThat(one.config().scaling()).isEqualTo(1.0);
    }

    private static void requireSame(Adapter actual, Adapter expected) {
        requireSame(actual.tensors(), expected.tensors());
        assertThat(actual.config().r()).isEqualTo(expected.config().r());
        assertThat(actual.config().scaling())
                .isEqualTo(1.0)
                .isEqualTo(expected.config().scaling());
        assertThat(actual.config().targetModules().values())
                .containsExactlyInAnyOrderElementsOf(
                        expected.config().targetModules().values());
        assertThat(actual.config().rankPattern()).isEqualTo(ModulePattern.NONE);
    }

    private static void requireSame(List<NamedTensor> actual, List<NamedTensor> expected) {
        Map<String, NamedTensor> byName = new HashMap<>();
        actual.forEach(tensor -> byName.put(tensor.name(), tensor));
        assertThat(byName).hasSize(expected.size());
        for (NamedTensor tensor : expected) {
            NamedTensor ours = byName.get(tensor.name());
            assertThat(ours.shape()).as(tensor.name()).isEqualTo(tensor.shape());
            assertThat(ParityModel.floats(ours))
                    .as(tensor.name())
                    .usingComparatorWithPrecision(1e-7f)
                    .containsExactly(ParityModel.floats(tensor));
        }
    }

    /** Singular vectors are determined to their sign, so products are compared; rows of A are orthonormal. */
    @Test
    void svdIsThatOfPeft() {
        Map<String, double[][]> ours = products(combine(Type.SVD, 3, "x1", "x2", "x3"), true);
        Map<String, double[][]> theirs = products(peft("svd"), true);
        assertThat(ours.keySet()).isEqualTo(theirs.keySet()).hasSize(6);
        ours.forEach((module, product) -> requireClose(module, product, theirs.get(module), 2e-6));
    }

    /** With the rank of the sum nothing is left out: it is cat's product. */
    @Test
    void svdOfTheWholeRankIsExact() {
        Map<String, double[][]> svd = products(combine(Type.SVD, 11, "x1", "x2", "x3"), false);
        Map<String, double[][]> cat = products(combine(Type.CAT, null, "x1", "x2", "x3"), false);
        svd.forEach((module, product) -> requireClose(module, product, cat.get(module), 1e-6));
        // an adapter less itself is nothing, and twice itself has its own rank
        Adapter none = new AdapterCombination(Type.SVD, 4).of(List.of(peft("x1"), peft("x1")), List.of(1.0, -1.0));
        products(none, false).forEach((module, product) -> requireClose(module, product, zeros(product), 1e-6));
        Adapter twice = new AdapterCombination(Type.SVD, 4).of(List.of(peft("x1"), peft("x1")), List.of(0.25, 0.75));
        Map<String, double[][]> once = products(combineOne(), false);
        products(twice, false).forEach((module, product) -> requireClose(module, product, once.get(module), 1e-6));
    }

    private static Adapter combineOne() {
        return new AdapterCombination(Type.LINEAR, null).of(List.of(peft("x1")), List.of(1.0));
    }

    private static double[][] zeros(double[][] like) {
        return new double[like.length][like[0].length];
    }

    private static void requireClose(String module, double[][] actual, double[][] expected, double tolerance) {
        for (int i = 0; i < expected.length; i++) {
            assertThat(actual[i])
                    .as(module)
                    .usingComparatorWithPrecision(tolerance)
                    .containsExactly(expected[i]);
        }
    }

    /** {@code B·A} of each module, in F64. */
    private static Map<String, double[][]> products(Adapter adapter, boolean orthonormal) {
        Map<String, float[]> tensors = new HashMap<>();
        adapter.tensors().forEach(tensor -> tensors.put(tensor.name(), ParityModel.floats(tensor)));
        int rank = adapter.config().r();
        Map<String, double[][]> products = new HashMap<>();
        tensors.forEach((name, a) -> {
            if (name.contains("lora_A")) {
                if (orthonormal) {
                    requireOrthonormal(name, a, rank);
                }
                products.put(name, product(tensors.get(name.replace("lora_A", "lora_B")), a, rank));
            }
        });
        return products;
    }

    private static double[][] product(float[] b, float[] a, int rank) {
        int in = a.length / rank;
        double[][] product = new double[b.length / rank][in];
        for (int i = 0; i < product.length; i++) {
            for (int k = 0; k < rank; k++) {
                for (int j = 0; j < in; j++) {
                    product[i][j] += (double) b[i * rank + k] * a[k * in + j];
                }
            }
        }
        return product;
    }

    private static void requireOrthonormal(String name, float[] a, int rank) {
        int in = a.length / rank;
        for (int i = 0; i < rank; i++) {
            for (int j = 0; j <= i; j++) {
                double dot = 0;
                for (int k = 0; k < in; k++) {
                    dot += (double) a[i * in + k] * a[j * in + k];
                }
                assertThat(dot).as(name).isCloseTo(i == j ? 1 : 0, within(1e-5));
            }
        }
    }

    /** In other forms of target_modules the modules are the same ones, and the files are read as they were written. */
    @ParameterizedTest
    @EnumSource(Type.class)
    void itsModulesAreThoseOfTheAdapters(Type type) {
        LoraConfig regex = LoraConfig.builder()
                .r(4)
                .targetModules(TargetModules.of(".*[.]1[.].*q_proj"))
                .build();
        List<NamedTensor> upper = peft("x1").tensors().stream()
                .filter(tensor -> tensor.name().contains(".1.self_attn.q_proj"))
                .toList();
        Adapter combined = new AdapterCombination(type, null)
                .of(List.of(peft("x2"), new Adapter(regex, null, upper)), List.of(1.0, 1.0));
        AdapterFiles.write(combined, temp);
        Adapter read = AdapterFiles.read(temp);
        assertThat(read.tensors()).containsExactlyInAnyOrderElementsOf(combined.tensors());
        try (Checkpoint base = Checkpoint.open(Path.of("src/test/resources/models/llama"))) {
            AdapterFit.require(read, base.config());
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "LINEAR | x1,x3 | 1,1 | | QLORA-T172: adapters of ranks [4, 3] can't be combined by combination_type linear",
                "CAT | x1,x2 | 1 | | QLORA-T171: there are 2 adapters and 1 weights",
                "SVD | x1,x2 | 1,1 | 9 | QLORA-T173: svd_rank is 9 with combination_type svd; it is for svd alone, from 1 to the sum of the adapters' ranks, 8",
                "CAT | x1,x2 | 1,1 | 2 | QLORA-T173: svd_rank is 2 with combination_type cat",
                "CAT | x1,x2 | 1,NaN | | QLORA-T050: weights is NaN, expected finite numbers"
            })
    void whatCantBeCombinedIsRefused(String type, String names, String weights, Integer rank, String message) {
        List<Adapter> adapters = Arrays.stream(names.split(","))
                .map(AdapterCombinationTest::peft)
                .toList();
        List<Double> numbers =
                Arrays.stream(weights.split(",")).map(Double::valueOf).toList();
        assertThatThrownBy(() -> new AdapterCombination(Type.valueOf(type), rank).of(adapters, numbers))
                .hasMessageStartingWith(message);
    }

    @Test
    void adaptersOfDifferentBasesAreRefused() {
        NamedTensor a = peft("x1").tensors().get(0);
        LoraConfig config = peft("x1").config();
        List<NamedTensor> other = List.of(
                new NamedTensor(a.name(), a.dtype(), new long[] {4, 2}, new byte[32]),
                new NamedTensor(a.name().replace("lora_A", "lora_B"), a.dtype(), new long[] {2, 4}, new byte[32]));
        assertThatThrownBy(() -> new AdapterCombination(Type.CAT, null)
                        .of(List.of(peft("x1"), new Adapter(config, null, other)), List.of(1.0, 1.0)))
                .hasMessage(
                        "QLORA-T174: model.layers.0.self_attn.q_proj is [64, 64] in one adapter and [2, 2] in another; "
                                + "combine adapters of one base");
    }
}
