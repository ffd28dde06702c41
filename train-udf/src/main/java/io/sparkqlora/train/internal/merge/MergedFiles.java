// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.merge;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparkqlora.kernels.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.stream.Stream;

/** What a checkpoint has beside its weights. */
final class MergedFiles {

    static final String CONFIG = "config.json";
    static final String INDEX = "model.safetensors.index.json";

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final List<String> SMALL = List.of(".json", ".jinja", ".txt", ".model");

    private MergedFiles() {}

    /** The base's configuration, changed. */
    static String config(Path base, Consumer<ObjectNode> change) throws IOException {
        ObjectNode root = (ObjectNode) JSON.readTree(base.resolve(CONFIG).toFile());
        change.accept(root);
        return JSON.writerWithDefaultPrettyPrinter().writeValueAsString(root);
    }

    /** Has a configuration say which type is written, under the names that transformers 4 and 5 have for it. */
    static void setType(ObjectNode config, DType out) {
        config.put(config.has("dtype") ? "dtype" : "torch_dtype", torchName(out));
    }

    /** PyTorch's name of a type that weights have. */
    static String torchName(DType dtype) {
        return switch (dtype) {
            case BF16 -> "bfloat16";
            case F16 -> "float16";
            case F32 -> "float32";
            default -> throw new IllegalArgumentException(dtype + " is no floating-point weight type");
        };
    }

    /** The index of several files. */
    static String index(Map<String, List<String>> tensorsByFile, long bytes) throws IOException {
        ObjectNode root = JSON.createObjectNode();
        root.putObject("metadata").put("total_size", bytes);
        Map<String, String> fileOf = new TreeMap<>();
        tensorsByFile.forEach((file, tensors) -> tensors.forEach(tensor -> fileOf.put(tensor, file)));
        root.set("weight_map", JSON.valueToTree(fileOf));
        return JSON.writerWithDefaultPrettyPrinter().writeValueAsString(root);
    }

    /** The tokenizer's and generation's files, which are copied. */
    static List<Path> copied(Path base) throws IOException {
        try (Stream<Path> files = Files.list(base)) {
            return files.filter(Files::isRegularFile)
                    .filter(MergedFiles::isCopied)
                    .sorted()
                    .toList();
        }
    }

    private static boolean isCopied(Path file) {
        String name = file.getFileName().toString();
        return SMALL.stream().anyMatch(name::endsWith)
                && !name.equals(CONFIG)
                && !name.endsWith(".index.json")
                && !name.startsWith("adapter_");
    }
}
