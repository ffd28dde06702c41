// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.optim;

import io.sparkqlora.kernels.Arena;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.PageQueue;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.internal.linear.AdapterBuffers;
import io.sparkqlora.train.internal.optim.Page.Scalars;
import java.util.ArrayList;
import java.util.List;

/**
 * One update of an adapter and its moments. Moments that are kept in the host's memory come page by page through a few slots on
 * the device: while one page is updated the next comes and the last goes, so that the bus is busy both ways.
 *
 * @param queue null where moments are kept on the device
 * @param slots buffers for pages
 */
public record MomentUpdate(Moments moments, PageQueue queue, List<List<Tensor>> slots) {

    /** One page comes, one is updated, one goes. */
    public static final int SLOTS = 3;

    /** Takes slots where they are needed. */
    public static MomentUpdate take(Moments moments, PageQueue queue, Arena arena) {
        List<List<Tensor>> slots = new ArrayList<>();
        for (int i = 0;
                moments.apart() && i < Math.min(SLOTS, travelling(moments).size());
                i++) {
            slots.add(slot(travelling(moments), arena));
        }
        return new MomentUpdate(moments, queue, slots);
    }

    /** As large as the largest page, tensor by tensor. */
    private static List<Tensor> slot(List<Page> pages, Arena arena) {
        List<Tensor> slot = new ArrayList<>();
        for (int i = 0; i < pages.get(0).state().size(); i++) {
            int tensor = i;
            long size = pages.stream()
                    .mapToLong(page -> page.state().get(tensor).size())
                    .max()
                    .orElseThrow();
            slot.add(arena.take(pages.get(0).state().get(i).dtype(), 1, size));
        }
        return slot;
    }

    private static List<Page> travelling(Moments moments) {
        return moments.pages().stream().filter(Page::travels).toList();
    }

    /** Has the first pages come, while the device is still busy with the step. */
    public void prefetch() {
        List<Page> pages = travelling(moments);
        for (int i = 0; i < slots.size(); i++) {
            in(pages, i);
        }
    }

    /** Nothing is updated after all: slots are free again. */
    public void abandon() {
        if (!slots.isEmpty()) {
            queue.finish();
        }
    }

    /**
     * Issues the update; after {@link #prefetch}.
     *
     * @param factors a row for each group of parameters
     */
    public void run(Device device, AdapterBuffers adapter, Tensor normAndScale, Tensor factors) {
        for (Page page : moments.pages()) {
            if (!page.travels()) {
                update(device, adapter, page, page.state(), scalars(page, normAndScale, factors));
            }
        }
        List<Page> pages = slots.isEmpty() ? List.of() : travelling(moments);
        for (int i = 0; i < pages.size(); i++) {
            int slot = i % slots.size();
            List<Tensor> here = here(pages, i);
            queue.await(slot);
            update(device, adapter, pages.get(i), here, scalars(pages.get(i), normAndScale, factors));
            queue.out(slot, here, pages.get(i).state());
            if (i + slots.size() < pages.size()) {
                in(pages, i + slots.size());
            }
        }
        abandon();
    }

    private static Scalars scalars(Page page, Tensor normAndScale, Tensor factors) {
        return new Scalars(normAndScale, factors.rowRange(page.group(), page.group() + 1L));
    }

    private void in(List<Page> pages, int page) {
        queue.in(page % slots.size(), pages.get(page).state(), here(pages, page));
    }

    /** A page's part of its slot. */
    private List<Tensor> here(List<Page> pages, int page) {
        List<Tensor> slot = slots.get(page % slots.size());
        List<Tensor> here = new ArrayList<>();
        for (int i = 0; i < slot.size(); i++) {
            here.add(slot.get(i).colRange(0, pages.get(page).state().get(i).size()));
        }
        return here;
    }

    private static void update(Device device, AdapterBuffers adapter, Page page, List<Tensor> state, Scalars scalars) {
        Tensor parameter = adapter.parameters().colRange(page.from(), page.to());
        Tensor gradient = adapter.gradients().colRange(page.from(), page.to());
        page.update().run(device.ops(), parameter, gradient, state, scalars);
    }
}
