// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.doctor;

/**
 * What was found of one part of an installation, in one line.
 *
 * @param part what was looked at
 * @param state whether jobs can use it
 * @param says what there is; where something is wrong, also how to mend it
 */
public record Finding(String part, State state, String says) {

    /** How a part is. */
    public enum State {
        OK,
        /** Not there, and jobs do without. */
        ABSENT,
        WRONG
    }

    static Finding ok(String part, String says) {
        return new Finding(part, State.OK, says);
    }

    static Finding absent(String part, String says) {
        return new Finding(part, State.ABSENT, says);
    }

    static Finding wrong(String part, String says) {
        return new Finding(part, State.WRONG, says);
    }
}
