// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_DST;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_SCRATCHPAD;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_SRC;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_WEIGHTS;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.KernelErrors;
import java.util.List;
import org.bytedeco.dnnl.engine;
import org.bytedeco.dnnl.global.dnnl;
import org.bytedeco.dnnl.matmul;
import org.bytedeco.dnnl.memory;
import org.bytedeco.dnnl.post_ops;
import org.bytedeco.dnnl.primitive_attr;

/** Makes oneDNN's code for {@link Product}s. */
final class OneDnnMatmul {

    private static final int[] OPERANDS = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST, DNNL_ARG_SCRATCHPAD};

    private OneDnnMatmul() {}

    static OneDnnCall of(Product product) {
        engine cpu = OneDnn.enter();
        try (memory.desc a = operand(product.m(), product.k(), product.inputs(), product.transposeA(), product.lda());
                memory.desc b = second(product);
                memory.desc c = operand(product.m(), product.n(), product.output(), false, product.ldc());
                primitive_attr attributes = attributes(product);
                matmul.primitive_desc description = new matmul.primitive_desc(cpu, a, b, c, attributes, false);
                memory.desc scratch = description.scratchpad_desc()) {
            return new OneDnnCall(product, new matmul(description), OPERANDS, List.of(a, b, c, scratch));
        } catch (RuntimeException e) {
            throw KernelErrors.oneDnnFailed(product.toString(), OneDnn.instructions(), e);
        }
    }

    private static memory.desc second(Product product) {
        return product.pairs()
                ? inPairs(product.k(), product.n())
                : operand(product.k(), product.n(), product.inputs(), product.transposeB(), product.ldb());
    }

    /** In the order of {@link Product#inPairs}. */
    static memory.desc inPairs(long rows, long cols) {
        return new memory.desc(new long[] {rows, cols}, memory.data_type.bf16, memory.format_tag.BA16a64b2a);
    }

    /** Row after row, or with {@code transposed} column after column, {@code stride} elements from one to the next. */
    static memory.desc operand(long rows, long cols, DType dtype, boolean transposed, long stride) {
        return new memory.desc(
                new long[] {rows, cols}, type(dtype), transposed ? new long[] {1, stride} : new long[] {stride, 1});
    }

    private static memory.data_type type(DType dtype) {
        return switch (dtype) {
            case F32 -> memory.data_type.f32;
            case BF16 -> memory.data_type.bf16;
            default -> throw KernelErrors.unsupportedDType(dtype, "F32 or BF16");
        };
    }

    /** F32 stays F32, whatever the environment says; the scratchpad is ours, so that the threads don't share one. */
    private static primitive_attr attributes(Product product) {
        primitive_attr attributes = new primitive_attr();
        attributes.set_fpmath_mode(dnnl.fpmath_mode.strict);
        attributes.set_accumulation_mode(dnnl.accumulation_mode.strict);
        attributes.set_deterministic(true);
        attributes.set_scratchpad_mode(dnnl.scratchpad_mode.user);
        try (post_ops operations = new post_ops()) {
            if (product.alpha() != 1f) {
                operations.append_eltwise(dnnl.algorithm.eltwise_linear, product.alpha(), 0f);
            }
            if (product.beta() != 0f) {
                operations.append_sum(product.beta(), 0, memory.data_type.undef);
            }
            attributes.set_post_ops(operations);
        }
        return attributes;
    }
}
