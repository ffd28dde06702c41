// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.model;

import io.sparkqlora.train.ModelConfig;
import io.sparkqlora.train.internal.linear.GroupSpec;
import io.sparkqlora.train.internal.linear.GroupSpec.Part;
import java.util.ArrayList;
import java.util.List;

/**
 * The linear layers of a decoder, by the input that they share.
 *
 * @param layers of the decoder, in order
 * @param lmHead the output projection
 */
public record ModelLayout(List<Layer> layers, GroupSpec lmHead) {

    /** Linear layers of a decoder layer, for numbering. */
    private static final int MODULES = 7;

    /** The groups of one decoder layer. */
    public record Layer(int index, GroupSpec qkv, GroupSpec o, GroupSpec gateUp, GroupSpec down) {

        /** What the names of the layer's tensors begin with. */
        public String prefix() {
            return "model.layers." + index + ".";
        }

        /** The groups of linear layers that have an input in common, in the order of a forward pass. */
        public List<GroupSpec> groups() {
            return List.of(qkv, o, gateUp, down);
        }
    }

    public ModelLayout {
        layers = List.copyOf(layers);
    }

    /** The layers of a model of the Llama family. */
    public static ModelLayout of(ModelConfig config) {
        List<Layer> layers = new ArrayList<>();
        for (int i = 0; i < config.numHiddenLayers(); i++) {
            layers.add(layer(config, i));
        }
        Part head = new Part("lm_head", config.vocabSize(), MODULES * config.numHiddenLayers());
        return new ModelLayout(layers, new GroupSpec(config.hiddenSize(), List.of(head), false, false));
    }

    private static Layer layer(ModelConfig c, int index) {
        String attention = "model.layers." + index + ".self_attn.";
        String mlp = "model.layers." + index + ".mlp.";
        int first = MODULES * index;
        List<Part> qkv = List.of(
                new Part(attention + "q_proj", c.queryDim(), first),
                new Part(attention + "k_proj", c.keyValueDim(), first + 1),
                new Part(attention + "v_proj", c.keyValueDim(), first + 2));
        List<Part> o = List.of(new Part(attention + "o_proj", c.hiddenSize(), first + 3));
        List<Part> gateUp = List.of(
                new Part(mlp + "gate_proj", c.intermediateSize(), first + 4),
                new Part(mlp + "up_proj", c.intermediateSize(), first + 5));
        List<Part> down = List.of(new Part(mlp + "down_proj", c.hiddenSize(), first + 6));
        return new Layer(
                index,
                new GroupSpec(c.hiddenSize(), qkv, true, c.attentionBias()),
                new GroupSpec(c.queryDim(), o, true, c.attentionBias()),
                new GroupSpec(c.hiddenSize(), gateUp, true, c.mlpBias()),
                new GroupSpec(c.intermediateSize(), down, true, c.mlpBias()));
    }

    /** All groups, in the order of a forward pass. */
    public List<GroupSpec> groups() {
        List<GroupSpec> groups = new ArrayList<>();
        layers.forEach(layer -> groups.addAll(layer.groups()));
        groups.add(lmHead);
        return groups;
    }

    /** Full names of all linear layers, in the order of a forward pass. */
    public List<String> moduleNames() {
        return groups().stream()
                .flatMap(g -> g.parts().stream())
                .map(Part::name)
                .toList();
    }
}
