// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QLoraException.Kind;

/** What goes wrong with quantised bases. Codes P150–P154; the rest of this module's errors is in {@link PipelineErrors}. */
public final class FormatErrors {

    private FormatErrors() {}

    /** A key that says something else than the checkpoint, which is quantised already. */
    public static QLoraException notTheCheckpoints(String key, Object job, String folder, Object checkpoint) {
        return error(
                150,
                key + " is " + job + ", but " + folder + " is quantised already, with " + checkpoint
                        + "; what is stored counts: remove the key, or name an unquantised checkpoint");
    }

    /** An adapter whose base is not quantised, and so names no format for the merged model. */
    public static QLoraException noFormatToMergeTo(String adapterId) {
        return error(
                151,
                "--quantize: the base of " + adapterId
                        + " is held with load_in_4bit and load_in_8bit false, so there is no format to quantise to; "
                        + "export with --merge, and then quantize that folder");
    }

    /** Nothing is to be quantised. */
    public static QLoraException nothingToQuantize() {
        return error(
                152,
                "load_in_4bit and load_in_8bit are false, so there is nothing to quantise; set one of them to true");
    }

    /** An option that stands alone. */
    public static QLoraException quantizeWithoutMerge() {
        return error(
                153,
                "--quantize is about the merged model; give --merge with it, or use the command quantize for the base "
                        + "alone");
    }

    private static QLoraException error(int code, String message) {
        return new QLoraException(String.format("QLORA-P%03d", code), Kind.CONFIG, message, null);
    }
}
