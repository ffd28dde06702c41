// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.model;

import io.sparkqlora.kernels.Arena;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Tensor;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The quantised weights of decoder layers of which this rank keeps a part. All of a layer's (packed elements and scales of
 * every matrix) lie in one image of bytes, which is cut into as many equal parts as there are ranks, wherever that cuts. A
 * rank keeps one part of every image, and has room for a few whole ones: layer {@code i} is computed with in image {@code i}
 * modulo their number.
 *
 * @param images U8 [ranks, bytes of a part], a part a row
 * @param parts U8 [1, bytes of a part], one a layer: what this rank keeps
 */
public record LayerShards(List<Tensor> images, List<Tensor> parts) {

    /** A layer is computed with while the next one is gathered. */
    private static final int MOST_IMAGES = 2;

    /** Parts begin on cache lines. */
    private static final long ALIGNMENT = 256;

    public LayerShards {
        images = List.copyOf(images);
        parts = List.copyOf(parts);
    }

    /**
     * Takes images and parts, their contents undefined.
     *
     * @param layerBytes the most bytes of a layer's quantised weights
     */
    static LayerShards take(Arena images, Arena parts, long layerBytes, int layers, int ranks) {
        long step = ranks * ALIGNMENT;
        long partBytes = (layerBytes + step - 1) / step * ALIGNMENT;
        List<Tensor> whole = new ArrayList<>();
        for (int i = 0; i < Math.min(MOST_IMAGES, layers); i++) {
            whole.add(images.take(DType.U8, ranks, partBytes));
        }
        List<Tensor> kept = new ArrayList<>();
        for (int i = 0; i < layers; i++) {
            kept.add(parts.take(DType.U8, 1, partBytes));
        }
        return new LayerShards(whole, kept);
    }

    /** In how many parts a layer is cut. */
    public int ranks() {
        return (int) images.get(0).rows();
    }

    /** The image's number that a layer is computed with in. */
    public int slot(int layer) {
        return layer % images.size();
    }

    Tensor image(int layer) {
        return images.get(slot(layer));
    }

    /** Makes the gaps between tensors zeros, so that nobody is sent what was in the memory before. */
    void clear(Device device) {
        images.forEach(device.ops().elementwise()::zero);
    }

    /** Keeps this rank's part of a layer whose image has been filled. */
    void keep(Device device, int layer, int part) {
        device.ops().elementwise().cast(image(layer).rowRange(part, part + 1L), part(layer));
    }

    /** What this rank keeps of a layer. */
    public Tensor part(int layer) {
        return parts.get(layer);
    }

    /**
     * The places of a layer's parts, in its image.
     *
     * @param partOfRank which part each rank keeps
     */
    public List<Tensor> places(int layer, int[] partOfRank) {
        return Arrays.stream(partOfRank)
                .mapToObj(part -> image(layer).rowRange(part, part + 1L))
                .toList();
    }

    /**
     * The places of a layer's parts in the host's memory, for a gather: in its image, this rank's own being there already.
     *
     * @param kept that part's number
     */
    public ByteBuffer[] places(Device device, int layer, int kept) {
        ByteBuffer[] places = new ByteBuffer[ranks()];
        for (int part = 0; part < places.length; part++) {
            places[part] = view(device, image(layer).rowRange(part, part + 1L));
        }
        places[kept].duplicate().put(view(device, parts.get(layer)));
        return places;
    }

    private static ByteBuffer view(Device device, Tensor tensor) {
        return device.hostView(tensor).orElseThrow(() -> new IllegalStateException(device.name() + " shows no memory"));
    }
}
