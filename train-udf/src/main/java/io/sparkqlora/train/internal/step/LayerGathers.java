// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.step;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.train.Collective;
import io.sparkqlora.train.CollectiveErrors;
import io.sparkqlora.train.internal.model.BaseModel;
import io.sparkqlora.train.internal.model.LayerShards;
import io.sparkqlora.train.internal.model.LayerSteps;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;
import java.util.function.Consumer;

/**
 * Has the layers of a sharded base whole when a step needs them: the order in which it does is known at its beginning, so the
 * next layer is gathered while one is computed with. A layer that still lies in its image, as the last ones do where backward
 * begins, is not gathered again.
 *
 * <p>What is gathered when is a function of the step's rounds alone, which all ranks have in common; a rank that has fewer
 * micro-batches takes part in the gathers all the same.
 */
public final class LayerGathers {

    private static final int NONE = -1;

    private final LayerShards shards;
    private final int layers;
    private final int lowest;
    private final int part;
    private final RingThread thread;
    private final LayerTransport transport;
    private final int[] resident;
    private Collective agreed;

    /**
     * @param model sharded
     * @param lowest layer that backward goes down to
     * @param part of each layer that this rank keeps
     */
    LayerGathers(BaseModel model, int lowest, int part, RingThread thread, LayerTransport transport) {
        this.shards = model.shards();
        this.layers = model.layers().size();
        this.lowest = lowest;
        this.part = part;
        this.thread = thread;
        this.transport = transport;
        this.resident = new int[shards.images().size()];
    }

    /**
     * Those of a session: between GPUs where the device is one, through the hosts' memory elsewhere.
     *
     * @param lowest layer that backward goes down to
     * @param part of each layer that this rank keeps
     * @param exchange of its gradients, which has the devices in common with it
     */
    public static LayerGathers of(
            Device device, BaseModel model, int lowest, int part, RingThread thread, GradientExchange exchange) {
        LayerTransport transport = device.traits().ownsMemory()
                ? new DeviceGathers(exchange.devices(), model.shards())
                : new HostGathers(device, model.shards(), part);
        return new LayerGathers(model, lowest, part, thread, transport);
    }

    /**
     * Begins with a step.
     *
     * @param rounds the most micro-batches that a rank has
     * @throws io.sparkqlora.kernels.QLoraException CONFIG if the ranks don't have all parts between them
     */
    OfStep begin(Collective collective, int rounds) {
        return begin(collective, rounds, this::walk);
    }

    /** Begins with forward passes alone; otherwise as {@link #begin(Collective, int)}. */
    OfStep beginForward(Collective collective, int rounds) {
        return begin(collective, rounds, this::walkUp);
    }

    private OfStep begin(Collective collective, int rounds, Consumer<LayerSteps> round) {
        if (collective != agreed) {
            agree(collective);
        }
        List<Integer> uses = new ArrayList<>();
        for (int i = 0; i < rounds; i++) {
            round.accept(new LayerSteps() {
                @Override
                public void before(int layer) {
                    uses.add(layer);
                }
            });
        }
        return new OfStep(uses);
    }

    /** Tells of a round without computing. */
    void walk(LayerSteps steps) {
        LayerSteps.walk(layers, lowest, steps);
    }

    /** Tells of a round's forward pass without computing. */
    void walkUp(LayerSteps steps) {
        LayerSteps.walkUp(layers, steps);
    }

    /** Which rank has which part; with other ranks nothing is known of what they find in their images. */
    private void agree(Collective collective) {
        long[][] parts = collective.allGather(part);
        int[] found = Arrays.stream(parts).mapToInt(rank -> (int) rank[0]).toArray();
        for (int wanted = 0; wanted < found.length; wanted++) {
            int missing = wanted;
            if (Arrays.stream(found).noneMatch(held -> held == missing)) {
                throw CollectiveErrors.partMissing(missing, Arrays.toString(found));
            }
        }
        transport.join(collective, found);
        agreed = collective;
        Arrays.fill(resident, NONE);
    }

    /** The gathers of a step. */
    final class OfStep implements LayerSteps {

        private final List<Integer> uses;
        private final Gather[] gathers = new Gather[resident.length];
        private int current = NONE;
        private int asked;

        private OfStep(List<Integer> uses) {
            this.uses = uses;
        }

        /** Begins with the gathers that there is room for, and waits for this layer's. */
        @Override
        public void before(int layer) {
            current++;
            if (current >= uses.size() || uses.get(current) != layer) {
                throw new IllegalStateException("layer " + layer + " is not number " + current + " of " + uses);
            }
            while (asked < uses.size() && isFree(uses.get(asked))) {
                ask(uses.get(asked));
                asked++;
            }
            Gather gather = gathers[shards.slot(layer)];
            if (gather != null) {
                RingThread.await(gather.begun());
                transport.await(layer);
            }
        }

        /**
         * All layers have been issued. Waits for the gathers, on a GPU too: what the device does from here on needs no other
         * rank, so the host may wait for it without an end.
         */
        void finish() {
            for (Gather gather : gathers) {
                if (gather != null) {
                    RingThread.await(gather.over());
                }
            }
        }

        /** Whether no other layer is used in its image between now and then. */
        private boolean isFree(int layer) {
            return uses.subList(current, asked).stream()
                    .noneMatch(use -> use != layer && shards.slot(use) == shards.slot(layer));
        }

        private void ask(int layer) {
            int slot = shards.slot(layer);
            if (resident[slot] != layer) {
                resident[slot] = layer;
                transport.release(layer);
                CompletableFuture<Void> begun = new CompletableFuture<>();
                gathers[slot] = new Gather(begun, thread.submit(() -> gather(layer, begun)));
            }
        }
    }

    private void gather(int layer, CompletableFuture<Void> begun) {
        try {
            transport.gather(layer, () -> begun.complete(null));
        } catch (RuntimeException | Error e) {
            begun.completeExceptionally(e);
            throw e;
        }
    }

    /**
     * A gather on its way.
     *
     * @param begun when operations can be told to wait for it
     * @param over when the layer is whole
     */
    private record Gather(Future<?> begun, Future<?> over) {}
}
