// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.step;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.train.Collective;
import io.sparkqlora.train.internal.model.LayerShards;
import java.nio.ByteBuffer;
import java.util.Arrays;

/** In the hosts' memory, over the ring: for devices whose operations have run when their call returns. */
final class HostGathers implements LayerTransport {

    private final Device device;
    private final LayerShards shards;
    private final int part;
    private Collective collective;
    private int[] partOfRank;

    /** @param part of each layer that this rank keeps */
    HostGathers(Device device, LayerShards shards, int part) {
        this.device = device;
        this.shards = shards;
        this.part = part;
    }

    @Override
    public void join(Collective ranks, int[] parts) {
        collective = ranks;
        partOfRank = parts;
    }

    @Override
    public void release(int layer) {
        // what was issued has run
    }

    @Override
    public void gather(int layer, Runnable begun) {
        ByteBuffer[] places = shards.places(device, layer, part);
        collective.allGatherInto(
                Arrays.stream(partOfRank).mapToObj(held -> places[held]).toArray(ByteBuffer[]::new));
        begun.run();
    }

    @Override
    public void await(int layer) {
        // it is there when the gather has begun, which is its end
    }
}
