// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.train.internal.combine.CombinedModules;
import io.sparkqlora.train.internal.combine.CombinedTargets;
import java.util.List;
import java.util.Locale;

/**
 * Adapters of one base combined by weight into one, as PEFT's {@code add_weighted_adapter} does it. What a module of the new
 * adapter adds to its base is about {@code Σ weight · scaling · B·A} of the adapters that have it; the new scaling is 1.
 *
 * @param type how
 * @param svdRank rank of the new adapter with {@link Type#SVD}; null: the highest of the adapters'. Not for the others
 */
public record AdapterCombination(Type type, Integer svdRank) {

    /** PEFT's {@code combination_type}. */
    public enum Type {
        /** {@code A}s and {@code B}s added up, each times the root of its factor: rough, since cross terms come with it. */
        LINEAR,
        /** {@code A}s below each other and {@code B}s beside each other: exact, of a rank that is the sum of all. */
        CAT,
        /** The best approximation of the sum of a rank that is chosen (Eckart and Young, 1936). */
        SVD;

        /** PEFT's spelling. */
        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /**
     * Combines.
     *
     * @param adapters at least one; one alone is scaled, whatever the type, as in PEFT
     * @param weights one for each adapter; may be negative
     * @return F32, its base that of the first adapter, dropout and initialisation likewise; {@code lora_alpha} is its rank and
     *     {@code use_rslora} false, so that the scaling is 1 (PEFT keeps the first one's {@code use_rslora}, and so another
     *     scaling than it reckons with)
     * @throws io.sparkqlora.kernels.QLoraException CONFIG if weights are not as many or no numbers, if ranks differ and the
     *     type is {@link Type#LINEAR}, {@code svdRank} is out of range, or an adapter has magnitudes, biases or whole modules, or
     *     another base than the checkpoint; INPUT if adapters have a module in different shapes
     */
    public Adapter of(List<Adapter> adapters, List<Double> weights) {
        if (adapters.isEmpty() || adapters.size() != weights.size()) {
            throw AdapterErrors.weightsNotAsMany(adapters.size(), weights.size());
        }
        for (double weight : weights) {
            if (!Double.isFinite(weight)) {
                throw TrainErrors.badArgument("weights", weight, "finite numbers");
            }
        }
        requireMatricesAlone(adapters);
        Type actual = adapters.size() == 1 ? Type.LINEAR : type;
        int rank = rank(actual, adapters);
        List<NamedTensor> tensors = CombinedModules.of(adapters, weights).tensors(actual, rank);
        Adapter first = adapters.get(0);
        LoraConfig.Builder config = LoraConfig.builder()
                .r(rank)
                .loraAlpha(rank)
                .loraDropout(first.config().loraDropout())
                .initLoraWeights(first.config().initLoraWeights());
        CombinedTargets.set(adapters, tensors, config);
        return new Adapter(config.build(), first.baseModelNameOrPath(), tensors);
    }

    private static void requireMatricesAlone(List<Adapter> adapters) {
        for (int i = 0; i < adapters.size(); i++) {
            LoraConfig config = adapters.get(i).config();
            if (config.initLoraWeights().changesBase()) {
                throw InitErrors.notCombined(i + 1, config.initLoraWeights());
            }
            if (config.useDora()) {
                throw TrainedPartErrors.notCombined(i + 1, "use_dora");
            }
            if (config.bias() != Bias.NONE) {
                throw TrainedPartErrors.notCombined(
                        i + 1, "bias: " + config.bias().name().toLowerCase(Locale.ROOT));
            }
            if (!config.modulesToSave().isEmpty()) {
                throw TrainedPartErrors.notCombined(i + 1, "modules_to_save");
            }
        }
    }

    private int rank(Type actual, List<Adapter> adapters) {
        List<Integer> ranks =
                adapters.stream().map(adapter -> adapter.config().highestRank()).toList();
        int sum = ranks.stream().mapToInt(Integer::intValue).sum();
        int highest = ranks.stream().mapToInt(Integer::intValue).max().orElseThrow();
        if (svdRank != null && (type != Type.SVD || svdRank < 1 || svdRank > sum)) {
            throw AdapterErrors.svdRank(svdRank, type, sum);
        }
        return switch (actual) {
            case LINEAR -> {
                if (ranks.stream().distinct().count() > 1) {
                    throw AdapterErrors.ranksDiffer(ranks.toString());
                }
                yield highest;
            }
            case CAT -> sum;
            case SVD -> svdRank == null ? highest : svdRank;
        };
    }
}
