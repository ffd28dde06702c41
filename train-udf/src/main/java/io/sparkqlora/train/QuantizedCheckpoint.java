// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.train.internal.linear.GroupSpec;
import io.sparkqlora.train.internal.linear.SkippedLayers;
import io.sparkqlora.train.internal.merge.CheckpointMerge;
import io.sparkqlora.train.internal.merge.HeldFormat;
import io.sparkqlora.train.internal.merge.QuantizedOutput;
import io.sparkqlora.train.internal.merge.Updates;
import io.sparkqlora.train.internal.model.ModelLayout;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A checkpoint whose linear layers are in 4 or 8 bits, as transformers saves one that bitsandbytes quantised.
 *
 * @param folder where it lies
 * @param quantizedWeights weights in 4 or 8 bits
 * @param mergedWeights weights that an adapter was added to
 * @param bytes of all weights
 * @param maxErrorWeight the weight whose quantisation changed it most
 * @param maxError how much: {@code ‖dequantised − exact‖ / ‖exact‖} in the Frobenius norm
 * @param meanError the mean of that over the quantised weights
 */
public record QuantizedCheckpoint(
        Path folder,
        int quantizedWeights,
        int mergedWeights,
        long bytes,
        String maxErrorWeight,
        double maxError,
        double meanError) {

    /**
     * Quantises a checkpoint, to the bits that quantising it while loading gives. What is not quantised stays as it is; files keep their
     * names and number, tokenizer and generation options are copied. It needs memory for one tensor at a time.
     *
     * @param device that quantises
     * @param quantization the format, and what is left out
     * @param folder which is made if need be; whatever interrupts this, it holds no {@code config.json} of a part
     * @throws io.sparkqlora.kernels.QLoraException CONFIG if the base is quantised already, the folder can't be
     *     written or holds other weights, or the format can't be stored as {@code bnb4bitQuantStorage}
     */
    public static QuantizedCheckpoint write(
            Device device, Checkpoint base, QuantizationConfig quantization, Path folder) {
        if (base.config().quantization() != null) {
            throw FormatErrors.quantizedAlready(base.folder());
        }
        return write(device, base, quantization, null, Map.of(), new Updates(), folder);
    }

    /**
     * As {@link MergedCheckpoint#write}, and then quantised: what the adapter is added to is the weight that it was trained with, and
     * the sum is quantised without being rounded before. A weight without an adapter stays what it was while training, bit for bit.
     *
     * @param quantization of the run that trained the adapter, which is also what is written
     * @param dtype of what is not quantised, BF16 or F32, and that transformers dequantises to
     */
    public static QuantizedCheckpoint writeMerged(
            Device device,
            Checkpoint base,
            QuantizationConfig quantization,
            Adapter adapter,
            ComputeType dtype,
            Path folder) {
        if (dtype == ComputeType.F16) {
            throw LossScaleErrors.mergedType(dtype);
        }
        QuantizationConfig held = quantization.as(base.config().quantization());
        ModelLayout layout = ModelLayout.of(base.config());
        Map<String, HeldFormat> formats = HeldFormat.of(layout, base.weights(), held);
        Updates updates = MergedCheckpoint.updates(base.config(), layout, adapter);
        return write(device, base, held, dtype.dtype(), formats, updates, folder);
    }

    private static QuantizedCheckpoint write(
            Device device,
            Checkpoint base,
            QuantizationConfig target,
            DType out,
            Map<String, HeldFormat> held,
            Updates updates,
            Path folder) {
        if (!target.quantized()) {
            throw OptionErrors.writtenQuantized();
        }
        ModelLayout layout = ModelLayout.of(base.config());
        SkippedLayers.check(base.config(), target, layout);
        QuantizedOutput output =
                new QuantizedOutput(device, base.weights(), out, target, shapes(layout, target), held, updates);
        try {
            Files.createDirectories(folder);
            Map<String, List<String>> files = updates.of(base.weights(), base.tensorsByFile());
            MergedCheckpoint.requireOwn(folder, files.keySet());
            long bytes = new CheckpointMerge(output).write(base.folder(), files, held, folder);
            return of(folder, output.errors(), updates.size(), bytes);
        } catch (IOException e) {
            throw CheckpointErrors.unwritable(folder, e);
        }
    }

    private static QuantizedCheckpoint of(Path folder, Map<String, Double> errors, int merged, long bytes) {
        Map.Entry<String, Double> worst = errors.entrySet().stream()
                .max(Comparator.comparingDouble(Map.Entry::getValue))
                .orElseThrow();
        double mean = errors.values().stream()
                .mapToDouble(Double::doubleValue)
                .average()
                .orElseThrow();
        return new QuantizedCheckpoint(folder, errors.size(), merged, bytes, worst.getKey(), worst.getValue(), mean);
    }

    private static Map<String, long[]> shapes(ModelLayout layout, QuantizationConfig target) {
        Map<String, long[]> shapes = new LinkedHashMap<>();
        for (GroupSpec group : layout.groups()) {
            for (GroupSpec.Part part : group.parts()) {
                if (target.quantizes(group.quantizable(), part.name())) {
                    shapes.put(part.weightName(), new long[] {part.outFeatures(), group.inFeatures()});
                }
            }
        }
        return shapes;
    }
}
