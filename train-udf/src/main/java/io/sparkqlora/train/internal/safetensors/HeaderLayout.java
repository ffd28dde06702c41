// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.safetensors;

import io.sparkqlora.train.CheckpointErrors;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Checks that the tensors of a header lie side by side, without overlap or gap, and fill the file's data exactly. */
final class HeaderLayout {

    private HeaderLayout() {}

    /** The tensors in the order of their bytes. */
    static Map<String, TensorEntry> check(Path file, Map<String, TensorEntry> tensors, long dataBytes) {
        List<Map.Entry<String, TensorEntry>> ordered = tensors.entrySet().stream()
                .sorted(Comparator.<Map.Entry<String, TensorEntry>>comparingLong(
                                e -> e.getValue().begin())
                        .thenComparingLong(e -> e.getValue().end()))
                .toList();
        Map<String, TensorEntry> result = new LinkedHashMap<>();
        long end = 0;
        for (Map.Entry<String, TensorEntry> tensor : ordered) {
            checkAdjacent(file, tensor, end);
            end = tensor.getValue().end();
            result.put(tensor.getKey(), tensor.getValue());
        }
        if (end > dataBytes) {
            throw CheckpointErrors.truncated(file, end, dataBytes);
        }
        if (end < dataBytes) {
            throw CheckpointErrors.layout(file, (dataBytes - end) + " bytes after the last tensor belong to none");
        }
        return result;
    }

    private static void checkAdjacent(Path file, Map.Entry<String, TensorEntry> tensor, long previousEnd) {
        long begin = tensor.getValue().begin();
        if (begin < previousEnd) {
            throw CheckpointErrors.tensorEntry(
                    file,
                    tensor.getKey(),
                    "data_offsets overlap another tensor's: it begins at " + begin + ", that one ends at "
                            + previousEnd);
        }
        if (begin > previousEnd) {
            throw CheckpointErrors.tensorEntry(
                    file,
                    tensor.getKey(),
                    "data_offsets leave a gap: it begins at " + begin + ", the tensor before ends at " + previousEnd);
        }
    }
}
