// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

/**
 * What every module throws when a user can act on the failure. Each module makes its exceptions in one factory
 * ({@code KernelErrors}, {@code TrainErrors}, {@code TokenizeErrors}, {@code PipelineErrors}); a message states the
 * problem, the cause with its actual values, and the fix.
 */
public final class QLoraException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    /** What kind of failure this is; decides the exit code of the command line. */
    public enum Kind {
        /** A wrong option, configuration key or value. */
        CONFIG(2),
        /** A checkpoint, tokenizer, template or dataset that can't be used. */
        INPUT(3),
        /** Training can't go on: the loss is not finite. The last good state is kept. */
        DIVERGED(4),
        /** Too little memory, no GPU, too few slots. */
        RESOURCES(5),
        /** A native library, driver or kernel failed. */
        DEVICE(6),
        /** Another run holds the same run id, or a table changed underneath. */
        CONFLICT(7),
        /** An executor that trained with others is gone or silent; another attempt may do. */
        RANK_LOST(8);

        private final int exitCode;

        Kind(int exitCode) {
            this.exitCode = exitCode;
        }

        /** The documented exit code of a command that ends with this kind. */
        public int exitCode() {
            return exitCode;
        }
    }

    private final String code;
    private final Kind kind;

    /**
     * @param code the numbered code, such as {@code QLORA-K001}; never reused for another meaning
     * @param kind what kind of failure it is
     * @param message one line: the problem, the cause with its values, the fix
     * @param cause the underlying exception, or null
     */
    public QLoraException(String code, Kind kind, String message, Throwable cause) {
        super(code + ": " + message, cause);
        this.code = code;
        this.kind = kind;
    }

    /** The numbered code, such as {@code QLORA-K001}. */
    public String code() {
        return code;
    }

    /** What kind of failure it is. */
    public Kind kind() {
        return kind;
    }
}
