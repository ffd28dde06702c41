// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.config;

import io.sparkqlora.kernels.QuantFormat;
import io.sparkqlora.train.CheckpointErrors;
import io.sparkqlora.train.QuantStorage;
import io.sparkqlora.train.QuantizationConfig;
import io.sparkqlora.train.SkipModules;
import io.sparkqlora.train.StoredQuantization;
import io.sparkqlora.train.internal.json.JsonFields;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/** {@code quantization_config} of a {@code config.json}, with the defaults of transformers' {@code BitsAndBytesConfig}. */
final class QuantizationParser {

    /** transformers' own name for the block size is none; where a file says it all the same, this is the name. */
    private static final String BLOCK_SIZE = "bnb_4bit_blocksize";

    private static final String THRESHOLD = "llm_int8_threshold";
    private static final String FP16_WEIGHT = "llm_int8_has_fp16_weight";

    private QuantizationParser() {}

    /** How weights are stored; null where they are not quantised. */
    static StoredQuantization parse(JsonFields config) {
        JsonFields given = config.object("quantization_config");
        if (given == null) {
            return null;
        }
        requireReadable(given);
        return given.flag("load_in_8bit") ? int8(given) : int4(given);
    }

    private static StoredQuantization int4(JsonFields given) {
        return new StoredQuantization(
                type(given),
                given.flag("bnb_4bit_use_double_quant"),
                given.has(BLOCK_SIZE) ? given.positiveInt(BLOCK_SIZE) : 0,
                storage(given),
                skipModules(given));
    }

    /** A file without a method is from the days when there was one, as in transformers. */
    private static void requireReadable(JsonFields given) {
        String method = given.has("quant_method") ? given.text("quant_method") : "bitsandbytes";
        if (!method.equals("bitsandbytes")) {
            throw CheckpointErrors.alreadyQuantized(given.source(), method);
        }
        if (given.flag("load_in_4bit") == given.flag("load_in_8bit")) {
            throw CheckpointErrors.alreadyQuantized(
                    given.source(),
                    "bitsandbytes with load_in_4bit " + given.flag("load_in_4bit") + ", load_in_8bit "
                            + given.flag("load_in_8bit"));
        }
    }

    private static StoredQuantization int8(JsonFields given) {
        if (given.flag(FP16_WEIGHT)) {
            throw CheckpointErrors.unsupportedFeature(
                    given.source(),
                    given.prefix() + FP16_WEIGHT,
                    "true",
                    "what it keeps is not quantised; only false is");
        }
        double threshold = QuantizationConfig.DEFAULT_INT8_THRESHOLD;
        if (given.has(THRESHOLD)) {
            threshold = given.notNegative(THRESHOLD);
            if (threshold > QuantizationConfig.MAX_INT8_THRESHOLD) {
                throw given.wrong(THRESHOLD, "a number from 0 to 65504");
            }
        }
        return StoredQuantization.int8(threshold, skipModules(given));
    }

    private static QuantFormat.Type type(JsonFields given) {
        String name = given.has("bnb_4bit_quant_type") ? given.text("bnb_4bit_quant_type") : "fp4";
        if (!name.equals("fp4") && !name.equals("nf4")) {
            throw given.wrong("bnb_4bit_quant_type", "nf4 or fp4");
        }
        return QuantFormat.Type.valueOf(name.toUpperCase(Locale.ROOT));
    }

    private static SkipModules skipModules(JsonFields given) {
        if (!given.has("llm_int8_skip_modules")) {
            return SkipModules.DEFAULT;
        }
        try {
            List<String> patterns = given.texts("llm_int8_skip_modules");
            patterns.forEach(Pattern::compile);
            return new SkipModules(patterns);
        } catch (PatternSyntaxException e) {
            throw given.wrong("llm_int8_skip_modules", "a list of names and regular expressions");
        }
    }

    private static QuantStorage storage(JsonFields given) {
        if (!given.has("bnb_4bit_quant_storage")) {
            return QuantStorage.UINT8;
        }
        QuantStorage storage = QuantStorage.named(given.text("bnb_4bit_quant_storage"));
        if (storage == null) {
            throw given.wrong("bnb_4bit_quant_storage", "one of " + String.join(", ", QuantStorage.torchNames()));
        }
        return storage;
    }
}
