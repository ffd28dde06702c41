// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.model;

import io.sparkqlora.train.internal.linear.AdapterBuffers;
import io.sparkqlora.train.internal.linear.LoraGroup;
import java.util.List;

/**
 * An adapter by the places that it acts at; null where there is none.
 *
 * @param layers one for each decoder layer
 * @param lmHead of the output projection
 */
public record ModelAdapter(List<Layer> layers, LoraGroup lmHead) {

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
        return new ModelAdapter(layers, buffers.group(layout.lmHead()));
    }

    /** The first layer that has an adapter, where backward may end; the number of layers if none has. */
    public int lowestLayer() {
        int lowest = 0;
        while (lowest < layers.size() && layers.get(lowest).isEmpty()) {
            lowest++;
        }
        return lowest;
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
