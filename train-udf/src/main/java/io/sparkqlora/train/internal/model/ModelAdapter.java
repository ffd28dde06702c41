// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.model;

import io.sparkqlora.train.internal.linear.AdapterBuffers;
import io.sparkqlora.train.internal.linear.LoraGroup;
import io.sparkqlora.train.internal.linear.Pass;
import java.util.List;

/**
 * An adapter by the places that it acts at; null where there is none.
 *
 * @param layers one for each decoder layer
 * @param lmHead of the output projection
 * @param saved modules that it has whole
 */
public record ModelAdapter(List<Layer> layers, LoraGroup lmHead, SavedModules saved) {

    /** The adapters of one decoder layer, null where it has none. */
    public record Layer(LoraGroup qkv, LoraGroup o, LoraGroup gateUp, LoraGroup down) {

        private boolean isEmpty() {
            return qkv == null && o == null && gateUp == null && down == null;
        }
    }

    public ModelAdapter {
        layers = List.copyOf(layers);
    }

    /** Views of an adapter's buffers. */
    public static ModelAdapter of(ModelLayout layout, AdapterBuffers buffers) {
        List<Layer> layers = layout.layers().stream()
                .map(layer -> new Layer(
                        buffers.group(layer.qkv()),
                        buffers.group(layer.o()),
                        buffers.group(layer.gateUp()),
                        buffers.group(layer.down())))
                .toList();
        return new ModelAdapter(layers, buffers.group(layout.lmHead()), SavedModules.of(layout, buffers));
    }

    /** The first layer that is trained in, where backward may end; the number of layers if none is. */
    public int lowestLayer() {
        int lowest = 0;
        while (saved.embedding() == null
                && lowest < layers.size()
                && layers.get(lowest).isEmpty()
                && saved.norms(lowest).all().isEmpty()) {
            lowest++;
        }
        return lowest;
    }

    /** Whether the gradient of that layer's input is needed: by the embedding, or by the norm that begins the layer. */
    boolean throughLowestLayer() {
        int lowest = lowestLayer();
        return saved.embedding() != null
                || (lowest < layers.size() && saved.norms(lowest).input() != null);
    }

    /** Has modules that are trained whole begin as the base's. */
    public void begin(Pass pass, BaseModel base) {
        saved.begin(pass, base);
    }

    /** The same only if it is the same object: no two lie in the same memory, and comparing them would take long. */
    @Override
    public boolean equals(Object other) {
        return this == other;
    }

    @Override
    public int hashCode() {
        return System.identityHashCode(this);
    }
}
