// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.safetensors;

import com.fasterxml.jackson.databind.JsonNode;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.train.CheckpointErrors;
import io.sparkqlora.train.TensorInfo;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** One entry of a safetensors header: {@code {"dtype": "BF16", "shape": [2, 3], "data_offsets": [0, 12]}}. */
final class EntryParser {

    private final Path file;
    private final String name;
    private final JsonNode entry;

    private EntryParser(Path file, String name, JsonNode entry) {
        this.file = file;
        this.name = name;
        this.entry = entry;
    }

    static TensorEntry parse(Path file, String name, JsonNode entry) {
        return new EntryParser(file, name, entry).parse();
    }

    private TensorEntry parse() {
        TensorInfo info = new TensorInfo(dtype(), numbers("shape"));
        List<Long> offsets = numbers("data_offsets");
        if (offsets.size() != 2 || offsets.get(0) > offsets.get(1)) {
            throw problem("data_offsets are " + offsets + ", expected [begin, end]");
        }
        checkBytes(info, offsets.get(1) - offsets.get(0));
        return new TensorEntry(info, offsets.get(0), offsets.get(1));
    }

    private DType dtype() {
        String text = entry.path("dtype").asText("absent");
        return Arrays.stream(DType.values())
                .filter(type -> type.name().equals(text))
                .findFirst()
                .orElseThrow(() ->
                        CheckpointErrors.wrongDtype(file.toString(), name, text, Arrays.toString(DType.values())));
    }

    private List<Long> numbers(String key) {
        JsonNode array = entry.path(key);
        if (!array.isArray()) {
            throw problem(key + " is no list");
        }
        List<Long> numbers = new ArrayList<>(array.size());
        for (JsonNode number : array) {
            if (!number.isIntegralNumber() || !number.canConvertToLong() || number.asLong() < 0) {
                throw problem(key + " is not a list of integers from 0 on");
            }
            numbers.add(number.asLong());
        }
        return numbers;
    }

    private void checkBytes(TensorInfo info, long bytes) {
        long expected;
        try {
            expected = info.bytes();
        } catch (ArithmeticException e) {
            throw problem("shape " + info.shapeText() + " has more elements than can be counted");
        }
        if (expected != bytes) {
            throw problem("data_offsets span " + bytes + " bytes, " + info.dtype() + " " + info.shapeText() + " takes "
                    + expected);
        }
    }

    private RuntimeException problem(String text) {
        return CheckpointErrors.tensorEntry(file, name, text);
    }
}
