// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import java.io.Serializable;
import java.util.List;

/**
 * The low-rank adapter, with the names and meanings of PEFT's {@code LoraConfig}: {@code y = W·x + scaling · B·A·dropout(x)}.
 *
 * @param r rank
 * @param loraAlpha numerator of the scaling
 * @param loraDropout probability of dropping an element of the adapter's input while training, in [0, 1)
 * @param targetModules which linear layers get an adapter
 * @param layers which of those do
 * @param initLoraWeights how a fresh one begins
 * @param useRslora whether the scaling is {@code loraAlpha / √r} (Kalajdzievski, 2023) instead of {@code loraAlpha / r}
 * @param rankPattern ranks of modules that have another than {@code r}
 * @param alphaPattern numerators of modules that have another than {@code loraAlpha}
 * @param useDora whether the lengths of the weights' rows are trained apart from their directions (DoRA, Liu et al., 2024)
 * @param bias which biases of the base are trained
 * @param modulesToSave names, or ends of names, of modules that are trained whole beside the adapter; see {@link SavedModuleErrors} for
 *     what can't be
 */
public record LoraConfig(
        int r,
        double loraAlpha,
        double loraDropout,
        TargetModules targetModules,
        LayerChoice layers,
        InitLoraWeights initLoraWeights,
        boolean useRslora,
        ModulePattern rankPattern,
        ModulePattern alphaPattern,
        boolean useDora,
        Bias bias,
        List<String> modulesToSave)
        implements Serializable {

    public LoraConfig {
        modulesToSave = List.copyOf(modulesToSave);
        if (modulesToSave.stream().anyMatch(String::isBlank)) {
            throw TrainErrors.badArgument("modules_to_save", modulesToSave, "names of modules, or ends of names");
        }
        if (r < 1) {
            throw TrainErrors.badArgument("r", r, "at least 1");
        }
        if (!Double.isFinite(loraAlpha)) {
            throw TrainErrors.badArgument("lora_alpha", loraAlpha, "a finite number");
        }
        for (ModulePattern.Entry entry : rankPattern.entries()) {
            if (!(entry.value() >= 1) || entry.value() != (int) entry.value()) {
                throw TrainErrors.badArgument(
                        "rank_pattern's " + entry.expression(), entry.value(), "a whole number of at least 1");
            }
        }
        for (ModulePattern.Entry entry : alphaPattern.entries()) {
            if (!Double.isFinite(entry.value())) {
                throw TrainErrors.badArgument(
                        "alpha_pattern's " + entry.expression(), entry.value(), "a finite number");
            }
        }
        if (!(loraDropout >= 0 && loraDropout < 1)) {
            throw TrainErrors.badArgument("lora_dropout", loraDropout, "at least 0 and below 1");
        }
        if (initLoraWeights.decomposes() && useDora) {
            throw InitErrors.withDora(initLoraWeights);
        }
        if (initLoraWeights.decomposes()
                && !(loraAlpha > 0 && alphaPattern.entries().stream().allMatch(entry -> entry.value() > 0))) {
            throw TrainErrors.badArgument(
                    "lora_alpha or an entry of alpha_pattern",
                    loraAlpha > 0 ? alphaPattern.toConfigValue() : loraAlpha,
                    "above 0 with init_lora_weights: " + initLoraWeights);
        }
        if (targetModules.kind() == TargetModules.Kind.REGEX
                && !layers.layersToTransform().isEmpty()) {
            throw OptionErrors.layersBesideExpression(targetModules.values().get(0));
        }
    }

    /** The factor on the low-rank product, of modules that no pattern is about. */
    public double scaling() {
        return scaling(r, loraAlpha);
    }

    /** The factor on the low-rank product of a module of this full name. */
    public double scaling(String module) {
        return scaling(r(module), alphaPattern.of(module).orElse(loraAlpha));
    }

    private double scaling(int rank, double alpha) {
        return useRslora ? alpha / Math.sqrt(rank) : alpha / rank;
    }

    /** The rank of a module of this full name. */
    public int r(String module) {
        return (int) rankPattern.of(module).orElse(r);
    }

    /** The highest rank of any module. */
    public int highestRank() {
        return (int) rankPattern.entries().stream()
                .mapToDouble(ModulePattern.Entry::value)
                .reduce(r, Math::max);
    }

    /** The same adapter on other modules. */
    public LoraConfig withTargetModules(TargetModules other) {
        return new LoraConfig(
                r,
                loraAlpha,
                loraDropout,
                other,
                layers,
                initLoraWeights,
                useRslora,
                rankPattern,
                alphaPattern,
                useDora,
                bias,
                modulesToSave);
    }

    /** A builder with PEFT's defaults. */
    public static Builder builder() {
        return new Builder();
    }

    /** Collects options; what is not set has PEFT's default. */
    public static final class Builder {

        private int r = 8;
        private double loraAlpha = 8;
        private double loraDropout;
        private TargetModules targetModules = TargetModules.names("q_proj", "v_proj");
        private LayerChoice layers = LayerChoice.ALL;
        private InitLoraWeights initLoraWeights = InitLoraWeights.TRUE;
        private boolean useRslora;
        private ModulePattern rankPattern = ModulePattern.NONE;
        private ModulePattern alphaPattern = ModulePattern.NONE;
        private boolean useDora;
        private Bias bias = Bias.NONE;
        private List<String> modulesToSave = List.of();

        private Builder() {}

        /** Rank; 8. */
        public Builder r(int value) {
            r = value;
            return this;
        }

        /** Numerator of the scaling; 8. */
        public Builder loraAlpha(double value) {
            loraAlpha = value;
            return this;
        }

        /** Probability of dropping; 0. */
        public Builder loraDropout(double value) {
            loraDropout = value;
            return this;
        }

        /** Which layers; q_proj and v_proj, as PEFT takes for Llama. */
        public Builder targetModules(TargetModules value) {
            targetModules = value;
            return this;
        }

        /** Which of those layers; all. */
        public Builder layers(LayerChoice value) {
            layers = value;
            return this;
        }

        /** How a fresh adapter begins; as PEFT's {@code true}. */
        public Builder initLoraWeights(InitLoraWeights value) {
            initLoraWeights = value;
            return this;
        }

        /** Rank-stabilised scaling; false. */
        public Builder useRslora(boolean value) {
            useRslora = value;
            return this;
        }

        /** Ranks that some modules have of their own; none. */
        public Builder rankPattern(ModulePattern value) {
            rankPattern = value;
            return this;
        }

        /** Numerators that some modules have of their own; none. */
        public Builder alphaPattern(ModulePattern value) {
            alphaPattern = value;
            return this;
        }

        /** Weight-decomposed; false. */
        public Builder useDora(boolean value) {
            useDora = value;
            return this;
        }

        /** Which biases are trained; none. */
        public Builder bias(Bias value) {
            bias = value;
            return this;
        }

        /** Modules that are trained whole; none. */
        public Builder modulesToSave(List<String> value) {
            modulesToSave = value;
            return this;
        }

        /**
         * The configuration.
         *
         * @throws io.sparkqlora.kernels.QLoraException CONFIG for a value out of range
         */
        public LoraConfig build() {
            return new LoraConfig(
                    r,
                    loraAlpha,
                    loraDropout,
                    targetModules,
                    layers,
                    initLoraWeights,
                    useRslora,
                    rankPattern,
                    alphaPattern,
                    useDora,
                    bias,
                    modulesToSave);
        }
    }
}
