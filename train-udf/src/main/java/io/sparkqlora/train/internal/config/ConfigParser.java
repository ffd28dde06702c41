// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.config;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparkqlora.train.CheckpointErrors;
import io.sparkqlora.train.ModelConfig;
import io.sparkqlora.train.StoredQuantization;
import io.sparkqlora.train.internal.json.JsonFields;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** Reads {@code config.json}; refuses by name what can't be run. */
public final class ConfigParser {

    private static final ObjectMapper JSON = new ObjectMapper();

    private static final String CHECK_PATH =
            "a checkpoint is a folder with config.json and safetensors; check the path";

    private ConfigParser() {}

    /** Reads a file. */
    public static ModelConfig parse(Path file) {
        return parse(JsonFields.read(file, CHECK_PATH));
    }

    /** Reads a text; {@code source} is what errors call it. */
    public static ModelConfig parse(String json, String source) {
        return parse(JsonFields.parse(json, source));
    }

    private static ModelConfig parse(JsonFields given) {
        Family family = family(given);
        ObjectNode merged = JSON.valueToTree(family.defaults());
        merged.setAll(given.json());
        JsonFields config = new JsonFields(merged, given.source(), "");
        StoredQuantization stored = QuantizationParser.parse(config);
        Unsupported.refuse(config, family);
        return model(config, family).withQuantization(stored);
    }

    /**
     * The end tokens that a {@code generation_config.json} names, which transformers prefers to those of config.json; empty
     * if there is no such file or it names none.
     */
    public static List<Integer> generationEosTokenIds(Path file) {
        if (!Files.exists(file)) {
            return List.of();
        }
        return JsonFields.read(file, CHECK_PATH).tokenIds("eos_token_id");
    }

    private static ModelConfig model(JsonFields config, Family family) {
        int hidden = config.positiveInt("hidden_size");
        int heads = config.positiveInt("num_attention_heads");
        int kvHeads = config.positiveInt("num_key_value_heads", heads);
        if (heads % kvHeads != 0) {
            throw config.wrong("num_key_value_heads", "a divisor of num_attention_heads, " + heads);
        }
        if (!config.has("head_dim") && hidden % heads != 0) {
            throw config.wrong("num_attention_heads", "a divisor of hidden_size, " + hidden);
        }
        int headDim = config.positiveInt("head_dim", hidden / heads);
        if (headDim % 2 != 0) {
            throw config.wrong("head_dim", "an even number (is " + headDim + ")");
        }
        int layers = config.positiveInt("num_hidden_layers");
        return new ModelConfig(
                family.modelType(),
                hidden,
                config.positiveInt("intermediate_size"),
                layers,
                heads,
                kvHeads,
                headDim,
                config.positiveInt("vocab_size"),
                config.positiveInt("max_position_embeddings"),
                (float) config.positive("rms_norm_eps"),
                RopeParser.parse(config, family.partialRotary(), headDim),
                config.flag("tie_word_embeddings"),
                family.activations().get(config.text(family.activationKey())),
                config.flag("attention_bias"),
                config.flag("mlp_bias"),
                config.tokenIds("eos_token_id"),
                config.tokenIdOrNull("bos_token_id"),
                config.tokenIdOrNull("pad_token_id"),
                family.traits(config, headDim, layers));
    }

    private static Family family(JsonFields config) {
        if (!config.has("model_type")) {
            throw config.wrong("model_type", "one of " + String.join(", ", Families.names()));
        }
        Family family = Families.of(config.text("model_type"));
        if (family == null) {
            throw CheckpointErrors.unsupportedFamily(config.source(), config.text("model_type"), Families.names());
        }
        return family;
    }
}
