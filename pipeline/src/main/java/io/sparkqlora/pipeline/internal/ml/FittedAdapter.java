// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.ml;

import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.internal.data.BaseModel;
import io.sparkqlora.pipeline.internal.job.AdapterChoice;
import io.sparkqlora.pipeline.internal.job.AdapterSource;
import io.sparkqlora.pipeline.internal.job.JobInputs;
import io.sparkqlora.tokenize.TextTokenizer;
import io.sparkqlora.train.Adapter;
import io.sparkqlora.train.AdapterFiles;
import io.sparkqlora.train.AdapterFit;
import io.sparkqlora.train.NamedTensor;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/**
 * What a fit gave, or a folder holds.
 *
 * @param runId the run that trained it; null of a folder's
 * @param adapterId its id in the table of adapters, or its folder
 * @param fingerprint of its base; null of a folder's
 * @param tokenizerHash of its tokenizer; null of a folder's
 * @param adapter the adapter
 */
public record FittedAdapter(String runId, String adapterId, String fingerprint, String tokenizerHash, Adapter adapter) {

    static FittedAdapter of(AdapterChoice choice) {
        AdapterSource source = choice.source();
        return new FittedAdapter(
                source.runId(), choice.adapterId(), source.fingerprint(), source.tokenizerHash(), choice.adapter());
    }

    /**
     * The adapter in a folder, which goes with any base whose shapes it fits.
     *
     * @throws io.sparkqlora.kernels.QLoraException INPUT if files are missing or damaged
     */
    public static FittedAdapter in(Path folder) {
        String id = folder.toAbsolutePath().normalize().toString();
        return new FittedAdapter(null, id, null, null, AdapterFiles.read(folder));
    }

    /**
     * The same, of the base and the tokenizer that a job names, if it is not known which it was trained with.
     *
     * @throws io.sparkqlora.kernels.QLoraException INPUT if base or tokenizer are missing or damaged, or the adapter doesn't fit
     */
    FittedAdapter on(JobConfig job) {
        if (fingerprint != null) {
            return this;
        }
        BaseModel base = JobInputs.check(job);
        AdapterFit.require(adapter, base.config());
        try (TextTokenizer tokenizer = TextTokenizer.open(base.folder())) {
            return new FittedAdapter(runId, adapterId, base.fingerprint(), tokenizer.sha256(), adapter);
        }
    }

    /** A hash of the tensors: which adapter it is, wherever it came from. */
    String hash() {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            for (NamedTensor tensor : adapter.tensors()) {
                digest.update(tensor.name().getBytes(StandardCharsets.UTF_8));
                digest.update(tensor.data());
            }
            return HexFormat.of().formatHex(digest.digest());
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
    }
}
