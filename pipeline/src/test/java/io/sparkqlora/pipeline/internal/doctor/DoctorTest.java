// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.doctor;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.kernels.KernelErrors;
import io.sparkqlora.pipeline.internal.doctor.Doctor.Check;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DoctorTest {

    @TempDir
    Path dir;

    @Test
    void javaThatCannotRunJobsSaysHowToStartIt() {
        says(
                Software.java(21, true, List.of()),
                Finding.State.WRONG,
                "Java 21, 17 is needed; point JAVA_HOME at a JDK 17");
        says(
                Software.java(17, false, List.of()),
                Finding.State.WRONG,
                "start Java with --add-modules=jdk.incubator.vector");
        says(
                Software.java(17, true, List.of("java.nio")),
                Finding.State.WRONG,
                "java.base keeps [java.nio] closed, which Spark reads; start with ./qlora or spark-submit");
        says(Software.java(17, true, List.of()), Finding.State.OK, "with the Vector API");
    }

    @Test
    void anotherVersionIsNamedWithTheOneThatIsNeeded() {
        says(
                Software.versioned("spark", "3.5.4", "4.0", "Spark"),
                Finding.State.WRONG,
                "Spark 3.5.4, this build is for 4.0; use a cluster or jars of 4.0");
        says(Software.versioned("delta", "4.01.0", "4.0", "Delta Lake"), Finding.State.WRONG, "Delta Lake 4.01.0");
        says(Software.versioned("delta", "4.0.1", "4.0", "Delta Lake"), Finding.State.OK, "Delta Lake 4.0.1");
    }

    @Test
    void littleMemoryAndFoldersThatCannotBeUsedAreWrong() {
        says(Machine.memory(512L << 20), Finding.State.WRONG, "0.5 GiB of heap is little for Spark");
        says(Machine.memory(2L << 30), Finding.State.OK, "2.0 GiB of heap");
        says(Machine.temporary(dir.resolve("none")), Finding.State.WRONG, "none can't be written");
        says(Machine.temporary(dir), Finding.State.OK, "GiB free");
        assertThat(dir).isEmptyDirectory();
    }

    @Test
    void aDriverIsMissedWhereAJobWantsOne() throws Exception {
        Path file = dir.resolve("version");
        says(Gpu.driver(file, false), Finding.State.ABSENT, "no NVIDIA driver on this machine: jobs run on the CPU");
        says(
                Gpu.driver(file, true),
                Finding.State.WRONG,
                "but the job's backend is cuda; install it, or set backend to cpu");
        Files.writeString(file, "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.04  Release Build\n");
        says(Gpu.driver(file, true), Finding.State.OK, "NVIDIA driver 580.159.04");
    }

    @Test
    void aLookThatFailsIsAFinding() {
        says(
                new Check("a", () -> {
                            throw KernelErrors.unknownBackend("tpu");
                        })
                        .run(),
                Finding.State.WRONG,
                "QLORA-K");
        says(
                new Check("a", () -> {
                            throw new NoSuchMethodError("void a.B.c()\nmore");
                        })
                        .run(),
                Finding.State.WRONG,
                "NoSuchMethodError void a.B.c(): a library is missing, or another version comes first on the class path");
        says(
                new Check("a", () -> {
                            throw new IllegalStateException();
                        })
                        .run(),
                Finding.State.WRONG,
                "could not be looked at: IllegalStateException; run the command with --debug");
    }

    private static void says(Finding finding, Finding.State state, String text) {
        assertThat(finding.state()).as(finding.says()).isEqualTo(state);
        assertThat(finding.says()).contains(text).doesNotContain("\n");
    }
}
