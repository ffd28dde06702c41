// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import static io.sparkqlora.pipeline.ConfigKey.of;

import io.sparkqlora.pipeline.internal.config.ConfigTypes;
import java.util.List;

/** The keys of a job file that name the base and what it runs on. */
public final class ModelKeys {

    private static final String MODEL = "Model";

    public static final ConfigKey<String> MODEL_NAME_OR_PATH = of(
                    MODEL,
                    "model_name_or_path",
                    ConfigTypes.text("the folder of a Hugging Face checkpoint"),
                    null,
                    "Folder of the base checkpoint: config.json, safetensors, tokenizer.json (tokenize needs the last alone). A relative "
                            + "path starts at the working directory, on executors too, where the folder must exist as well.")
            .mandatory();

    public static final ConfigKey<String> BACKEND = of(
            MODEL,
            "backend",
            ConfigTypes.oneOf("auto", "cpu", "cuda"),
            "auto",
            "What the numbers run on. auto is cuda where the build has its kernels and a GPU is found, else cpu, and the run is "
                    + "one of what it became. On a cluster, cuda is the GPU that Spark gave the task, else the first one.");

    static final List<ConfigKey<?>> ALL = List.of(MODEL_NAME_OR_PATH, BACKEND);

    private ModelKeys() {}
}
