// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.optim;

import io.sparkqlora.kernels.AdamW;
import io.sparkqlora.kernels.Lion;
import io.sparkqlora.kernels.Sgd;
import io.sparkqlora.train.TrainingArguments;

/** The scalars of an update, as the optimizer's operation takes them. */
public final class UpdateFactors {

    /** Of the operation that has the most. */
    public static final int MOST = AdamW.FACTORS;

    private UpdateFactors() {}

    /**
     * Those of one step.
     *
     * @param learningRate of the parameters
     * @param step counted from 1
     */
    public static float[] of(TrainingArguments args, double learningRate, long step) {
        double beta1 = args.adamBeta1();
        double beta2 = args.adamBeta2();
        double decay = args.weightDecay();
        return switch (args.optim().rule()) {
            case ADAMW -> new AdamW.Settings(learningRate, beta1, beta2, args.adamEpsilon(), decay, step).factors();
            case LION -> new Lion.Settings(learningRate, beta1, beta2, decay).factors();
            case SGD -> new Sgd.Settings(learningRate, decay).factors();
        };
    }
}
