// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import io.sparkqlora.pipeline.ExecutorKeys;
import io.sparkqlora.pipeline.internal.config.ConfigJson;
import io.sparkqlora.train.Collective;
import io.sparkqlora.train.RingMember;
import io.sparkqlora.train.RingRendezvous;
import java.time.Duration;
import org.apache.spark.BarrierTaskContext;

/** Where the ranks of a chunk's barrier stage find each other. */
final class ChunkRanks {

    private ChunkRanks() {}

    /** Joins the ring of this task's stage attempt. */
    static Collective join(ChunkSpec chunk) {
        BarrierTaskContext task = BarrierTaskContext.get();
        int ranks = task.getTaskInfos().length;
        if (ranks == 1) {
            return Collective.solo();
        }
        int rank = task.partitionId();
        RingMember member = new RingMember(chunk.run().runId(), chunk.chunk(), task.stageAttemptNumber(), rank, ranks);
        int seconds = ConfigJson.read(chunk.run().configJson()).get(ExecutorKeys.DDP_TIMEOUT);
        String host = host(task.getTaskInfos()[rank].address());
        try (RingRendezvous port = RingRendezvous.open(member, host, Duration.ofSeconds(seconds))) {
            String[] invitations = task.allGather(port.invitation());
            return port.join(invitations, task::killTaskIfInterrupted);
        }
    }

    /** What Spark calls the executor's machine. */
    private static String host(String address) {
        int colon = address.lastIndexOf(':');
        return colon < 0 ? address : address.substring(0, colon);
    }
}
