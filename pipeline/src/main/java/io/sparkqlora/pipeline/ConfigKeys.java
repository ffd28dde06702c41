// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import java.util.List;
import java.util.stream.Stream;

/**
 * Every key of a job file, with its default, section by section: the one place where they are listed. Names and meanings
 * are those of transformers' {@code TrainingArguments}, {@code BitsAndBytesConfig}, PEFT's {@code LoraConfig} and TRL's
 * {@code SFTConfig}; where a default differs from theirs, the text says so.
 */
public final class ConfigKeys {

    private static final List<ConfigKey<?>> ALL = Stream.of(
                    ModelKeys.ALL,
                    DataKeys.ALL,
                    QuantizationKeys.ALL,
                    AdapterKeys.ALL,
                    TrainingKeys.ALL,
                    PreferenceKeys.ALL,
                    EvaluationKeys.ALL,
                    RunKeys.ALL,
                    ExecutorKeys.ALL,
                    GroupKeys.ALL)
            .<ConfigKey<?>>flatMap(List::stream)
            .toList();

    private ConfigKeys() {}

    /** All keys, in the reference's order. */
    public static List<ConfigKey<?>> all() {
        return ALL;
    }
}
