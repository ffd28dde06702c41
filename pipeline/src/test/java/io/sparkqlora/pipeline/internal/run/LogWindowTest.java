// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.train.StepMetrics;
import org.junit.jupiter.api.Test;

class LogWindowTest {

    @Test
    void everyLoggedStepHasTheMeanSinceTheOneBefore() {
        LogWindow window = new LogWindow(3, 8);
        assertThat(window.add(step(1, 4.0))).isEmpty();
        assertThat(window.add(step(2, 2.0))).isEmpty();
        assertThat(window.add(step(3, 3.0))).contains(new StepMetrics(3, 3.0, 0.1, 1, 30, 15, 1.5));
        assertThat(window.add(step(4, 1.0))).isEmpty();
    }

    @Test
    void theRunsLastStepIsLogged() {
        LogWindow window = new LogWindow(3, 4);
        window.add(step(3, 9.0));
        assertThat(window.add(step(4, 1.0))).contains(new StepMetrics(4, 1.0, 0.1, 1, 10, 5, 0.5));
    }

    @Test
    void aRestoredWindowGoesOn() {
        LogWindow before = new LogWindow(2, 8);
        before.add(step(1, 4.0));
        LogWindow after = new LogWindow(2, 8);
        after.restore(before.state());
        assertThat(after.add(step(2, 2.0))).contains(new StepMetrics(2, 3.0, 0.1, 1, 20, 10, 1.0));
    }

    private static StepMetrics step(long step, double loss) {
        return new StepMetrics(step, loss, 0.1, 1, 10, 5, 0.5);
    }
}
