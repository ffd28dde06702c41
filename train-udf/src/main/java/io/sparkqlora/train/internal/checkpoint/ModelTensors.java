// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.checkpoint;

import io.sparkqlora.train.ModelConfig;
import io.sparkqlora.train.internal.linear.GroupSpec;
import io.sparkqlora.train.internal.model.ModelLayout;
import io.sparkqlora.train.internal.model.ModelLayout.NormSpec;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The tensors that a checkpoint of a configuration must hold: names as transformers saves them, and shapes. */
public final class ModelTensors {

    /** The output projection [vocabulary, hidden], where it is not tied to the embedding. */
    public static final String OUTPUT = "lm_head.weight";

    private final Map<String, List<Long>> shapes = new LinkedHashMap<>();

    private ModelTensors() {}

    /** Shapes by name, in the order of a forward pass. */
    public static Map<String, List<Long>> of(ModelConfig config) {
        ModelLayout layout = ModelLayout.of(config);
        ModelTensors tensors = new ModelTensors();
        tensors.add(ModelLayout.EMBEDDING, config.vocabSize(), config.hiddenSize());
        layout.layers().forEach(tensors::add);
        tensors.add(layout.finalNorm());
        if (!config.tieWordEmbeddings()) {
            tensors.add(layout.lmHead());
        }
        return tensors.shapes;
    }

    private void add(ModelLayout.Layer layer) {
        add(layer.norms().input());
        add(layer.qkv());
        add(layer.norms().query());
        add(layer.norms().key());
        add(layer.o());
        add(layer.norms().attentionOutput());
        add(layer.norms().feedForward());
        add(layer.gateUp());
        add(layer.down());
        add(layer.norms().feedForwardOutput());
    }

    private void add(GroupSpec group) {
        for (GroupSpec.Part part : group.parts()) {
            add(part.weightName(), part.outFeatures(), group.inFeatures());
            if (group.bias()) {
                add(part.biasName(), part.outFeatures());
            }
        }
    }

    /** @param norm null for none */
    private void add(NormSpec norm) {
        if (norm != null) {
            add(norm.name(), norm.size());
        }
    }

    private void add(String name, long... shape) {
        shapes.put(name, Arrays.stream(shape).boxed().toList());
    }
}
