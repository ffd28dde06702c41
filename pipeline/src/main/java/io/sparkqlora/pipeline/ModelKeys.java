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
                    ConfigTypes.text(
                            "the folder of a Hugging Face checkpoint, its URI, or hf://organisation/model@revision"),
                    null,
                    "The base checkpoint: config.json, safetensors, tokenizer.json (tokenize needs the last alone). A folder must exist on "
                            + "executors too, where a relative path starts at their working directory. A folder of a Hadoop filesystem "
                            + "(s3a://…, abfs://…, gs://…, hdfs://…) and a model of the Hugging Face Hub (hf://…; without a revision, main) "
                            + "are copied to each machine, once.")
            .mandatory();

    public static final ConfigKey<String> CACHE_DIR = of(
                    MODEL,
                    "cache_dir",
                    ConfigTypes.text("a folder"),
                    null,
                    "Where each machine keeps copies of bases that lie elsewhere. Without it, models of the Hub are where huggingface_hub "
                            + "keeps them (HF_HUB_CACHE, or hub in HF_HOME, by default ~/.cache/huggingface/hub), and checkpoints of "
                            + "Hadoop filesystems are in ~/.cache/spark-qlora.")
            .operational();

    public static final ConfigKey<String> BACKEND = of(
            MODEL,
            "backend",
            ConfigTypes.oneOf("auto", "cpu", "cuda"),
            "auto",
            "What the numbers run on. auto is cuda where the build has its kernels and a GPU is found, else cpu, and the run is "
                    + "one of what it became. On a cluster, cuda is the GPU that Spark gave the task, else the first one.");

    public static final ConfigKey<String> MAX_MEMORY = of(
                    MODEL,
                    "max_memory",
                    ConfigTypes.memory(),
                    null,
                    "Device memory that a process may take on each device, as if there were no more. A job that needs more is "
                            + "refused before anything is written, with what it needs; so is one that would take more later. "
                            + "Without it, all that is free. transformers has a map of devices here, of which the rest is moved "
                            + "to the next one; here it is one amount for each.")
            .operational();

    static final List<ConfigKey<?>> ALL = List.of(MODEL_NAME_OR_PATH, CACHE_DIR, BACKEND, MAX_MEMORY);

    private ModelKeys() {}
}
