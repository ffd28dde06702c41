// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.doctor;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.pipeline.ExecutorKeys;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.ModelKeys;
import io.sparkqlora.pipeline.internal.doctor.Doctor.Check;
import io.sparkqlora.pipeline.internal.run.RunDevices;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The driver, the GPU, this build's kernels for it, and NCCL. */
final class Gpu {

    private static final Path DRIVER = Path.of("/proc/driver/nvidia/version");
    private static final Pattern VERSION = Pattern.compile("\\s(\\d{3}\\.[\\d.]+)\\s");
    private static final double GIB = 1L << 30;

    private Gpu() {}

    static List<Check> checks(JobConfig job) {
        boolean wanted = job != null && job.get(ModelKeys.BACKEND).equals(RunDevices.CUDA);
        boolean several = job != null && job.get(ExecutorKeys.NUM_PROCESSES) > 1;
        return List.of(
                new Check("driver", () -> driver(DRIVER, wanted)),
                new Check("gpu", () -> gpu(wanted || Files.exists(DRIVER), several)));
    }

    static Finding driver(Path file, boolean wanted) {
        try {
            Matcher version = VERSION.matcher(Files.readString(file));
            return Finding.ok("driver", "NVIDIA driver " + (version.find() ? version.group(1) : "of unknown version"));
        } catch (IOException e) {
            String says = "no NVIDIA driver on this machine";
            return wanted
                    ? Finding.wrong(
                            "driver", says + ", but the job's backend is cuda; install it, or set backend to cpu")
                    : Finding.absent("driver", says + ": jobs run on the CPU");
        }
    }

    /**
     * The first GPU.
     *
     * @param needed whether there should be one
     * @param several whether a job has several ranks
     */
    private static Finding gpu(boolean needed, boolean several) {
        try (Device device = RunDevices.open(RunDevices.CUDA)) {
            boolean nccl = device.groups().isPresent();
            String has = String.format(
                    Locale.ROOT, "%s, %.1f GiB free, kernels built", device.name(), device.availableBytes() / GIB);
            return several && !nccl
                    ? Finding.wrong(
                            "gpu", has + ", but no libnccl.so.2: ranks would talk through the hosts; install NCCL 2")
                    : Finding.ok("gpu", has + (nccl ? ", NCCL" : ", no NCCL (which several GPUs would use)"));
        } catch (QLoraException e) {
            return needed ? Finding.wrong("gpu", e.getMessage()) : Finding.absent("gpu", e.getMessage());
        }
    }
}
