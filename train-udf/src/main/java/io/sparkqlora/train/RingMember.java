// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

/**
 * Who somebody in a ring is. Ranks connect only if all of this agrees but the rank: a task of an earlier attempt, still alive
 * somewhere, stays outside.
 *
 * @param runId name of the run
 * @param chunk the run's Spark job, from 0
 * @param attempt of the stage, from 0
 * @param rank this rank, from 0
 * @param worldSize how many ranks there are
 */
public record RingMember(String runId, long chunk, int attempt, int rank, int worldSize) {

    /** The same but for the rank. */
    public RingMember withRank(int other) {
        return new RingMember(runId, chunk, attempt, other, worldSize);
    }

    /** The rank that this one sends to. */
    public int next() {
        return (rank + 1) % worldSize;
    }

    /** The rank that this one receives from. */
    public int previous() {
        return (rank + worldSize - 1) % worldSize;
    }

    /** Run, chunk and attempt, for people. */
    public String where() {
        return "run " + runId + ", chunk " + chunk + ", attempt " + attempt;
    }
}
