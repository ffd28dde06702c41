// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cluster;

import io.sparkqlora.pipeline.ClusterErrors;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A rank and its GPU, as ranks tell one another ({@code BarrierTaskContext.allGather}) before they allocate anything. An
 * address says nothing: two workers of one machine may both hand out address 0.
 *
 * @param rank of the barrier stage
 * @param host where it runs
 * @param uuid the driver's name of the GPU ({@code cuDeviceGetUuid}); empty for a rank without one
 */
public record GpuClaim(int rank, String host, String uuid) {

    private static final String SEPARATOR = "\t";

    /** As one rank's message. */
    public String text() {
        return String.join(SEPARATOR, String.valueOf(rank), host, uuid);
    }

    /** What {@link #text} wrote. */
    public static GpuClaim of(String text) {
        String[] parts = text.split(SEPARATOR, -1);
        return new GpuClaim(Integer.parseInt(parts[0]), parts[1], parts[2]);
    }

    /**
     * Checks that no two ranks have one GPU.
     *
     * @throws io.sparkqlora.kernels.QLoraException CONFIG, the same on every rank
     */
    public static void requireDistinct(Collection<GpuClaim> claims) {
        Map<String, GpuClaim> byGpu = new HashMap<>();
        List<GpuClaim> sorted =
                claims.stream().sorted(Comparator.comparingInt(GpuClaim::rank)).toList();
        for (GpuClaim claim : sorted) {
            GpuClaim other = claim.uuid().isEmpty() ? null : byGpu.putIfAbsent(claim.uuid(), claim);
            if (other != null) {
                throw ClusterErrors.sharedGpu(other.rank(), claim.rank(), claim.uuid(), claim.host());
            }
        }
    }
}
