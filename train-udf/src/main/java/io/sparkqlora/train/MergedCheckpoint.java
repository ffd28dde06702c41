// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.train.internal.decompose.DecomposedBase;
import io.sparkqlora.train.internal.linear.AdapterCheck;
import io.sparkqlora.train.internal.linear.AdapterLayout;
import io.sparkqlora.train.internal.linear.LoraTargets;
import io.sparkqlora.train.internal.linear.TensorPieces;
import io.sparkqlora.train.internal.merge.CheckpointMerge;
import io.sparkqlora.train.internal.merge.CheckpointOutput;
import io.sparkqlora.train.internal.merge.DenseOutput;
import io.sparkqlora.train.internal.merge.HeldFormat;
import io.sparkqlora.train.internal.merge.Updates;
import io.sparkqlora.train.internal.model.ModelLayout;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;

/**
 * A base with an adapter merged into it, as a checkpoint that transformers loads without peft.
 *
 * @param folder where it lies
 * @param mergedWeights weights that the adapter was added to
 * @param bytes of all weights
 */
public record MergedCheckpoint(Path folder, int mergedWeights, long bytes) {

    private static final String PREFIX = "base_model.model.";
    private static final String A = ".lora_A.weight";
    private static final String B = ".lora_B.weight";
    private static final String BIAS = ".bias";
    private static final String WEIGHT = ".weight";
    private static final String MAGNITUDE = ".lora_magnitude_vector";

    /**
     * Writes {@code W + scaling · B·A} for each linear layer of the base, {@code W} being what the adapter was trained with: the
     * weight quantised and dequantised where {@code quantization} says so (as it is stored, where the base is quantised already),
     * else the weight itself; less what the adapter began with, where that was a part of it (PiSSA, LoftQ); with DoRA its rows are given
     * the adapter's lengths. Modules that were trained whole take the place of the base's; where embedding and output projection were
     * tied and one of them was trained, the checkpoint has both. Weights are added to in F32
     * and rounded once. The base's files keep their names and number, tokenizer and generation options are copied. Beside the
     * adapter it needs memory for one tensor at a time.
     *
     * @param device that quantises and multiplies; the processor's numbers are those of a GPU to rounding
     * @param quantization of the run that trained the adapter
     * @param dtype of the weights that are written: BF16 or F32
     * @param folder which is made if need be; whatever interrupts this, it holds no {@code config.json} of a part
     * @throws io.sparkqlora.kernels.QLoraException INPUT if the adapter is not of this base; CONFIG if it can't be merged, or
     *     the folder can't be written or holds other weights
     */
    public static MergedCheckpoint write(
            Device device,
            Checkpoint base,
            QuantizationConfig quantization,
            Adapter adapter,
            ComputeType dtype,
            Path folder) {
        if (dtype == ComputeType.F16) {
            throw LossScaleErrors.mergedType(dtype);
        }
        ModelLayout layout = ModelLayout.of(base.config());
        QuantizationConfig held = quantization.as(base.config().quantization());
        Map<String, HeldFormat> formats = HeldFormat.of(layout, base.weights(), held);
        Updates updates = updates(base.config(), layout, adapter);
        CheckpointOutput output = new DenseOutput(device, base.weights(), dtype.dtype(), formats, updates);
        try {
            Files.createDirectories(folder);
            Map<String, List<String>> files = updates.of(base.weights(), base.tensorsByFile());
            requireOwn(folder, files.keySet());
            long bytes = new CheckpointMerge(output).write(base.folder(), files, formats, folder);
            return new MergedCheckpoint(folder, updates.size(), bytes);
        } catch (IOException e) {
            throw CheckpointErrors.unwritable(folder, e);
        }
    }

    static Updates updates(ModelConfig config, ModelLayout layout, Adapter adapter) {
        Set<String> targets = LoraTargets.resolve(adapter.config(), layout.moduleNames());
        Updates updates = new Updates(DecomposedBase.toGoOn(adapter.config(), targets));
        AdapterLayout own = layout.adapter(adapter.config());
        Map<String, NamedTensor> tensors = AdapterCheck.byName("the adapter", own, List.of(), adapter.tensors());
        for (NamedTensor tensor : adapter.tensors()) {
            if (tensor.name().endsWith(BIAS)) {
                String name = tensor.name().substring(PREFIX.length()).replace(".base_layer.", ".");
                updates.replace(name, List.of(tensor));
            }
        }
        Map<String, List<NamedTensor>> wholes = TensorPieces.wholes(adapter.tensors());
        for (String module : own.savedModules()) {
            if (config.tieWordEmbeddings() && layout.tied(module)) {
                updates.untie(
                        ModelLayout.EMBEDDING, layout.lmHead().parts().get(0).weightName());
            }
            updates.replace(module + WEIGHT, wholes.get(PREFIX + module + WEIGHT));
        }
        for (String module : targets) {
            if (config.tieWordEmbeddings() && module.equals("lm_head")) {
                throw OptionErrors.mergeIntoTied(module);
            }
            updates.add(
                    module + WEIGHT,
                    tensors.get(PREFIX + module + A),
                    tensors.get(PREFIX + module + B),
                    tensors.get(PREFIX + module + MAGNITUDE),
                    adapter.config().scaling(module));
        }
        return updates;
    }

    /** Weights of another checkpoint there would be loaded with these, or in their place. */
    static void requireOwn(Path folder, Set<String> files) throws IOException {
        if (Files.exists(folder.resolve("config.json"))) {
            throw OptionErrors.foreignWeights(folder, "config.json");
        }
        try (Stream<Path> there = Files.list(folder)) {
            there.map(file -> file.getFileName().toString())
                    .filter(name -> name.endsWith(".safetensors") || name.endsWith(".index.json"))
                    .filter(name -> !files.contains(name))
                    .findFirst()
                    .ifPresent(name -> {
                        throw OptionErrors.foreignWeights(folder, name);
                    });
        }
    }
}
