// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.Profile;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Collectors;
import jcuda.driver.CUevent;
import jcuda.driver.CUevent_flags;
import jcuda.driver.JCudaDriver;

/**
 * Times launches by a pair of events around each. That adds one or two microseconds to each, and where the processor is
 * behind the GPU, the time that a launch takes.
 */
final class CudaProfiler implements AutoCloseable {

    private static final int PAIRS = 4096; // read together, which waits for the device
    private static final double MILLIS = 1e-3;

    private final Handles.Stream stream;
    private final CUevent[] events = new CUevent[2 * PAIRS];
    private final Sum[] sums = new Sum[PAIRS];
    private final Map<Key, Sum> kernels = new LinkedHashMap<>();
    private int pending;

    private record Key(String name, long m, long n, long k) {

        String shape() {
            return Arrays.stream(new long[] {m, n, k})
                    .filter(size -> size > 0)
                    .mapToObj(Long::toString)
                    .collect(Collectors.joining("×"));
        }
    }

    private static final class Sum {
        private long calls;
        private double seconds;
        private double flops;
        private double bytes;
    }

    CudaProfiler(Handles.Stream stream) {
        this.stream = stream;
        for (int i = 0; i < events.length; i++) {
            events[i] = new CUevent();
            Driver.check(JCudaDriver.cuEventCreate(events[i], CUevent_flags.CU_EVENT_DEFAULT), "cuEventCreate");
        }
    }

    void begin() {
        Driver.check(JCudaDriver.cuEventRecord(events[2 * pending], stream), "cuEventRecord");
    }

    void end(String kernel, long[] shape, double flops, double bytes) {
        Driver.check(JCudaDriver.cuEventRecord(events[2 * pending + 1], stream), "cuEventRecord");
        Sum sum = kernels.computeIfAbsent(new Key(kernel, shape[0], shape[1], shape[2]), key -> new Sum());
        sum.calls++;
        sum.flops += flops;
        sum.bytes += bytes;
        sums[pending++] = sum;
        if (pending == PAIRS) {
            collect();
        }
    }

    private void collect() {
        Driver.check(JCudaDriver.cuStreamSynchronize(stream), "running kernels");
        float[] millis = new float[1];
        for (int i = 0; i < pending; i++) {
            Driver.check(
                    JCudaDriver.cuEventElapsedTime(millis, events[2 * i], events[2 * i + 1]), "cuEventElapsedTime");
            sums[i].seconds += millis[0] * MILLIS;
        }
        pending = 0;
    }

    /** What was timed, the longest first. */
    Profile profile(String device) {
        collect();
        return Profile.of(
                device,
                kernels.entrySet().stream()
                        .map(e -> kernel(e.getKey(), e.getValue()))
                        .toList());
    }

    private static Profile.Kernel kernel(Key key, Sum sum) {
        return new Profile.Kernel(key.name(), key.shape(), sum.calls, sum.seconds, sum.flops, sum.bytes);
    }

    @Override
    public void close() {
        for (CUevent event : events) {
            Driver.check(JCudaDriver.cuEventDestroy(event), "cuEventDestroy");
        }
    }
}
