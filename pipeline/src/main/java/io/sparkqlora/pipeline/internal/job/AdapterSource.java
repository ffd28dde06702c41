// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.job;

import io.sparkqlora.pipeline.internal.run.RunInputs;
import java.nio.file.Path;

/**
 * Where an adapter is from. One in a folder has a place and nothing else: it goes with any base whose shapes it fits.
 *
 * @param adapterId {@code run_id@step}, {@code run_id/group_key@step}, or the folder
 * @param runId its run, or null
 * @param group the group that it was trained on, or null
 * @param step optimizer steps that it has seen, or null
 * @param fingerprint of the base that it was trained on, or null
 * @param tokenizerHash of the tokenizer, or null
 */
public record AdapterSource(
        String adapterId, String runId, String group, Long step, String fingerprint, String tokenizerHash) {

    static AdapterSource of(RunInputs run, String group, long step) {
        String id = run.runId() + (group == null ? "" : "/" + group) + "@" + step;
        return new AdapterSource(id, run.runId(), group, step, run.fingerprint(), run.tokenizerHash());
    }

    static AdapterSource of(Path folder) {
        return new AdapterSource(folder.toAbsolutePath().normalize().toString(), null, null, null, null, null);
    }
}
