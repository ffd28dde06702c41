// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.optim;

import io.sparkqlora.kernels.AdamW8bit;
import io.sparkqlora.kernels.AdamW8bit.Moment;
import io.sparkqlora.kernels.Arena;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.TrainingState;
import io.sparkqlora.train.internal.linear.AdapterLayout;
import io.sparkqlora.train.internal.linear.AdapterLayout.Slot;
import io.sparkqlora.train.internal.linear.ExpectedTensor;
import io.sparkqlora.train.internal.optim.Moments.Table;
import io.sparkqlora.train.internal.optim.Moments.View;
import java.util.ArrayList;
import java.util.List;

/**
 * Moments in 8 bits, each tensor in blocks of its own, as bitsandbytes quantises them. Codes lie as the adapter's elements do,
 * scales block after block. Moments of small tensors are F32 and stay on the device, as they do there.
 */
final class Moments8bit {

    /** bitsandbytes' {@code min_8bit_size}. */
    private static final int LEAST_ELEMENTS = 4096;

    private static final int BLOCK = AdamW8bit.BLOCK_SIZE;
    private static final List<String> ABSMAX_PREFIXES =
            List.of(TrainingState.EXP_AVG_ABSMAX, TrainingState.EXP_AVG_SQ_ABSMAX);

    /** A block of a tensor: its first element in the flat buffers, and how many it has. */
    private record Block(long from, int count) {}

    private final Arena device;
    private final Tensor[] codes = new Tensor[2];
    private final Tensor[] absmax = new Tensor[2];
    private final List<Block> blocks = new ArrayList<>();
    private final List<Page> pages = new ArrayList<>();
    private final List<View> views = new ArrayList<>();
    private final List<Tensor> buffers = new ArrayList<>();
    private final List<Table> tables = new ArrayList<>();

    private Moments8bit(Arena device) {
        this.device = device;
    }

    static Moments take(AdapterLayout layout, Arena device, Arena home, long pageBytes) {
        Moments8bit made = new Moments8bit(device);
        List<Slot> large = layout.slots().stream()
                .filter(slot -> slot.size() >= LEAST_ELEMENTS)
                .sorted((a, b) -> Long.compare(a.start(), b.start()))
                .toList();
        large.forEach(made::cut);
        for (int i = 0; i < 2 && !large.isEmpty(); i++) {
            made.codes[i] = home.take(DType.U8, 1, layout.size());
            made.absmax[i] = home.take(DType.F32, 1, made.blocks.size());
            made.buffers.addAll(List.of(made.codes[i], made.absmax[i]));
        }
        made.pages(pageBytes);
        made.views(large);
        layout.slots().stream().filter(slot -> slot.size() < LEAST_ELEMENTS).forEach(made::small);
        return new Moments(made.pages, made.views, made.buffers, made.tables);
    }

    private void cut(Slot slot) {
        for (long at = 0; at < slot.size(); at += BLOCK) {
            blocks.add(new Block(slot.start() + at, (int) Math.min(BLOCK, slot.size() - at)));
        }
    }

    private void pages(long pageBytes) {
        long most = pageBytes / 2; // codes of both moments; scales are little beside them
        int first = 0;
        for (int i = 1; i <= blocks.size(); i++) {
            if (i == blocks.size()
                    || blocks.get(i).from() + BLOCK - blocks.get(first).from() > most) {
                page(first, i);
                first = i;
            }
        }
    }

    private void page(int first, int end) {
        long from = blocks.get(first).from();
        long to = blocks.get(end - 1).from() + blocks.get(end - 1).count();
        int[] places = new int[2 * (end - first)];
        for (int i = first; i < end; i++) {
            places[2 * (i - first)] = Math.toIntExact(blocks.get(i).from() - from);
            places[2 * (i - first) + 1] = blocks.get(i).count();
        }
        Tensor table = device.take(DType.I32, end - first, 2);
        tables.add(new Table(table, places));
        List<Tensor> state = List.of(
                codes[0].colRange(from, to),
                absmax[0].colRange(first, end),
                codes[1].colRange(from, to),
                absmax[1].colRange(first, end));
        pages.add(new Page(from, to, state, (ops, parameter, gradient, s, scalars) -> ops.adamW8bit()
                .update(
                        parameter,
                        gradient,
                        new Moment(s.get(0), s.get(1)),
                        new Moment(s.get(2), s.get(3)),
                        table,
                        scalars.normAndScale(),
                        scalars.factors())));
    }

    private void views(List<Slot> slots) {
        for (int i = 0; i < 2; i++) {
            long first = 0;
            for (Slot slot : slots) {
                long end = first + (slot.size() + BLOCK - 1) / BLOCK;
                views.add(
                        new View(Moments.PREFIXES.get(i) + slot.name(), slot.in(codes[i]), ExpectedTensor.shape(slot)));
                views.add(new View(
                        ABSMAX_PREFIXES.get(i) + slot.name(), absmax[i].colRange(first, end), List.of(end - first)));
                first = end;
            }
        }
    }

    private void small(Slot slot) {
        Tensor[] moments = new Tensor[2];
        for (int i = 0; i < 2; i++) {
            moments[i] = device.take(DType.F32, 1, slot.size());
            buffers.add(moments[i]);
            views.add(new View(Moments.PREFIXES.get(i) + slot.name(), moments[i], ExpectedTensor.shape(slot)));
        }
        pages.add(Moments32bit.page(slot.start(), slot.start() + slot.size(), moments[0], moments[1]));
    }
}
