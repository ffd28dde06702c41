// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.model;

/** Somebody who is told how a micro-batch goes through the layers: up to the last one, and back down to the lowest adapter. */
public interface LayerSteps {

    /** Nobody is told. */
    LayerSteps NOBODY = new LayerSteps() {};

    /** The layer's weights are about to be read, those that were asked for before are not read any more. */
    default void before(int layer) {}

    /** Backward has left the layer, and so all above it; their gradients are final for this micro-batch. */
    default void afterBackward(int layer) {}

    /** Tells what a micro-batch tells, without one. */
    static void walk(int layers, int lowest, LayerSteps steps) {
        walkUp(layers, steps);
        for (int layer = layers - 1; layer >= lowest; layer--) {
            steps.before(layer);
            steps.afterBackward(layer);
        }
    }

    /** Tells what a forward pass alone tells, without one. */
    static void walkUp(int layers, LayerSteps steps) {
        for (int layer = 0; layer < layers; layer++) {
            steps.before(layer);
        }
    }
}
