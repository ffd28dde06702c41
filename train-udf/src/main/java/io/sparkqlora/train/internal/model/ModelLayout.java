// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.model;

import io.sparkqlora.train.LoraConfig;
import io.sparkqlora.train.ModelConfig;
import io.sparkqlora.train.internal.linear.AdapterLayout;
import io.sparkqlora.train.internal.linear.AdapterLayout.Role;
import io.sparkqlora.train.internal.linear.GroupSpec;
import io.sparkqlora.train.internal.linear.GroupSpec.Part;
import io.sparkqlora.train.internal.linear.LoraTargets;
import io.sparkqlora.train.internal.linear.SavedModule;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * The tensors of a model by name: the linear layers of a decoder, by the input that they share, and the norms.
 *
 * @param layers of the decoder, in order
 * @param finalNorm after the last layer
 * @param lmHead the output projection
 */
public record ModelLayout(List<Layer> layers, NormSpec finalNorm, GroupSpec lmHead) {

    /** The token embedding [vocabulary, hidden]. */
    public static final String EMBEDDING = "model.embed_tokens.weight";

    private static final String WEIGHT = ".weight";

    /** Linear layers of a decoder layer at most, for numbering. */
    private static final int MODULES = 7;

    /**
     * A norm's weight.
     *
     * @param name in the checkpoint
     * @param size elements
     */
    public record NormSpec(String name, int size) {

        /** The norm's own name. */
        String module() {
            return name.substring(0, name.length() - WEIGHT.length());
        }

        private SavedModule saved() {
            return new SavedModule(module(), 1, size, Role.NORM);
        }
    }

    /** The norms of one decoder layer, and the groups. */
    public record Layer(
            int index, LayerNorms<NormSpec> norms, GroupSpec qkv, GroupSpec o, GroupSpec gateUp, GroupSpec down) {

        /** The groups of linear layers that have an input in common, in the order of a forward pass. */
        public List<GroupSpec> groups() {
            return List.of(qkv, o, gateUp, down);
        }
    }

    public ModelLayout {
        layers = List.copyOf(layers);
    }

    /** The tensors of a model. */
    public static ModelLayout of(ModelConfig config) {
        List<Layer> layers = new ArrayList<>();
        for (int i = 0; i < config.numHiddenLayers(); i++) {
            layers.add(layer(config, i));
        }
        Part head = new Part("lm_head", config.vocabSize(), MODULES * config.numHiddenLayers());
        return new ModelLayout(
                layers,
                new NormSpec("model.norm.weight", config.hiddenSize()),
                new GroupSpec(config.hiddenSize(), List.of(head), false, false));
    }

    private static Layer layer(ModelConfig c, int index) {
        String prefix = "model.layers." + index + ".";
        int first = MODULES * index;
        List<Part> o = List.of(new Part(prefix + "self_attn.o_proj", c.hiddenSize(), first + 3));
        List<Part> down = List.of(new Part(prefix + "mlp.down_proj", c.hiddenSize(), first + 6));
        boolean qkvBias = c.attentionBias() || c.traits().qkvBias();
        return new Layer(
                index,
                norms(c, prefix),
                new GroupSpec(c.hiddenSize(), qkv(c, prefix + "self_attn.", first), true, qkvBias),
                new GroupSpec(c.queryDim(), o, true, c.attentionBias()),
                new GroupSpec(c.hiddenSize(), gateUp(c, prefix + "mlp.", first + 4), true, c.mlpBias()),
                new GroupSpec(c.intermediateSize(), down, true, c.mlpBias()));
    }

    private static List<Part> qkv(ModelConfig c, String attention, int first) {
        if (c.traits().fusedProjections()) {
            return List.of(new Part(attention + "qkv_proj", c.queryDim() + 2 * c.keyValueDim(), first));
        }
        return List.of(
                new Part(attention + "q_proj", c.queryDim(), first),
                new Part(attention + "k_proj", c.keyValueDim(), first + 1),
                new Part(attention + "v_proj", c.keyValueDim(), first + 2));
    }

    private static List<Part> gateUp(ModelConfig c, String mlp, int first) {
        if (c.traits().fusedProjections()) {
            return List.of(new Part(mlp + "gate_up_proj", 2 * c.intermediateSize(), first));
        }
        return List.of(
                new Part(mlp + "gate_proj", c.intermediateSize(), first),
                new Part(mlp + "up_proj", c.intermediateSize(), first + 1));
    }

    /** Where what attention adds is normalised too, transformers gives its norm the name that Llama's next one has. */
    private static LayerNorms<NormSpec> norms(ModelConfig c, String prefix) {
        boolean heads = c.traits().queryKeyNorms();
        boolean outputs = c.traits().outputNorms();
        NormSpec input = new NormSpec(prefix + "input_layernorm.weight", c.hiddenSize());
        NormSpec query = new NormSpec(prefix + "self_attn.q_norm.weight", c.headDim());
        NormSpec key = new NormSpec(prefix + "self_attn.k_norm.weight", c.headDim());
        NormSpec after = new NormSpec(prefix + "post_attention_layernorm.weight", c.hiddenSize());
        NormSpec before = new NormSpec(prefix + "pre_feedforward_layernorm.weight", c.hiddenSize());
        NormSpec last = new NormSpec(prefix + "post_feedforward_layernorm.weight", c.hiddenSize());
        return new LayerNorms<>(
                input,
                heads ? query : null,
                heads ? key : null,
                outputs ? after : null,
                outputs ? before : after,
                outputs ? last : null);
    }

    /** The token embedding, which may be trained whole. */
    SavedModule embedding() {
        String name = EMBEDDING.substring(0, EMBEDDING.length() - WEIGHT.length());
        return new SavedModule(name, lmHead.outFeatures(), lmHead.inFeatures(), Role.EMBEDDING);
    }

    /** The output projection, which may be trained whole. */
    SavedModule head() {
        return new SavedModule(lmHead.parts().get(0).name(), lmHead.outFeatures(), lmHead.inFeatures(), Role.WEIGHT);
    }

    /** Whether a module's weight is one that a base may have once for two modules. */
    public boolean tied(String module) {
        return module.equals(embedding().name()) || module.equals(head().name());
    }

    /** All modules that may be trained whole, in the order of a forward pass. */
    List<SavedModule> savedModules() {
        List<SavedModule> modules = new ArrayList<>();
        modules.add(embedding());
        layers.forEach(layer -> layer.norms().map(norm -> modules.add(norm.saved())));
        modules.add(finalNorm.saved());
        modules.add(head());
        return modules;
    }

    /**
     * The tensors of an adapter of this model.
     *
     * @throws io.sparkqlora.kernels.QLoraException CONFIG if an entry of the options about modules matches none, or one that it can't
     */
    public AdapterLayout adapter(LoraConfig lora) {
        Set<String> targets = LoraTargets.resolve(lora, moduleNames());
        return LoraTargets.layout(lora, SavedTargets.resolve(lora, this, targets), groups(), targets);
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
