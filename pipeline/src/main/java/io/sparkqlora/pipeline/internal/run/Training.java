// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import io.sparkqlora.pipeline.internal.data.TokenData;
import java.util.Optional;

/** What a run does between its start and its end. */
public interface Training {

    /** Optimizer steps of the whole run. */
    long totalSteps();

    /** What is measured on meanwhile. */
    default Optional<TokenData> heldOut() {
        return Optional.empty();
    }

    /** Trains what is left, and records how that ended. */
    RunRecord execute(RunRecord record);
}
