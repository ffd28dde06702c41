// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.linear;

import io.sparkqlora.kernels.LoraLinear.Update;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.TensorStack;
import io.sparkqlora.train.Bias;
import io.sparkqlora.train.LoraConfig;
import io.sparkqlora.train.internal.linear.LoraGroup.Magnitude;
import io.sparkqlora.train.internal.linear.LoraGroup.TrainedBias;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * Where each tensor of an adapter lies in the one flat buffer that parameters, gradients and each moment have. One buffer
 * makes norm, clipping and update one call each. The {@code A}s of a group are neighbours, so that they are also one matrix.
 */
public final class AdapterLayout {

    /** Groups begin at multiples of this many elements, a cache line of F32. */
    private static final long ALIGNMENT = 16;

    /** What PEFT puts before a module's name. */
    private static final String PREFIX = "base_model.model.";

    /** Modules that are trained whole begin at multiples of this many, a cache line of a GPU in 16 bits: products read them there. */
    private static final long SAVED_ALIGNMENT = 64;

    /**
     * What a tensor is: half of a product, where a {@code B} begins as zeros, the lengths of a weight's rows, a bias; or the weight of a
     * module that is trained whole: of a linear layer, a table of embeddings or a norm.
     */
    public enum Role {
        A,
        B,
        MAGNITUDE,
        BIAS,
        WEIGHT,
        EMBEDDING,
        NORM;

        /** Whether tensors have one dimension. */
        public boolean vector() {
            return this == MAGNITUDE || this == BIAS || this == NORM;
        }
    }

    /**
     * One tensor.
     *
     * @param name PEFT's name
     * @param start its first element in the flat buffer
     * @param rows of the matrix
     * @param cols of the matrix
     * @param role what it is for
     */
    public record Slot(String name, long start, int rows, int cols, Role role) {

        /** Whether it is an {@code A}, which is initialised randomly. */
        public boolean low() {
            return role == Role.A;
        }

        /** Elements. */
        public long size() {
            return (long) rows * cols;
        }

        /** Its part of a flat buffer. */
        public Tensor in(Tensor flat) {
            return flat.colRange(start, start + size()).reshape(rows, cols);
        }
    }

    /**
     * The adapted layers of a group: {@code parts} are indices into the group's parts; slots of A and B in that order, and those of
     * magnitudes, or none. Those of {@code biased} layers, which may have no adapter, are {@code biases}.
     *
     * @param normed where the layers' rows begin among all that have magnitudes
     */
    record GroupSlots(
            GroupSpec spec,
            List<Integer> parts,
            List<Slot> a,
            List<Slot> b,
            List<Slot> magnitudes,
            long normed,
            List<Integer> biased,
            List<Slot> biases) {

        /** The rows of adapted layer {@code i}, of a vector over all that have magnitudes. */
        Tensor normed(Tensor vector, int i) {
            long from = normed
                    + magnitudes.subList(0, i).stream().mapToLong(Slot::size).sum();
            return vector.colRange(from, from + magnitudes.get(i).size());
        }
    }

    private final LoraConfig lora;
    private final Map<GroupSpec, GroupSlots> groups = new LinkedHashMap<>();
    private final List<Slot> slots = new ArrayList<>();
    private final List<String> modules = new ArrayList<>();
    private final Map<String, Slot> saved = new LinkedHashMap<>();
    private long size;
    private long normed;

    /**
     * @param specs all groups of the model
     * @param targets names of the layers that get an adapter
     * @param lora their ranks, scalings and magnitudes, and the biases beside them
     */
    public AdapterLayout(List<GroupSpec> specs, Set<String> targets, LoraConfig lora) {
        this(List.of(), specs, targets, lora);
    }

