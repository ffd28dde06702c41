// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QLoraException.Kind;
import java.util.List;

/** Errors of what is trained beside an adapter's matrices: magnitudes, biases, whole modules. Codes T180–T189; never reused. */
public final class TrainedPartErrors {

    private TrainedPartErrors() {}

    /** Norms of weights that no rank has whole. */
    public static QLoraException doraOverShards() {
        return config(
                180,
                "use_dora needs the norms of the base's rows after every step, but with shard_base no rank has a whole weight "
                        + "outside its layer's turn; set shard_base: false, or use_dora: false");
    }

    /** Biases of layers that share their input, none of which has an adapter. */
    public static QLoraException biasWithoutAdapter(List<String> layers) {
        return config(
                181,
                "bias: all trains the biases of " + String.join(", ", layers)
                        + ", but none of these has an adapter, and biases are "
                        + "trained beside one only; have target_modules take one of them (all-linear takes all), or set "
                        + "bias: lora_only");
    }

    /** An adapter with more than matrices among those that are to be combined. */
    static QLoraException notCombined(int number, String option) {
        return config(
                182,
                "adapter " + number + " of those to combine has " + option
                        + "; only matrices are combined, since norms, biases and whole "
                        + "modules are no sums by weight: leave it out, or merge it into its base (export --merge)");
    }

    private static QLoraException config(int code, String message) {
        return new QLoraException(String.format("QLORA-T%03d", code), Kind.CONFIG, message, null);
    }
}
