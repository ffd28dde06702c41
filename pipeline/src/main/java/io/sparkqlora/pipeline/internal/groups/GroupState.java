// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.groups;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.tokenize.TokenGroup;
import java.sql.Timestamp;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;

/**
 * A row of the table of groups.
 *
 * @param group its data
 * @param status waiting, running, done or failed
 * @param wave the last Spark job of the run that it was part of; null before
 * @param totalSteps that it is to make; null if that can't be told
 * @param steps that it has made
 * @param loss of the last row of its log, or null
 * @param adapterStep steps that the adapter which it gave has seen; null where there is none
 * @param code of the error that ended it, or null
 * @param error the error, or null
 */
record GroupState(
        TokenGroup group,
        String status,
        Integer wave,
        Long totalSteps,
        long steps,
        Double loss,
        Long adapterStep,
        String code,
        String error) {

    static final String WAITING = "waiting";
    static final String RUNNING = "running";
    static final String DONE = "done";
    static final String FAILED = "failed";

    /** A group that is still to be trained. */
    static GroupState waiting(TokenGroup group, long totalSteps) {
        return new GroupState(group, WAITING, null, totalSteps, 0, null, null, null, null);
    }

    /** A group that can't be trained. */
    static GroupState refused(TokenGroup group, QLoraException e) {
        return new GroupState(group, FAILED, null, null, 0, null, null, e.code(), e.getMessage());
    }

    boolean is(String other) {
        return status.equals(other);
    }

    /** The same group, part of a wave that begins. */
    GroupState running(int inWave) {
        return new GroupState(group, RUNNING, inWave, totalSteps, 0, null, null, null, null);
    }

    /** The same group, back among those that wait; that its wave was there stays known, so that no other has its number. */
    GroupState back() {
        return new GroupState(group, WAITING, wave, totalSteps, 0, null, null, null, null);
    }

    /** The same group as a row of {@link WaveRows} says that it ended. */
    GroupState ended(Row row) {
        if (row.getString(0).equals(WaveRows.DONE)) {
            return new GroupState(
                    group,
                    DONE,
                    wave,
                    totalSteps,
                    row.<Long>getAs("step"),
                    row.getAs("loss"),
                    row.getAs("adapter_step"),
                    null,
                    null);
        }
        QLoraException e = WaveRows.error(row);
        return new GroupState(
                group, FAILED, wave, totalSteps, row.<Long>getAs("step"), null, null, e.code(), e.getMessage());
    }

    /** What is stored of a group, with the data that it has now. */
    static GroupState of(Row row, TokenGroup group) {
        return new GroupState(
                group,
                row.getAs("status"),
                row.isNullAt(row.fieldIndex("wave")) ? null : Math.toIntExact(row.<Long>getAs("wave")),
                row.getAs("total_steps"),
                row.<Long>getAs("steps"),
                row.getAs("loss"),
                adapterStep(row.getAs("adapter_id")),
                row.getAs("error_code"),
                row.getAs("error"));
    }

    private static Long adapterStep(String adapterId) {
        return adapterId == null ? null : Long.valueOf(adapterId.substring(adapterId.lastIndexOf('@') + 1));
    }

    Row row(String runId, Timestamp now) {
        return RowFactory.create(
                runId,
                group.key(),
                status,
                steps,
                totalSteps,
                loss,
                code,
                error,
                group.rows(),
                group.numTokens(),
                group.numTargetTokens(),
                group.hyperparameters(),
                wave == null ? null : Long.valueOf(wave),
                is(DONE) ? runId + "/" + group.key() + "@" + adapterStep : null,
                now);
    }
}
