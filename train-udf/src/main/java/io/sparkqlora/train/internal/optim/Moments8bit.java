// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.optim;

import io.sparkqlora.kernels.AdamW8bit;
import io.sparkqlora.kernels.AdamW8bit.Moment;
import io.sparkqlora.kernels.Arena;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Lion;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.Optim;
import io.sparkqlora.train.TrainingState;
import io.sparkqlora.train.internal.linear.AdapterLayout;
import io.sparkqlora.train.internal.linear.AdapterLayout.Role;
import io.sparkqlora.train.internal.linear.AdapterLayout.Slot;
import io.sparkqlora.train.internal.linear.ExpectedTensor;
import io.sparkqlora.train.internal.optim.Moments.Table;
import io.sparkqlora.train.internal.optim.Moments.View;
import java.util.ArrayList;
import java.util.List;

/**
 * Moments in 8 bits, each tensor in blocks of its own, as bitsandbytes quantises them. Codes lie as the adapter's elements do,
 * scales block after block. Moments of small tensors are F32 and stay on the device, as they do there; so are those of an embedding,
 * for which transformers registers 32 bits.
 */
final class Moments8bit {

    /** bitsandbytes' {@code min_8bit_size}. */
    private static final int LEAST_ELEMENTS = 4096;

    private static final int BLOCK = AdamW8bit.BLOCK_SIZE;
    private static final List<String> ABSMAX_PREFIXES =
            List.of(TrainingState.EXP_AVG_ABSMAX, TrainingState.EXP_AVG_SQ_ABSMAX);

    /** A block of a tensor: its first element in the flat buffers, and how many it has. */
    private record Block(long from, int count, int group) {}

    private final Optim.Rule rule;
    private final boolean apart;
    private final Arena device;
    private final Tensor[] codes;
    private final Tensor[] absmax;
    /** The element that codes begin with: an embedding before it has none. */
    private long origin;

    private final List<Block> blocks = new ArrayList<>();
    private final List<Page> pages = new ArrayList<>();
    private final List<View> views = new ArrayList<>();
    private final List<Tensor> buffers = new ArrayList<>();
    private final List<Table> tables = new ArrayList<>();

    private Moments8bit(Optim.Rule rule, boolean apart, Arena device) {
        this.rule = rule;
        this.apart = apart;
        this.device = device;
        this.codes = new Tensor[rule.moments()];
        this.absmax = new Tensor[rule.moments()];
    }

    /** @param apart whether {@code B}s have a learning rate of their own */
    static Moments take(
            Optim.Rule rule, AdapterLayout layout, boolean apart, Arena device, Arena home, long pageBytes) {
        Moments8bit made = new Moments8bit(rule, apart, device);
        List<Slot> large = layout.slots().stream()
                .filter(Moments8bit::in8bit)
                .sorted((a, b) -> Long.compare(a.start(), b.start()))
                .toList();
        large.forEach(made::cut);
        made.origin = large.isEmpty() ? 0 : large.get(0).start();
        for (int i = 0; i < rule.moments() && !large.isEmpty(); i++) {
            made.codes[i] = home.take(DType.U8, 1, layout.size() - made.origin);
            made.absmax[i] = home.take(DType.F32, 1, made.blocks.size());
            made.buffers.addAll(List.of(made.codes[i], made.absmax[i]));
        }
        made.pages(pageBytes);
        made.views(large);
        layout.slots().stream().filter(slot -> !in8bit(slot)).forEach(made::in32bit);
        return new Moments(made.pages, made.views, made.buffers, made.tables);
    }

    private static boolean in8bit(Slot slot) {
        return slot.size() >= LEAST_ELEMENTS && slot.role() != Role.EMBEDDING;
    }

    private void cut(Slot slot) {
        int group = ParameterRuns.group(slot, apart);
        for (long at = 0; at < slot.size(); at += BLOCK) {
            blocks.add(new Block(slot.start() + at, (int) Math.min(BLOCK, slot.size() - at), group));
        }
    }

    private void pages(long pageBytes) {
        long most = pageBytes / rule.moments(); // codes; scales are little beside them
        int first = 0;
        for (int i = 1; i <= blocks.size(); i++) {
            if (i == blocks.size()
                    || blocks.get(i).group() != blocks.get(first).group()
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
        List<Tensor> state = new ArrayList<>();
        for (int i = 0; i < rule.moments(); i++) {
            state.add(codes[i].colRange(from - origin, to - origin));
            state.add(absmax[i].colRange(first, end));
        }
        pages.add(new Page(from, to, blocks.get(first).group(), state, update(table)));
    }

    private Page.Update update(Tensor blocks) {
        return rule == Optim.Rule.LION
                ? (ops, parameter, gradient, s, scalars) -> ops.lion8bit()
                        .update(
                                parameter,
                                gradient,
                                moment(s, 0),
                                blocks,
                                scalars.normAndScale(),
                                scalars.first(Lion.FACTORS))
                : (ops, parameter, gradient, s, scalars) -> ops.adamW8bit()
                        .update(
                                parameter,
                                gradient,
                                moment(s, 0),
                                moment(s, 1),
                                blocks,
                                scalars.normAndScale(),
                                scalars.factors());
    }

    private static Moment moment(List<Tensor> state, int number) {
        return new Moment(state.get(2 * number), state.get(2 * number + 1));
    }

    private void views(List<Slot> slots) {
        for (int i = 0; i < rule.moments(); i++) {
            long first = 0;
            for (Slot slot : slots) {
                long end = first + (slot.size() + BLOCK - 1) / BLOCK;
                Tensor own = codes[i].colRange(slot.start() - origin, slot.start() - origin + slot.size());
                views.add(new View(
                        Moments.PREFIXES.get(i) + slot.name(),
                        own.reshape(slot.rows(), slot.cols()),
                        ExpectedTensor.shape(slot)));
                views.add(new View(
                        ABSMAX_PREFIXES.get(i) + slot.name(), absmax[i].colRange(first, end), List.of(end - first)));
                first = end;
            }
        }
    }

    private void in32bit(Slot slot) {
        List<Tensor> moments = new ArrayList<>();
        for (int i = 0; i < rule.moments(); i++) {
            moments.add(device.take(DType.F32, 1, slot.size()));
            views.add(new View(Moments.PREFIXES.get(i) + slot.name(), moments.get(i), ExpectedTensor.shape(slot)));
        }
        buffers.addAll(moments);
        int group = ParameterRuns.group(slot, apart);
        long most = Moments.WHOLE_BYTES / ((long) rule.moments() * Float.BYTES);
        for (long from = 0; from < slot.size(); from += most) {
            long first = from;
            long end = Math.min(slot.size(), from + most);
            List<Tensor> state =
                    moments.stream().map(moment -> moment.colRange(first, end)).toList();
            pages.add(Moments32bit.page(rule, slot.start() + first, slot.start() + end, group, state));
        }
    }
}
