// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.base;

import java.util.List;
import java.util.stream.Stream;

/** How much of a checkpoint somebody needs. What is none of it (pickled weights, other formats, pictures) is never fetched. */
public enum BasePart {

    /** The model's shape. */
    CONFIG(List.of("config.json", "generation_config.json")),

    /** The same, and the tokenizer with its chat template. */
    TOKENIZER(Stream.concat(
                    CONFIG.files.stream(),
                    Stream.of(
                            "tokenizer.json",
                            "tokenizer_config.json",
                            "special_tokens_map.json",
                            "chat_template.jinja"))
            .toList()),

    /** The same, and the weights. */
    ALL(TOKENIZER.files);

    /** Weights in one file; where it is there, others are not looked at. */
    static final String WEIGHTS = "model.safetensors";

    /** Which file has which weight. */
    static final String INDEX = "model.safetensors.index.json";

    private final List<String> files;

    BasePart(List<String> files) {
        this.files = files;
    }

    /** The files that may be there beside the weights. */
    List<String> files() {
        return files;
    }

    boolean hasWeights() {
        return this == ALL;
    }
}
