// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_FROM;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_SCRATCHPAD;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_TO;

import io.sparkqlora.kernels.KernelErrors;
import java.util.List;
import org.bytedeco.dnnl.engine;
import org.bytedeco.dnnl.global.dnnl;
import org.bytedeco.dnnl.memory;
import org.bytedeco.dnnl.primitive_attr;
import org.bytedeco.dnnl.reorder;

/** Makes oneDNN's code for {@link Turn}s. */
final class OneDnnTurn {

    private static final int[] OPERANDS = {DNNL_ARG_FROM, DNNL_ARG_TO, DNNL_ARG_SCRATCHPAD};

    private OneDnnTurn() {}

    static OneDnnCall of(Turn turn) {
        engine cpu = OneDnn.enter();
        try (memory.desc from = OneDnnMatmul.operand(turn.cols(), turn.rows(), Turn.DTYPE, true, turn.source());
                memory.desc to = turn.toPairs()
                        ? OneDnnMatmul.inPairs(turn.cols(), turn.rows())
                        : OneDnnMatmul.operand(turn.cols(), turn.rows(), Turn.DTYPE, false, turn.target());
                primitive_attr attributes = attributes();
                reorder.primitive_desc description = new reorder.primitive_desc(cpu, from, cpu, to, attributes, false);
                memory.desc scratch = description.scratchpad_desc()) {
            return new OneDnnCall(turn, new reorder(description), OPERANDS, List.of(from, to, scratch));
        } catch (RuntimeException e) {
            throw KernelErrors.oneDnnFailed(turn.toString(), OneDnn.instructions(), e);
        }
    }

    /** The scratchpad is ours, so that the threads don't share one. */
    private static primitive_attr attributes() {
        primitive_attr attributes = new primitive_attr();
        attributes.set_scratchpad_mode(dnnl.scratchpad_mode.user);
        return attributes;
    }
}