    /**
     * @param saved modules that are trained whole, which lie first: backward finishes the embedding's gradient last
     * @param specs all groups of the model
     * @param targets names of the layers that get an adapter
     * @param lora their ranks, scalings and magnitudes, and the biases beside them
     */
    public AdapterLayout(List<SavedModule> saved, List<GroupSpec> specs, Set<String> targets, LoraConfig lora) {
        this.lora = lora;
        for (SavedModule module : saved) {
            Slot slot = add(module.name() + ".weight", module.rows(), module.cols(), module.role());
            this.saved.put(module.name(), slot);
            TensorPieces.of(slot.name(), slot.rows(), slot.cols()).forEach(piece -> slots.add(part(slot, piece)));
            align(SAVED_ALIGNMENT);
        }
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

    private static Slot part(Slot whole, TensorPieces.Piece piece) {
        int rows = Math.toIntExact(piece.to() - piece.from());
        return new Slot(piece.name(), whole.start() + piece.from() * whole.cols(), rows, whole.cols(), whole.role());
    }

    private void addGroup(GroupSpec spec, List<Integer> parts) {
        List<Slot> a = new ArrayList<>();
        List<Slot> b = new ArrayList<>();
        List<Slot> magnitudes = new ArrayList<>();
        for (int part : parts) {
            String name = spec.parts().get(part).name();
            modules.add(name);
            a.add(add(name + ".lora_A.weight", lora.r(name), spec.inFeatures(), Role.A));
        }
        for (int part : parts) {
            GroupSpec.Part layer = spec.parts().get(part);
            b.add(add(layer.name() + ".lora_B.weight", layer.outFeatures(), lora.r(layer.name()), Role.B));
        }
        for (int part : lora.useDora() ? parts : List.<Integer>of()) {
            GroupSpec.Part layer = spec.parts().get(part);
            magnitudes.add(add(layer.name() + ".lora_magnitude_vector", 1, layer.outFeatures(), Role.MAGNITUDE));
        }
        List<Integer> biased = biased(spec, parts);
        List<Slot> biases = new ArrayList<>();
        for (int part : biased) {
            GroupSpec.Part layer = spec.parts().get(part);
            String name = layer.name() + (parts.contains(part) ? ".base_layer.bias" : ".bias");
            biases.add(add(name, 1, layer.outFeatures(), Role.BIAS));
        }
        for (int i = 0; i < parts.size(); i++) {
            slots.add(a.get(i));
            slots.add(b.get(i));
            slots.addAll(lora.useDora() ? magnitudes.subList(i, i + 1) : List.of());
        }
        slots.addAll(biases);
        groups.put(spec, new GroupSlots(spec, parts, a, b, magnitudes, normed, biased, biases));
        normed += magnitudes.stream().mapToLong(Slot::size).sum();
        align(ALIGNMENT);
    }

    private void align(long elements) {
        size = (size + elements - 1) / elements * elements;
    }

    private List<Integer> biased(GroupSpec spec, List<Integer> parts) {
        if (!spec.bias() || lora.bias() == Bias.NONE) {
            return List.of();
        }
        return lora.bias() == Bias.LORA_ONLY
                ? parts
                : IntStream.range(0, spec.parts().size()).boxed().toList();
    }

    private Slot add(String name, int rows, int cols, Role role) {
        Slot slot = new Slot(PREFIX + name, size, rows, cols, role);
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

    /** Rows of all layers that have magnitudes; 0 if none has. */
    public long normedRows() {
        return normed;
    }

    /** All groups that have an adapter, in order. */
    void eachGroup(Consumer<GroupSlots> body) {
        groups.values().forEach(body);
    }

    /** A group's tensors, or null if it has no adapter. */
    GroupSlots of(GroupSpec spec) {
        return groups.get(spec);
    }

    /** The weight of a module that is trained whole; null of one that is not. */
    Slot saved(String module) {
        return saved.get(module);
    }

    /** Names of the modules that are trained whole. */
    public Set<String> savedModules() {
        return Collections.unmodifiableSet(saved.keySet());
    }

    /** All tensors: modules that are trained whole, large ones in {@link TensorPieces}, then group by group, each {@code A} followed by its {@code B} and, if it has some, its magnitudes; then biases. */
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
     * @param parameters F32
     * @param shadow the same in the type of the pass
     * @param gradients F32
     * @param norms of the rows that have magnitudes, and what those are multiplied by; null if none has
     */
    LoraGroup group(GroupSpec spec, Tensor parameters, Tensor shadow, Tensor gradients, RowNorms norms) {
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
            scalings.add(scaling(spec, part));
            ordinals.add(spec.parts().get(part).ordinal());
        }
        Slot first = group.a().get(0);
        Slot all = new Slot(first.name(), first.start(), width(spec), spec.inFeatures(), Role.A);
        TensorStack a = TensorStack.of(all.in(shadow));
        TensorStack gradA = TensorStack.of(all.in(gradients));
        return new LoraGroup(
                spec.inFeatures(),
                scalings,
                a,
                gradA,
                updates,
                ordinals,
                magnitudes(group, gradients, norms),
                biases(group, parameters, gradients));
    }

    /** The factor on a layer's low-rank product. */
    float scaling(GroupSpec spec, int part) {
        return (float) lora.scaling(spec.parts().get(part).name());
    }

    /** Has a group's biases be the base's. */
    void beginBiases(Pass pass, LinearGroup group, Tensor parameters) {
        GroupSlots own = groups.get(group.spec());
        for (int i = 0; own != null && i < own.biases().size(); i++) {
            Slot slot = own.biases().get(i);
            long from = group.spec().outStart(own.biased().get(i));
            pass.ops().elementwise().cast(group.bias().colRange(from, from + slot.cols()), slot.in(parameters));
        }
    }

    private static List<TrainedBias> biases(GroupSlots group, Tensor parameters, Tensor gradients) {
        List<TrainedBias> biases = new ArrayList<>();
        for (int i = 0; i < group.biases().size(); i++) {
            int from = group.spec().outStart(group.biased().get(i));
            Slot slot = group.biases().get(i);
            biases.add(new TrainedBias(from, slot.in(parameters), slot.in(gradients)));
        }
        return biases;
    }

    private static List<Magnitude> magnitudes(GroupSlots group, Tensor gradients, RowNorms norms) {
        List<Magnitude> magnitudes = new ArrayList<>();
        for (int i = 0; i < group.magnitudes().size(); i++) {
            Tensor gradient = group.magnitudes().get(i).in(gradients);
            magnitudes.add(new Magnitude(group.normed(norms.norms(), i), group.normed(norms.factors(), i), gradient));
        }
        return magnitudes;
    }
}
