// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.train.PreferenceMetrics;
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

    @Test
    void whatIsToldOfPairsIsAveragedToo() {
        LogWindow before = new LogWindow(2, 8);
        before.add(pairs(1, 1));
        LogWindow after = new LogWindow(2, 8);
        after.restore(before.state());
        assertThat(after.add(pairs(2, 3)).orElseThrow().preference())
                .isEqualTo(new PreferenceMetrics(2, 4, 6, 8, 10, 12));
        assertThat(after.add(step(3, 1.0))).isEmpty();
        assertThat(after.add(step(4, 1.0)).orElseThrow().preference()).isNull();
    }

    private static StepMetrics pairs(long step, double x) {
        PreferenceMetrics numbers = new PreferenceMetrics(x, 2 * x, 3 * x, 4 * x, 5 * x, 6 * x);
        return new StepMetrics(step, 1.0, 0.1, 1, 10, 5, 0.5, numbers, null);
    }

    private static StepMetrics step(long step, double loss) {
        return new StepMetrics(step, loss, 0.1, 1, 10, 5, 0.5);
    }
}
