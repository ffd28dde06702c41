// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import io.sparkqlora.pipeline.ConfigKey;
import io.sparkqlora.pipeline.FormatErrors;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.JobConfigBuilder;
import io.sparkqlora.pipeline.ModelKeys;
import io.sparkqlora.pipeline.QuantizationKeys;
import io.sparkqlora.train.ModelConfig;
import io.sparkqlora.train.StoredQuantization;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeSet;

/** What a job says of quantisation beside a base that is quantised already, whose format counts, as in transformers. */
public final class StoredFormat {

    private StoredFormat() {}

    /**
     * The job with the base's format in place of defaults; of a base that is not quantised, the job itself.
     *
     * @throws io.sparkqlora.kernels.QLoraException CONFIG if a key that was set says otherwise
     */
    public static JobConfig of(JobConfig config, ModelConfig model) {
        if (model.quantization() == null) {
            return config;
        }
        JobConfigBuilder found = config.toBuilder();
        values(model.quantization()).forEach((key, stored) -> {
            if (config.isSet(key) && !same(config.get(key), stored)) {
                throw FormatErrors.notTheCheckpoints(
                        key.name(), config.get(key), config.get(ModelKeys.MODEL_NAME_OR_PATH), stored);
            }
            found.set(key.name(), stored);
        });
        return found.build();
    }

    private static Map<ConfigKey<?>, Object> values(StoredQuantization stored) {
        Map<ConfigKey<?>, Object> values = new LinkedHashMap<>();
        values.put(QuantizationKeys.LOAD_IN_8BIT, stored.loadIn8bit());
        values.put(QuantizationKeys.LOAD_IN_4BIT, !stored.loadIn8bit());
        if (stored.loadIn8bit()) {
            values.put(QuantizationKeys.LLM_INT8_THRESHOLD, stored.llmInt8Threshold());
        } else {
            values.put(
                    QuantizationKeys.BNB_4BIT_QUANT_TYPE,
                    stored.quantType().name().toLowerCase(Locale.ROOT));
            values.put(QuantizationKeys.BNB_4BIT_USE_DOUBLE_QUANT, stored.doubleQuant());
            values.put(QuantizationKeys.BNB_4BIT_BLOCKSIZE, stored.blockSize());
            values.put(QuantizationKeys.BNB_4BIT_QUANT_STORAGE, stored.storage().torchName());
        }
        List<String> skipped = stored.skipModules().patterns();
        values.put(QuantizationKeys.LLM_INT8_SKIP_MODULES, skipped == null ? List.of("lm_head") : skipped);
        return values;
    }

    /** Lists in any order. */
    private static boolean same(Object job, Object stored) {
        return (job instanceof List<?> one && stored instanceof List<?> other)
                ? new TreeSet<Object>(one).equals(new TreeSet<Object>(other))
                : job.equals(stored);
    }
}
