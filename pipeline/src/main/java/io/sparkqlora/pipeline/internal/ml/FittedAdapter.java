// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.ml;

import io.sparkqlora.pipeline.internal.job.RunChoice;
import io.sparkqlora.train.Adapter;
import io.sparkqlora.train.NamedTensor;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/**
 * What a fit gave.
 *
 * @param runId the run that trained it
 * @param adapterId its id in the table of adapters
 * @param fingerprint of its base
 * @param tokenizerHash of its tokenizer
 * @param adapter the adapter
 */
public record FittedAdapter(String runId, String adapterId, String fingerprint, String tokenizerHash, Adapter adapter) {

    static FittedAdapter of(RunChoice choice) {
        return new FittedAdapter(
                choice.run().inputs().runId(),
                choice.adapterId(),
                choice.run().inputs().fingerprint(),
                choice.run().inputs().tokenizerHash(),
                choice.adapter());
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
