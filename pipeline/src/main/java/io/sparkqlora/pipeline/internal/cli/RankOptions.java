// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cli;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.train.RanksBenchmark;
import io.sparkqlora.train.TrainErrors;
import io.sparkqlora.train.TrainingBenchmark;
import picocli.CommandLine.Option;

/** The options of a benchmark that say how many devices there are, and how much memory each has. */
final class RankOptions {

    private static final long GIB = 1L << 30;

    @Option(
            names = "--num-processes",
            defaultValue = "1",
            description =
                    "Ranks that take each step together, as threads of this process: with --backend cuda the first"
                            + " so many GPUs. Tokens are those of all. Default: ${DEFAULT-VALUE}.")
    int numProcesses;

    @Option(names = "--shard-base", description = "Each rank keeps only its part of the base.")
    boolean shardBase;

    @Option(
            names = "--max-memory",
            paramLabel = "GIB",
            defaultValue = "0",
            description =
                    "Device memory that each rank may allocate, in GiB, as if there were no more; 0: all there is."
                            + " Default: ${DEFAULT-VALUE}.")
    double maxMemory;

    /** Whether it is not one rank alone with the whole base. */
    boolean several() {
        return numProcesses != 1 || shardBase;
    }

    RanksBenchmark benchmark(TrainingBenchmark each) {
        return new RanksBenchmark(each, numProcesses, shardBase);
    }

    /** The device of a rank. */
    Device open(String backend, int rank) {
        return limited(Devices.open(backend.equals("cuda") ? "cuda:" + rank : backend));
    }

    /** The device, with no more memory than it is to have. */
    Device limited(Device device) {
        if (maxMemory < 0) {
            device.close();
            throw TrainErrors.badArgument("max_memory", maxMemory, "at least 0");
        }
        if (maxMemory > 0) {
            device.limit((long) (maxMemory * GIB));
        }
        return device;
    }

    String describe(String backend) {
        return numProcesses + " of " + backend + (shardBase ? ", a part of the base each" : "")
                + (maxMemory > 0 ? ", at most " + maxMemory + " GiB each" : "");
    }
}
