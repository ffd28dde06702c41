// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.data;

import io.sparkqlora.pipeline.PipelineErrors;
import io.sparkqlora.train.Checkpoint;
import io.sparkqlora.train.ModelConfig;
import java.nio.file.Path;

/**
 * A base checkpoint that was found whole.
 *
 * @param name what jobs call it
 * @param folder where it lies, or its copy
 * @param config its shape
 * @param fingerprint hash of it
 */
public record BaseModel(String name, Path folder, ModelConfig config, String fingerprint) {

    /**
     * Opens and checks a checkpoint, without loading it.
     *
     * @throws io.sparkqlora.kernels.QLoraException INPUT with file, problem and fix
     */
    public static BaseModel open(Path folder) {
        try (Checkpoint checkpoint = Checkpoint.open(folder)) {
            return new BaseModel(folder.toString(), folder, checkpoint.config(), checkpoint.fingerprint());
        }
    }

    /** The same, of another name. */
    public BaseModel named(String other) {
        return new BaseModel(other, folder, config, fingerprint);
    }

    /**
     * Checks that an executor has the driver's base.
     *
     * @throws io.sparkqlora.kernels.QLoraException INPUT if not
     */
    public static void requireSame(Checkpoint checkpoint, String fingerprint) {
        String found = checkpoint.fingerprint();
        if (!found.equals(fingerprint)) {
            throw PipelineErrors.otherBase(checkpoint.folder().toString(), fingerprint, found);
        }
    }
}
