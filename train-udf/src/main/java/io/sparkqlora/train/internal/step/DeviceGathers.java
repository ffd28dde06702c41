// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.step;

import io.sparkqlora.kernels.DeviceGroup;
import io.sparkqlora.kernels.GatherQueue;
import io.sparkqlora.train.Collective;
import io.sparkqlora.train.CollectiveErrors;
import io.sparkqlora.train.internal.model.LayerShards;

/**
 * Between GPUs. Before each gather the ranks tell each other over the ring that they have come to it: a rank that failed is
 * known by its reason then, where on a GPU it would be a kernel that waits. The host is a layer ahead of the GPU, which hides
 * that word, and no more than that, so that somebody's end leaves no more in the GPU's queue than the queue has room for.
 */
final class DeviceGathers implements LayerTransport {

    private final RankDevices devices;
    private final LayerShards shards;
    private Collective collective;
    private int[] partOfRank;
    private DeviceGroup joined;
    private GatherQueue queue;

    DeviceGathers(RankDevices devices, LayerShards shards) {
        this.devices = devices;
        this.shards = shards;
    }

    /** @throws io.sparkqlora.kernels.QLoraException CONFIG if not all GPUs can be joined */
    @Override
    public void join(Collective ranks, int[] parts) {
        DeviceGroup group = devices.of(ranks);
        if (group == null) {
            throw CollectiveErrors.shardNeedsGroup("a rank of this run");
        }
        if (group != joined) {
            joined = group;
            queue = group.gatherQueue(shards.images().size());
        }
        collective = ranks;
        partOfRank = parts;
    }

    @Override
    public void release(int layer) {
        queue.release(shards.slot(layer));
    }

    @Override
    public void gather(int layer, Runnable begun) {
        collective.allGather(layer);
        queue.begin(shards.slot(layer), shards.part(layer), shards.places(layer, partOfRank));
        begun.run();
        queue.finish(shards.slot(layer));
    }

    @Override
    public void await(int layer) {
        queue.await(shards.slot(layer));
    }
}
