// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Rows of instruction, input and output. The prompt is Stanford Alpaca's, with the line break behind "### Response:" that
 * LitGPT, Axolotl and Unsloth write.
 */
final class Alpaca {

    private static final String TASK = "Below is an instruction that describes a task";
    private static final String WITH_INPUT = TASK + ", paired with an input that provides further context. ";
    private static final String ALONE = TASK + ". ";
    private static final String WRITE = "Write a response that appropriately completes the request.\n\n";

    private Alpaca() {}

    /** The prompt of an instruction; an empty input is none. */
    static String prompt(String instruction, String input) {
        String head = (input.isEmpty() ? ALONE : WITH_INPUT) + WRITE + "### Instruction:\n" + instruction + "\n\n";
        return head + (input.isEmpty() ? "" : "### Input:\n" + input + "\n\n") + "### Response:\n";
    }

    /** The same as turns of a conversation; without an output it ends where the assistant is to speak. */
    static List<Map<String, Object>> turns(String instruction, String input, String output) {
        String request = input.isEmpty() ? instruction : instruction + "\n\n" + input;
        List<Map<String, Object>> turns = new ArrayList<>(2);
        turns.add(Map.of("role", "user", "content", request));
        if (output != null) {
            turns.add(Map.of("role", "assistant", "content", output));
        }
        return turns;
    }
}
