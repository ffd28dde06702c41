// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.merge;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/** The form that a checkpoint's weights are written in. */
public interface CheckpointOutput {

    /** Writes a file that does not exist yet, of these tensors of the base, in any order. */
    void write(Path file, List<String> tensors) throws IOException;

    /** What a tensor of the base becomes. */
    List<String> names(String tensor);

    /** Bytes of the tensors that were written. */
    long bytes();

    /** Changes the base's {@code config.json} into that of the new checkpoint. */
    void configure(ObjectNode config);
}
