// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.decompose;

import io.sparkqlora.kernels.Arena;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.InitLoraWeights;
import io.sparkqlora.train.InitLoraWeights.Kind;
import io.sparkqlora.train.LoraConfig;
import io.sparkqlora.train.NamedTensor;
import io.sparkqlora.train.internal.linear.HostCopies;
import io.sparkqlora.train.internal.svd.LeadingTriplets;
import io.sparkqlora.train.internal.svd.LowRank;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/**
 * A base whose weights are taken apart while they are read: into what an adapter begins with and what the base holds (PiSSA, LoftQ).
 * Each weight's parts are a function of the weight, its module's name, rank and scaling, the way and its iterations, and for LoftQ of how
 * the base is held; so whoever reads the base again gets them again.
 */
public final class DecomposedBase {

    private static final String PREFIX = "base_model.model.";

    private final LoraConfig lora;
    private final Set<String> modules;
    private final Map<String, NamedTensor> start = new LinkedHashMap<>();

    private DecomposedBase(LoraConfig lora, Set<String> modules) {
        this.lora = lora;
        this.modules = Set.copyOf(modules);
    }

    /** A base that stays as it is. */
    public static DecomposedBase none() {
        return new DecomposedBase(null, Set.of());
    }

    /**
     * The base that a fresh adapter begins on.
     *
     * @param modules that have an adapter
     */
    public static DecomposedBase toBegin(LoraConfig lora, Set<String> modules) {
        return lora.initLoraWeights().decomposes() ? new DecomposedBase(lora, modules) : none();
    }

    /** The base that a trained adapter is beside. */
    public static DecomposedBase toGoOn(LoraConfig lora, Set<String> modules) {
        return lora.initLoraWeights().changesBase() ? new DecomposedBase(lora, modules) : none();
    }

    /** Whether a module's weight is taken apart. */
    public boolean touches(String module) {
        return modules.contains(module);
    }

    /** What the adapter begins with, of the weights that were read, under PEFT's names. */
    public Map<String, NamedTensor> start() {
        return Collections.unmodifiableMap(start);
    }

    /** Room for one weight; {@code rest} is null where nothing is quantised on the way. */
    public record Room(Tensor weight, Tensor rest, Tensor a, Tensor b, LeadingTriplets.Buffers blocks) {}

    /** Takes room for a module's weight. */
    public Room take(Arena arena, String module, long rows, long cols) {
        int rank = lora.r(module);
        return new Room(
                arena.take(DType.F32, rows, cols),
                lora.initLoraWeights().kind() == Kind.LOFTQ ? arena.take(DType.F32, rows, cols) : null,
                arena.take(DType.F32, rank, cols),
                arena.take(DType.F32, rows, rank),
                LeadingTriplets.Buffers.take(arena, rows, cols, rank));
    }

    /**
     * Takes a weight apart.
     *
     * @param source as the checkpoint has it, of any floating-point type; contents are left alone
     * @throws io.sparkqlora.kernels.QLoraException CONFIG if its singular vectors are not found
     */
    public void split(Device device, String module, Tensor source, Room room, WeightStore held) {
        device.ops().elementwise().cast(source, room.weight());
        if (lora.initLoraWeights().kind() == Kind.PISSA) {
            keep(module, triplets(device, module, room.weight(), room));
            subtract(device, module, room, room.weight());
            held.store(room.weight());
        } else {
            quantizeInTurns(device, module, room, held);
        }
    }

    /** As PEFT's loftq_init: each time the weight less the product is quantised, and the product made of what that lost. */
    private void quantizeInTurns(Device device, String module, Room room, WeightStore held) {
        Tensor rest = room.rest();
        device.ops().elementwise().cast(room.weight(), rest);
        int iterations = lora.initLoraWeights().iterations();
        for (int i = 1; i <= iterations; i++) {
            held.store(rest);
            held.restore(rest);
            device.ops().elementwise().scale(rest, -1f, rest);
            device.ops().elementwise().add(room.weight(), rest, rest);
            keep(module, triplets(device, module, rest, room));
            if (i < iterations) {
                device.ops().elementwise().cast(room.weight(), rest);
                subtract(device, module, room, rest);
            }
        }
    }

    private LowRank triplets(Device device, String module, Tensor matrix, Room room) {
        InitLoraWeights init = lora.initLoraWeights();
        int iterations = init.kind() == Kind.PISSA ? init.iterations() : 0;
        return LeadingTriplets.of(device, matrix, room.blocks(), lora.r(module), iterations, module);
    }

    private void keep(String module, LowRank product) {
        double scaling = lora.scaling(module);
        NamedTensor a = product.a(PREFIX + module + ".lora_A.weight", scaling);
        NamedTensor b = product.b(PREFIX + module + ".lora_B.weight", scaling);
        start.put(a.name(), a);
        start.put(b.name(), b);
    }

    /** Takes {@code scaling · B·A} from a matrix, in F32. */
    private void subtract(Device device, String module, Room room, Tensor from) {
        HostCopies.write(device, start.get(PREFIX + module + ".lora_A.weight"), room.a());
        HostCopies.write(device, start.get(PREFIX + module + ".lora_B.weight"), room.b());
        float scaling = (float) lora.scaling(module);
        device.ops().matmul().multiply(room.b(), false, room.a(), false, -scaling, 1f, from);
    }
}
