// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QLoraException.Kind;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * What goes wrong with groups, of a run or of one group of it. Codes P090–P109; the rest of this module's errors is in
 * {@link PipelineErrors}.
 */
public final class GroupErrors {

    private static final int SHOWN = 8;

    private GroupErrors() {}

    // ---- of a job

    /** A key that means nothing beside group_by. */
    public static QLoraException notWithGroups(String key, Object value, String reason) {
        return error(90, Kind.CONFIG, key + " is " + value + " beside group_by: " + reason + "; remove one of the two");
    }

    /** A key that means nothing without group_by. */
    public static QLoraException needsGroups(String key, Object value) {
        return error(97, Kind.CONFIG, key + " is " + value + " without group_by; set group_by, or remove " + key);
    }

    /** Some groups have no adapter. */
    public static QLoraException someFailed(String runId, long failed, long groups, String example) {
        return error(
                91,
                Kind.CONFLICT,
                failed + " of the " + groups + " groups of run " + runId + " failed, for example " + example
                        + "; the table groups has each one's reason; the adapters of the others are there, and the same"
                        + " command tries again what failed");
    }

    /** A run of groups has no adapter of its own. */
    public static QLoraException groupNeeded(String runId, List<String> keys, long groups) {
        return error(
                92,
                Kind.CONFIG,
                "run " + runId + " has an adapter a group; choose one with --group, such as " + quoted(keys)
                        + (groups > keys.size() ? " (of " + groups + " in the table groups)" : ""));
    }

    /** A group of a run without any. */
    public static QLoraException noGroups(String runId, String key) {
        return error(
                93,
                Kind.CONFIG,
                "run " + runId + " was trained without group_by, so it has no group '" + key + "'; leave --group out");
    }

    /** There is no such group. */
    public static QLoraException unknownGroup(String runId, String key, List<String> keys) {
        return error(
                94,
                Kind.CONFIG,
                "run " + runId + " has no group '" + key + "'; its groups are, among others, " + quoted(keys));
    }

    /** A group that has no adapter, or none yet. */
    public static QLoraException groupNotDone(String runId, String key, String status, String reason) {
        return error(
                95,
                Kind.CONFIG,
                "group '" + key + "' of run " + runId + " has no adapter: it is " + status
                        + (reason == null ? "; train it first" : " (" + reason + ")"));
    }

    /** Nothing to measure a group's adapter on. */
    public static QLoraException noRowsOfGroup(String key, String dataset) {
        return error(
                96,
                Kind.INPUT,
                dataset + " has no usable row of group '" + key
                        + "'; name an eval_dataset that has, or remove group_by from the job to measure on all rows");
    }

    // ---- of one group

    /** All of a group's rows were rejected. */
    public static QLoraException noUsableRow(Map<String, Long> rejectedByReason) {
        String reasons = rejectedByReason.entrySet().stream()
                .map(entry -> entry.getKey() + ": " + entry.getValue())
                .collect(Collectors.joining(", "));
        return error(
                100,
                Kind.INPUT,
                "none of the group's rows can be used (" + reasons + "); the table rejected_rows has them; mend them");
    }

    /** Rows of a group that say different things. */
    public static QLoraException settingsDiffer(String column, Object first, Object last) {
        return error(
                101,
                Kind.INPUT,
                column + " differs between rows of the group: " + first + " and " + last
                        + "; say the same in all rows, or make them two groups");
    }

    /** Hyper-parameters that are no object. */
    public static QLoraException settingsNoObject(String column, Object value) {
        return error(
                102,
                Kind.INPUT,
                column + " is " + value + ", not an object; write names and values, such as {\"learning_rate\": 2e-4}");
    }

    /** A key that all groups share. */
    public static QLoraException notAGroupsOwn(String column, String key, List<String> own) {
        return error(
                103,
                Kind.INPUT,
                column + " sets " + key
                        + ", which all groups of a run share; set it in the job, or train these groups in"
                        + " a run of their own; a group's own keys are " + String.join(", ", own));
    }

    /** A name that no key has. */
    public static QLoraException unknownSetting(String column, String key, Optional<String> nearest, List<String> own) {
        return error(
                104,
                Kind.INPUT,
                column + " has an unknown key '" + key + "'; "
                        + nearest.map(name -> "did you mean '" + name + "'?")
                                .orElse("a group's own keys are " + String.join(", ", own)));
    }

    private static String quoted(List<String> keys) {
        return keys.stream().limit(SHOWN).map(key -> "'" + key + "'").collect(Collectors.joining(", "));
    }

    private static QLoraException error(int code, Kind kind, String message) {
        return new QLoraException(String.format("QLORA-P%03d", code), kind, message, null);
    }
}
