// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.merge;

import io.sparkqlora.train.internal.adapter.FileSwap;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** Writes a checkpoint's weights anew, file by file and in each one tensor after another. */
public final class CheckpointMerge {

    private final CheckpointOutput output;

    /** A checkpoint in that form. */
    public CheckpointMerge(CheckpointOutput output) {
        this.output = output;
    }

    /**
     * Writes the checkpoint; a folder without its {@code config.json} holds none.
     *
     * @param base the folder of the base
     * @param held the weights that the base holds quantised, by name
     * @return bytes of the weights
     */
    public long write(Path base, Map<String, List<String>> tensorsByFile, Map<String, HeldFormat> held, Path folder)
            throws IOException {
        Map<String, List<String>> weights = withoutParts(tensorsByFile, held);
        try (FileSwap swap = new FileSwap(folder)) {
            for (Map.Entry<String, List<String>> file : weights.entrySet()) {
                swap.add(file.getKey(), path -> output.write(path, file.getValue()));
            }
            if (weights.size() > 1) {
                String index = MergedFiles.index(names(weights), output.bytes());
                swap.add(MergedFiles.INDEX, path -> Files.writeString(path, index));
            }
            for (Path small : MergedFiles.copied(base)) {
                swap.add(small.getFileName().toString(), path -> Files.copy(small, path));
            }
            String config = MergedFiles.config(base, output::configure);
            swap.add(MergedFiles.CONFIG, path -> Files.writeString(path, config));
            swap.commit();
        }
        return output.bytes();
    }

    /** What stands beside a quantised weight goes with it; a file of nothing else is not written. */
    private static Map<String, List<String>> withoutParts(
            Map<String, List<String>> tensorsByFile, Map<String, HeldFormat> held) {
        Set<String> parts = held.values().stream()
                .filter(weight -> weight.stored() != null)
                .flatMap(weight -> weight.stored().parts().stream())
                .collect(Collectors.toSet());
        Map<String, List<String>> weights = new TreeMap<>();
        tensorsByFile.forEach((file, tensors) -> {
            List<String> left =
                    tensors.stream().filter(tensor -> !parts.contains(tensor)).toList();
            if (!left.isEmpty()) {
                weights.put(file, left);
            }
        });
        return weights;
    }

    private Map<String, List<String>> names(Map<String, List<String>> weights) {
        Map<String, List<String>> names = new TreeMap<>();
        weights.forEach((file, tensors) -> names.put(
                file,
                tensors.stream()
                        .flatMap(tensor -> output.names(tensor).stream())
                        .toList()));
        return names;
    }
}
