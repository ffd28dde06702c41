// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.model;

import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.ModelConfig;
import io.sparkqlora.train.internal.linear.LinearGroup;
import java.util.List;
import java.util.stream.Stream;

/**
 * The frozen base in device memory, but for the token embedding, which may be in the host's.
 *
 * @param config its shape
 * @param embedding [vocabulary, hidden], in the compute type; the output projection's own weight where they are tied
 * @param layers in order
 * @param finalNorm F32 vector [hidden]
 * @param lmHead the output projection
 * @param shards where the layers' quantised weights are if this rank keeps only a part of each, else null
 */
public record BaseModel(
        ModelConfig config,
        Tensor embedding,
        List<DecoderLayer> layers,
        Tensor finalNorm,
        LinearGroup lmHead,
        LayerShards shards) {

    public BaseModel {
        layers = List.copyOf(layers);
    }

    /** All linear layers, in the order of a forward pass. */
    public List<LinearGroup> groups() {
        return Stream.concat(
                        layers.stream().flatMap(l -> Stream.of(l.qkv(), l.o(), l.gateUp(), l.down())),
                        Stream.of(lmHead))
                .toList();
    }

    /**
     * The weights of one decoder layer.
     *
     * @param index its place, from 0
     * @param norms F32 vectors, [hidden] or of a head [headDim]
     */
    public record DecoderLayer(
            int index,
            LayerNorms<Tensor> norms,
            LinearGroup qkv,
            LinearGroup o,
            LinearGroup gateUp,
            LinearGroup down) {}
}
