// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.job;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.pipeline.ConfigKeys;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.internal.run.BaseModel;
import io.sparkqlora.pipeline.internal.run.EngineSettings;
import io.sparkqlora.tokenize.TextTokenizer;
import java.nio.file.Path;

/** Checks what goes into a job before anything is written. */
final class JobInputs {

    private JobInputs() {}

    /**
     * Checks checkpoint, tokenizer, target modules and memory.
     *
     * @throws io.sparkqlora.kernels.QLoraException INPUT, CONFIG or RESOURCES, with what is wrong and the fix
     */
    static BaseModel check(JobConfig config) {
        BaseModel base = BaseModel.open(Path.of(config.get(ConfigKeys.MODEL_NAME_OR_PATH)));
        try (TextTokenizer tokenizer = TextTokenizer.open(base.folder())) {
            tokenizer.agreesWith(base.config().vocabSize());
        }
        // one row of the smallest size: what even the shortest data needs; the exact need is known with the data
        requireMemory(config, base, config.get(ConfigKeys.PER_DEVICE_TRAIN_BATCH_SIZE));
        return base;
    }

    /** Checks that micro-batches of so many tokens fit. */
    static void requireMemory(JobConfig config, BaseModel base, int maxTokens) {
        try (Device device = Devices.open(config.get(ConfigKeys.BACKEND))) {
            EngineSettings.memory(config, device.traits(), base.config(), Math.max(2, maxTokens))
                    .requireFits(device.name(), device.availableBytes());
        }
    }
}
