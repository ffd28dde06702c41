// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.train.internal.linear.AdapterCheck;
import io.sparkqlora.train.internal.linear.AdapterLayout;
import io.sparkqlora.train.internal.linear.LoraTargets;
import io.sparkqlora.train.internal.model.ModelLayout;
import java.util.List;
import java.util.Set;

/** What an adapter is to a base, by their configurations alone: no weight is read. */
public final class AdapterFit {

    private AdapterFit() {}

    /**
     * Full names of the linear layers that get an adapter, in the model's order.
     *
     * @throws io.sparkqlora.kernels.QLoraException CONFIG if an entry of the options about modules matches none
     */
    public static Set<String> modules(LoraConfig lora, ModelConfig model) {
        return LoraTargets.resolve(lora, ModelLayout.of(model).moduleNames());
    }

    /**
     * Full names of the modules that are trained whole.
     *
     * @throws io.sparkqlora.kernels.QLoraException CONFIG if an entry of the options about modules matches none, or one that it can't
     */
    public static Set<String> savedModules(LoraConfig lora, ModelConfig model) {
        return ModelLayout.of(model).adapter(lora).savedModules();
    }

    /**
     * Checks that an adapter's tensors are those that its configuration gives on a base of this shape.
     *
     * @throws io.sparkqlora.kernels.QLoraException INPUT if one is missing, too many, or has another shape; CONFIG as
     *     {@link #modules}
     */
    public static void require(Adapter adapter, ModelConfig model) {
        AdapterLayout layout = ModelLayout.of(model).adapter(adapter.config());
        AdapterCheck.byName("the adapter", layout, List.of(), adapter.tensors());
    }
}
