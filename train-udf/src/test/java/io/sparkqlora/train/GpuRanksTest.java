// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.train.DataParallelTest.Curve;
import java.util.List;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Two ranks that add up their gradients on their GPUs. */
@Tag("gpu")
class GpuRanksTest {

    @BeforeEach
    void twoGpus() {
        requireTwoGpus();
    }

    static void requireTwoGpus() {
        try (Device second = Devices.open("cuda:1")) {
            if (second.groups().isEmpty()) {
                skip("libnccl.so.2 can't be loaded");
            }
        } catch (QLoraException e) {
            skip(e.getMessage());
        }
    }

    private static void skip(String reason) {
        System.err.println("A TEST ON TWO GPUS IS SKIPPED: " + reason);
        Assumptions.abort(reason);
    }

    @Test
    void twoTakeTheStepsOfOne() {
        List<Curve> alone = DataParallelTest.train(1, DataParallelTest.DROPPING, rank -> Devices.open("cuda"));
        List<Curve> two = twoRanks();
        for (int step = 0; step < DataParallelTest.STEPS; step++) {
            StepMetrics expected = alone.get(0).steps().get(step);
            StepMetrics got = two.get(0).steps().get(step);
            assertThat(got.loss()).isCloseTo(expected.loss(), within(1e-5 * expected.loss()));
            assertThat(got.gradNorm()).isCloseTo(expected.gradNorm(), within(1e-4 * expected.gradNorm()));
        }
        assertThat(two.get(1).state()).isEqualTo(two.get(0).state());
        assertThat(twoRanks().get(0).state()).isEqualTo(two.get(0).state());
    }

    private static List<Curve> twoRanks() {
        return DataParallelTest.train(2, DataParallelTest.DROPPING, rank -> Devices.open("cuda:" + rank));
    }
}
