// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.linear;

import io.sparkqlora.train.FormatErrors;
import io.sparkqlora.train.ModelConfig;
import io.sparkqlora.train.QuantizationConfig;
import io.sparkqlora.train.SkipModules;
import io.sparkqlora.train.internal.model.ModelLayout;
import java.util.List;

/** Checks {@code llm_int8_skip_modules} against the layers that there are. */
public final class SkippedLayers {

    private SkippedLayers() {}

    /**
     * A list that came with the weights says what was done to them, so entries for parts that this engine has not are nothing
     * wrong.
     *
     * @throws io.sparkqlora.kernels.QLoraException CONFIG if an entry means no layer, the output projection is not among
     *     them, or all are
     */
    public static void check(ModelConfig model, QuantizationConfig quantization, ModelLayout layout) {
        List<String> patterns = quantization.llmInt8SkipModules().patterns();
        if (!quantization.quantized() || patterns == null) {
            return;
        }
        if (model.quantization() == null) {
            requireOwn(quantization, patterns, layout.moduleNames());
        }
        boolean any = layout.groups().stream().anyMatch(group -> group.parts().stream()
                .anyMatch(part -> quantization.quantizes(group.quantizable(), part.name())));
        if (!any) {
            throw FormatErrors.everythingSkipped(patterns);
        }
    }

    private static void requireOwn(QuantizationConfig quantization, List<String> patterns, List<String> modules) {
        for (String pattern : patterns) {
            if (modules.stream().noneMatch(module -> SkipModules.matches(pattern, module))) {
                throw FormatErrors.skipsNothing(pattern, modules);
            }
        }
        if (!quantization.llmInt8SkipModules().skips("lm_head")) {
            throw FormatErrors.outputNotSkipped(patterns);
        }
    }
}
