// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.kernels.QLoraException;
import java.io.IOException;
import java.nio.file.Path;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RunLockTest {

    private static final Configuration HADOOP = new Configuration();

    @TempDir
    Path dir;

    @Test
    void oneHolderARun() {
        try (RunLock first = RunLock.acquire(HADOOP, dir.toString(), "a");
                RunLock other = RunLock.acquire(HADOOP, dir.toString(), "b")) {
            assertThat(first).isNotSameAs(other);
            assertThatThrownBy(() -> RunLock.acquire(HADOOP, dir.toString(), "a"))
                    .isInstanceOf(QLoraException.class)
                    .hasMessageContaining("QLORA-P034: run a is held by another process")
                    .hasMessageContaining("_locks/a");
        }
        RunLock.acquire(HADOOP, dir.toString(), "a").close();
    }

    @Test
    void aLeaseIsRefusedWhileItIsFreshAndTakenOverWhenItsHolderIsGone() throws IOException {
        FileSystem files = FileSystem.getLocal(HADOOP);
        org.apache.hadoop.fs.Path path = new org.apache.hadoop.fs.Path(dir.toString(), "lease");
        try (LeaseRunLock lock = LeaseRunLock.acquire(files, path, "a")) {
            assertThat(lock).isNotNull();
            assertThatThrownBy(() -> LeaseRunLock.acquire(files, path, "a"))
                    .hasMessageContaining("QLORA-P034")
                    .hasMessageContaining("renewed it less than a minute ago");
            files.setTimes(path, System.currentTimeMillis() - 120_000, -1);
            LeaseRunLock.acquire(files, path, "a").close();
        }
    }

    @Test
    void anOutputDirectoryThatCannotBeMadeIsAConfigurationError() {
        assertThatThrownBy(() -> RunLock.acquire(HADOOP, "/proc/nowhere", "a"))
                .isInstanceOf(QLoraException.class)
                .hasMessageContaining("QLORA-P035: output_dir /proc/nowhere can't be written");
    }
}
