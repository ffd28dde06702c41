// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.kernels.Sgd;
import java.nio.file.Path;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SgdTest extends OptimizerCase {

    private static final Path RESOURCES = Path.of("src/test/resources/optimizer");

    /** Bit for bit. */
    @ParameterizedTest
    @ValueSource(strings = {"0", "0.01"})
    void stepsAsPyTorch(String decay) {
        SafetensorsFile given = new SafetensorsFile(RESOURCES.resolve("adamw.safetensors"));
        Matrix parameter = floats(given.get("parameter.0").floats());
        Sgd.Settings settings = new Sgd.Settings(5e-3, Double.parseDouble(decay));
        for (int step = 1; step <= 5; step++) {
            float norm = given.get("norm." + step).floats()[0];
            device.ops()
                    .sgd()
                    .update(
                            parameter.tensor,
                            floats(given.get("gradient." + step).floats()).tensor,
                            floats(norm, Math.min(1f, 0.5f / (norm + 1e-6f))).tensor,
                            floats(settings.factors()).tensor);
        }
        float[] got = new float[(int) parameter.tensor.size()];
        Native.load(parameter.tensor.address(), got, 0, got.length);
        assertThat(got)
                .isEqualTo(new SafetensorsFile(RESOURCES.resolve("sgd.safetensors"))
                        .get("decay-" + decay)
                        .floats());
    }
}
