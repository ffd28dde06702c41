// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.linear;

import io.sparkqlora.kernels.LoraLinear.Update;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.TensorStack;
import io.sparkqlora.train.LoraConfig;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * Where each tensor of an adapter lies in the one flat buffer that parameters, gradients and each moment have. One buffer
 * makes norm, clipping and update one call each. The {@code A}s of a group are neighbours, so that they are also one matrix.
 */
public final class AdapterLayout {

    /** Groups begin at multiples of this many elements, a cache line of F32. */
    private static final long ALIGNMENT = 16;

    /** What PEFT puts before a module's name. */
    private static final String PREFIX = "base_model.model.";

    /**
     * One tensor.
     *
     * @param name PEFT's name
     * @param start its first element in the flat buffer
     * @param rows of the matrix
     * @param cols of the matrix
     * @param low whether it is an {@code A}, which is initialised randomly; a {@code B} begins as zeros
     */
    public record Slot(String name, long start, int rows, int cols, boolean low) {

        /** Elements. */
        public long size() {
            return (long) rows * cols;
        }

        /** Its part of a flat buffer. */
        public Tensor in(Tensor flat) {
            return flat.colRange(start, start + size()).reshape(rows, cols);
        }
    }

    /** The adapted layers of a group: {@code parts} are indices into the group's parts; slots of A and B in that order. */
    record GroupSlots(GroupSpec spec, List<Integer> parts, List<Slot> a, List<Slot> b) {}

    private final LoraConfig lora;
    private final Map<GroupSpec, GroupSlots> groups = new LinkedHashMap<>();
    private final List<Slot> slots = new ArrayList<>();
    private final List<String> modules = new ArrayList<>();
    private long size;

    /**
     * @param specs all groups of the model
     * @param targets names of the layers that get an adapter
     * @param lora their ranks and scalings
     */
    public AdapterLayout(List<GroupSpec> specs, Set<String> targets, LoraConfig lora) {
        this.lora = lora;
        for (GroupSpec spec : specs) {
            List<Integer> parts = new ArrayList<>();
            for (int i = 0; i < spec.parts().size(); i++) {
                if (targets.contains(spec.parts().get(i).name())) {
                    parts.add(i);
                }
            }
            if (!parts.isEmpty()) {
                addGroup(spec, parts);
            }
        }
    }

    private void addGroup(GroupSpec spec, List<Integer> parts) {
        List<Slot> a = new ArrayList<>();
        List<Slot> b = new ArrayList<>();
        for (int part : parts) {
            String name = spec.parts().get(part).name();
            modules.add(name);
            a.add(add(name + ".lora_A.weight", lora.r(name), spec.inFeatures(), true));
        }
        for (int part : parts) {
            GroupSpec.Part layer = spec.parts().get(part);
            b.add(add(layer.name() + ".lora_B.weight", layer.outFeatures(), lora.r(layer.name()), false));
        }
        for (int i = 0; i < parts.size(); i++) {
            slots.add(a.get(i));
            slots.add(b.get(i));
        }
        groups.put(spec, new GroupSlots(spec, parts, a, b));
        size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }

    private Slot add(String name, int rows, int cols, boolean low) {
        Slot slot = new Slot(PREFIX + name, size, rows, cols, low);
        size += slot.size();
        return slot;
    }

    /** Elements of a flat buffer; those between groups stay zero. */
    public long size() {
        return size;
    }

    /** Trained parameters. */
    public long parameterCount() {
        return slots.stream().mapToLong(Slot::size).sum();
    }

    /** All tensors, layer by layer, each {@code A} followed by its {@code B}. */
    public List<Slot> slots() {
        return slots;
    }

    /** Names of the layers that have an adapter. */
    public List<String> modules() {
        return modules;
    }

    /** Every rank that a layer has. */
    public Set<Integer> ranks() {
        return slots.stream().filter(Slot::low).map(Slot::rows).collect(Collectors.toSet());
    }

    /** A group's first element in a flat buffer; −1 if it has no adapter. */
    public long start(GroupSpec spec) {
        GroupSlots group = groups.get(spec);
        return group == null ? -1 : group.a().get(0).start();
    }

    /** Columns of a group's low-rank activations; 0 if it has no adapter. */
    public int width(GroupSpec spec) {
        GroupSlots group = groups.get(spec);
        return group == null ? 0 : group.a().stream().mapToInt(Slot::rows).sum();
    }

    /**
     * A group's adapter as views of flat buffers, or null if it has none.
     *
     * @param shadow the parameters in the type of the pass
     * @param gradients F32
     */
    LoraGroup group(GroupSpec spec, Tensor shadow, Tensor gradients) {
        GroupSlots group = groups.get(spec);
        if (group == null) {
            return null;
        }
        List<Update> updates = new ArrayList<>();
        List<Float> scalings = new ArrayList<>();
        List<Integer> ordinals = new ArrayList<>();
        for (int i = 0; i < group.parts().size(); i++) {
            int part = group.parts().get(i);
            Slot b = group.b().get(i);
            updates.add(new Update(spec.outStart(part), b.in(shadow), b.in(gradients)));
            scalings.add((float) lora.scaling(spec.parts().get(part).name()));
            ordinals.add(spec.parts().get(part).ordinal());
        }
        Slot first = group.a().get(0);
        Slot all = new Slot(first.name(), first.start(), width(spec), spec.inFeatures(), true);
        TensorStack a = TensorStack.of(all.in(shadow));
        TensorStack gradA = TensorStack.of(all.in(gradients));
        return new LoraGroup(spec.inFeatures(), scalings, a, gradA, updates, ordinals);
    }
}
