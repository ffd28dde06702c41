// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.groups;

import io.sparkqlora.pipeline.GroupErrors;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.internal.config.ConfigJson;
import io.sparkqlora.pipeline.internal.run.EngineSettings;
import io.sparkqlora.tokenize.TokenGroup;
import io.sparkqlora.train.TrainingArguments;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * What there is to do for a group: everything that its adapter is made from, beside what all groups share.
 *
 * @param key of the group
 * @param firstRow {@code row_index} of its first packed row; the others follow
 * @param rows packed rows
 * @param numTokens of all its rows
 * @param steps optimizer steps
 * @param hyperparameters what its rows say, or null
 * @param firstHeldOut {@code row_index} of the first packed row that it is measured on; the others follow
 * @param heldOut packed rows that it is measured on
 */
record GroupWork(
        String key,
        long firstRow,
        long rows,
        long numTokens,
        long steps,
        String hyperparameters,
        long firstHeldOut,
        long heldOut) {

    /** Work that nothing is measured of. */
    GroupWork(String key, long firstRow, long rows, long numTokens, long steps, String hyperparameters) {
        this(key, firstRow, rows, numTokens, steps, hyperparameters, 0, 0);
    }

    /** The same, measured on what is held out of the group. */
    GroupWork measuredOn(TokenGroup held) {
        return new GroupWork(
                key,
                firstRow,
                rows,
                numTokens,
                steps,
                hyperparameters,
                held.rows() == 0 ? 0 : held.firstRow(),
                held.rows());
    }

    /**
     * The work of a group.
     *
     * @throws io.sparkqlora.kernels.QLoraException INPUT or CONFIG, why it can't be trained
     */
    static GroupWork of(JobConfig job, TokenGroup group) {
        if (group.rows() == 0) {
            throw GroupErrors.noUsableRow(group.rejectedByReason());
        }
        TrainingArguments arguments = EngineSettings.arguments(GroupSettings.of(job, group.hyperparameters()));
        return new GroupWork(
                group.key(),
                group.firstRow(),
                group.rows(),
                group.numTokens(),
                Math.toIntExact(arguments.totalSteps(group.rows())),
                group.hyperparameters());
    }

    /** How it is trained. */
    TrainingArguments arguments(JobConfig job) {
        return EngineSettings.arguments(GroupSettings.of(job, hyperparameters)).withMaxSteps(Math.toIntExact(steps));
    }

    /** Tokens that will go through the model, about: what its time is in proportion to. */
    double cost(int rowsPerStep) {
        return (double) steps * Math.min(rows, rowsPerStep) * numTokens / rows;
    }

    /** Some groups' work as one line of JSON, as a task gets it. */
    static String texts(List<GroupWork> groups) {
        return ConfigJson.text(
                Map.of("groups", groups.stream().map(GroupWork::values).toList()));
    }

    private Map<String, Object> values() {
        Map<String, Object> values = new TreeMap<>();
        values.put("key", key);
        values.put("first_row", firstRow);
        values.put("rows", rows);
        values.put("num_tokens", numTokens);
        values.put("steps", steps);
        values.put("hyperparameters", hyperparameters);
        values.put("first_held_out", firstHeldOut);
        values.put("held_out", heldOut);
        return values;
    }

    /** What {@link #texts} wrote. */
    static List<GroupWork> parse(String texts) {
        List<GroupWork> groups = new ArrayList<>();
        for (Object each : (List<?>) ConfigJson.values(texts).get("groups")) {
            Map<?, ?> values = (Map<?, ?>) each;
            groups.add(new GroupWork(
                    (String) values.get("key"),
                    number(values, "first_row"),
                    number(values, "rows"),
                    number(values, "num_tokens"),
                    number(values, "steps"),
                    (String) values.get("hyperparameters"),
                    number(values, "first_held_out"),
                    number(values, "held_out")));
        }
        return groups;
    }

    private static long number(Map<?, ?> values, String name) {
        return ((Number) values.get(name)).longValue();
    }
}
