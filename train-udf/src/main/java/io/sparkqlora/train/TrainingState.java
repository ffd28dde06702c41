// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;

/**
 * Everything that a run needs to go on bit for bit: the random streams are functions of seed and step, so the step and the
 * tensors are enough.
 *
 * @param step optimizer steps done
 * @param tensors the adapter's parameters under PEFT's names, F32, and the optimizer's moments under the same names behind
 *     {@code exp_avg.} and {@code exp_avg_sq.}: F32, or U8 codes, whose scales, an F32 for 256 elements, are behind
 *     {@code exp_avg_absmax.} and {@code exp_avg_sq_absmax.}; of a run in float16 also {@code grad_scaler}, F64 [3]
 */
public record TrainingState(long step, List<NamedTensor> tensors) {

    /** Before the name of a parameter: AdamW's first moment. */
    public static final String EXP_AVG = "exp_avg.";

    /** Before the name of a parameter: AdamW's second moment. */
    public static final String EXP_AVG_SQ = "exp_avg_sq.";

    /** Before the name of a parameter: the scales of its first moment, where that is in 8 bits. */
    public static final String EXP_AVG_ABSMAX = "exp_avg_absmax.";

    /** Before the name of a parameter: the scales of its second moment, where that is in 8 bits. */
    public static final String EXP_AVG_SQ_ABSMAX = "exp_avg_sq_absmax.";

    /** The name of what loss scaling remembers of float16: its factor, the good steps in a row, and the skipped ones of all. */
    public static final String GRAD_SCALER = "grad_scaler";

    public TrainingState {
        tensors = List.copyOf(tensors);
    }

    /** SHA-256 of the step and of all tensors with their names, in hexadecimal. */
    public String sha256() {
        MessageDigest digest = newDigest();
        digest.update(ByteBuffer.allocate(Long.BYTES).putLong(0, step));
        for (NamedTensor tensor : tensors) {
            digest.update(tensor.name().getBytes(StandardCharsets.UTF_8));
            digest.update(tensor.data());
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    private static MessageDigest newDigest() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e); // every Java has it
        }
    }
}
