// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.offset;

import java.util.List;
import org.junit.jupiter.api.Test;

class ProfileTest {

    private static final Profile.Kernel PRODUCT =
            new Profile.Kernel("matmul", "8192×4096×4096", 4, 0.002, 1.12e12, 4e8);
    private static final Profile.Kernel COPY = new Profile.Kernel("add", "", 2, 0.004, 0, 8.52e9);

    @Test
    void whatIsReachedIsTheLargerOfBothShares() {
        Profile profile = Profile.of("cuda:0 (NVIDIA H200)", List.of(PRODUCT, COPY));
        assertThat(profile.kernels()).containsExactly(COPY, PRODUCT);
        assertThat(PRODUCT.teraflops()).isEqualTo(560);
        assertThat(PRODUCT.ofCeiling(profile.ceilings())).isCloseTo(0.8, offset(1e-12));
        assertThat(COPY.terabytes()).isEqualTo(2.13);
        assertThat(COPY.ofCeiling(profile.ceilings())).isCloseTo(0.5, offset(1e-12));
        assertThat(profile.seconds()).isEqualTo(0.006);
    }

    @Test
    void theTableIsByStep() {
        assertThat(Profile.of("cuda:0 (NVIDIA H200)", List.of(PRODUCT, COPY)).table(2))
                .containsPattern("add +1 +2\\.000 +66\\.7% +2\\.13 +50%")
                .containsPattern("matmul +8192×4096×4096 +2 +1\\.000 +33\\.3% +560\\.0 +0\\.20 +80%")
                .containsPattern("all kernels +3\\.000");
    }

    @Test
    void aDeviceThatNobodyMeasuredHasNoCeiling() {
        Profile profile = Profile.of("cuda:0 (NVIDIA A10)", List.of(COPY));
        assertThat(profile.ceilings()).isNull();
        assertThat(profile.table(1)).contains("2.13").doesNotContain("50%");
    }

    @Test
    void theProcessorHasNoKernelsToTime() {
        try (Device device = Devices.open("cpu")) {
            assertThatThrownBy(device::startProfile)
                    .isInstanceOf(QLoraException.class)
                    .hasMessageMatching(
                            "QLORA-K049: cpu \\(.*\\) can't tell time by kernel; leave the profile out, or set"
                                    + " backend to cuda");
        }
    }
}
