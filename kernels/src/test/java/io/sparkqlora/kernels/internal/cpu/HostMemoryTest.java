// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.kernels.QLoraException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class HostMemoryTest {

    @TempDir
    Path root;

    @BeforeEach
    void machineOfEightGibibytes() throws IOException {
        write("proc/meminfo", "MemTotal:       16777216 kB\nMemAvailable:    8388608 kB\n");
        write("proc/self/cgroup", "");
    }

    @Test
    void withoutGroupsItIsWhatTheKernelCallsAvailable() {
        assertThat(available()).isEqualTo(8L << 30);
    }

    @Test
    void aGroupOfVersionTwoLimitsIt() throws IOException {
        write("proc/self/cgroup", "0::/pod/app\n");
        write("cgroup/pod/app/memory.max", "max\n");
        write("cgroup/pod/app/memory.current", "1\n");
        write("cgroup/pod/memory.max", "3000000000\n");
        write("cgroup/pod/memory.current", "1500000000\n");
        write("cgroup/pod/memory.stat", "anon 7\ninactive_file 500000000\n");
        assertThat(available()).isEqualTo(2_000_000_000L);
    }

    @Test
    void aGroupOfVersionOneLimitsIt() throws IOException {
        write("proc/self/cgroup", "9:cpu:/\n4:memory:/app\n0::/\n");
        write("cgroup/memory/app/memory.limit_in_bytes", "1000\n");
        write("cgroup/memory/app/memory.usage_in_bytes", "400\n");
        assertThat(available()).isEqualTo(600);
    }

    @Test
    void anUnreadableMachineIsAnError() throws IOException {
        Files.delete(root.resolve("proc/meminfo"));
        assertThatThrownBy(this::available)
                .isInstanceOf(QLoraException.class)
                .hasMessageContaining("QLORA-K007")
                .hasMessageContaining("needs Linux with /proc mounted");
    }

    @Test
    void thisMachineHasSome() {
        assertThat(HostMemory.ofThisMachine().availableBytes()).isGreaterThan(1 << 20);
    }

    private long available() {
        return new HostMemory(root.resolve("proc"), root.resolve("cgroup")).availableBytes();
    }

    private void write(String file, String text) throws IOException {
        Path path = root.resolve(file);
        Files.createDirectories(path.getParent());
        Files.writeString(path, text);
    }
}
