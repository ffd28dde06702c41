// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import java.io.Serializable;
import java.util.List;

/**
 * A LoRA adapter on the host.
 *
 * @param config its configuration; {@code all-linear} is spelt out as a list of names, as PEFT saves it
 * @param baseModelNameOrPath the base it was trained on, or null if unknown
 * @param tensors F32, under PEFT's names: {@code base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight} is
 *     [r, in_features], {@code …lora_B.weight} is [out_features, r]; a large weight of a
 *     module that was trained whole is in several, of some rows each, whose names end with those rows: {@code lm_head.weight[0:2048]}
 */
public record Adapter(LoraConfig config, String baseModelNameOrPath, List<NamedTensor> tensors)
        implements Serializable {

    public Adapter {
        tensors = List.copyOf(tensors);
    }

    /** The same adapter of a base of this name. */
    public Adapter withBaseModelNameOrPath(String name) {
        return new Adapter(config, name, tensors);
    }
}
