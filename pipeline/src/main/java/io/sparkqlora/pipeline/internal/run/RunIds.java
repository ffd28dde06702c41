// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.RunKeys;
import io.sparkqlora.pipeline.internal.config.ConfigJson;
import io.sparkqlora.pipeline.internal.data.BaseModel;
import io.sparkqlora.pipeline.internal.data.TokenData;
import io.sparkqlora.pipeline.internal.tables.JobTables;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Map;
import java.util.TreeMap;

/** Names of runs. */
final class RunIds {

    private static final int HEX_DIGITS = 12;

    private RunIds() {}

    /**
     * The configured name, or one that is a hash of everything that goes into the result, so that the same command finds its
     * run again. With {@code resume: false}, the first of that name with a number behind it that isn't taken.
     */
    static String of(JobConfig config, BaseModel base, TokenData data, String heldOut, JobTables tables) {
        String name = config.has(RunKeys.RUN_ID) ? config.get(RunKeys.RUN_ID) : derived(config, base, data, heldOut);
        if (config.get(RunKeys.RESUME)) {
            return name;
        }
        String free = name;
        for (int i = 2; RunRecord.find(tables, free).isPresent(); i++) {
            free = name + "-" + i;
        }
        return free;
    }

    private static String derived(JobConfig config, BaseModel base, TokenData data, String heldOut) {
        Map<String, Object> parts = new TreeMap<>(config.identity());
        parts.put(":base", base.fingerprint());
        parts.put(":dataset_id", data.datasetId());
        if (heldOut != null) {
            parts.put(":eval_dataset_id", heldOut);
        }
        String adapter = FirstAdapter.hash(config);
        if (adapter != null) {
            parts.put(":adapter", adapter);
        }
        return "run-" + hash(ConfigJson.text(parts)).substring(0, HEX_DIGITS);
    }

    private static String hash(String text) {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            return HexFormat.of().formatHex(digest.digest(text.getBytes(StandardCharsets.UTF_8)));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
    }
}
