// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.DeviceTraits;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.IntFunction;

/**
 * Measures the steps that ranks take together, as threads of this process, each with a device of its own. They talk over
 * sockets of this machine, and between their devices as those can.
 *
 * @param each what a rank does; the weights are the same, the tokens are not
 * @param ranks how many
 * @param shardBase whether each keeps only a part of the base
 */
public record RanksBenchmark(TrainingBenchmark each, int ranks, boolean shardBase) {

    private static final Duration TIMEOUT = Duration.ofMinutes(2);
    private static final String HOST = "localhost";

    public RanksBenchmark {
        if (ranks < 1) {
            throw TrainErrors.badArgument("num_processes", ranks, "at least 1");
        }
        if (each.adapters() > 1 && ranks > 1) {
            throw TrainErrors.badArgument("adapters", each.adapters(), "1 where several ranks train");
        }
        arguments(each, ranks, shardBase);
    }

    private static TrainingArguments arguments(TrainingBenchmark each, int ranks, boolean shardBase) {
        return each.arguments().toBuilder()
                .numProcesses(ranks)
                .shardBase(shardBase)
                .build();
    }

    /** The memory that each rank will take. */
    public MemoryPlan plan(DeviceTraits device) {
        return each.plan(device, arguments(each, ranks, shardBase));
    }

    /**
     * Loads and measures.
     *
     * @param devices opens a rank's device, which is closed here
     * @param weights of the model; read by all ranks at once
     * @return what each rank saw; the tokens are those of all
     * @throws io.sparkqlora.kernels.QLoraException the first failure of a rank
     */
    public List<TrainingBenchmark.Result> run(IntFunction<Device> devices, WeightSource weights) {
        List<RingRendezvous> ports = new ArrayList<>();
        ExecutorService threads = Executors.newFixedThreadPool(ranks);
        try {
            for (int rank = 0; rank < ranks; rank++) {
                ports.add(RingRendezvous.open(new RingMember("bench", 0, 0, rank, ranks), HOST, TIMEOUT));
            }
            String[] invitations =
                    ports.stream().map(RingRendezvous::invitation).toArray(String[]::new);
            List<Future<TrainingBenchmark.Result>> all = new ArrayList<>();
            for (int rank = 0; rank < ranks; rank++) {
                int number = rank;
                all.add(threads.submit(() -> rank(number, devices, weights, ports.get(number), invitations)));
            }
            return results(all);
        } finally {
            threads.shutdownNow();
            ports.forEach(RingRendezvous::close);
        }
    }

    private TrainingBenchmark.Result rank(
            int rank, IntFunction<Device> devices, WeightSource weights, RingRendezvous port, String[] invitations) {
        try (Collective collective = port.join(invitations, () -> {})) {
            try (Device device = devices.apply(rank)) {
                return each.run(device, weights, arguments(each, ranks, shardBase), collective);
            } catch (RuntimeException | Error e) {
                collective.abort(e);
                throw e;
            }
        }
    }

    private static List<TrainingBenchmark.Result> results(List<Future<TrainingBenchmark.Result>> all) {
        List<TrainingBenchmark.Result> results = new ArrayList<>();
        try {
            for (Future<TrainingBenchmark.Result> rank : all) {
                results.add(rank.get());
            }
            return results;
        } catch (ExecutionException e) {
            throw e.getCause() instanceof RuntimeException cause ? cause : new IllegalStateException(e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while ranks are measured", e);
        }
    }
}
