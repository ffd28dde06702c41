// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cli;

import io.sparkqlora.train.GenerationConfig;
import picocli.CommandLine.Option;

/** The options that say how an answer is made. */
final class SamplingOptions {

    @Option(
            names = "--max-new-tokens",
            paramLabel = "N",
            defaultValue = "64",
            description = "Most tokens of an answer. Default: ${DEFAULT-VALUE}.")
    int maxNewTokens;

    @Option(names = "--do-sample", description = "Sample; without it, always the likeliest token.")
    boolean doSample;

    @Option(names = "--temperature", paramLabel = "T", description = "Of sampling. Default: 1.")
    Double temperature;

    @Option(names = "--top-k", paramLabel = "K", description = "Of sampling; 0 for all tokens. Default: 50.")
    Integer topK;

    @Option(names = "--top-p", paramLabel = "P", description = "Of sampling. Default: 1.")
    Double topP;

    @Option(names = "--seed", paramLabel = "N", description = "Of sampling. Default: 42.")
    Long seed;

    GenerationConfig settings() {
        GenerationConfig.Builder builder =
                GenerationConfig.builder().maxNewTokens(maxNewTokens).doSample(doSample);
        if (temperature != null) {
            builder.temperature(temperature);
        }
        if (topK != null) {
            builder.topK(topK);
        }
        if (topP != null) {
            builder.topP(topP);
        }
        if (seed != null) {
            builder.seed(seed);
        }
        return builder.build();
    }
}
