// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_DST;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_SCRATCHPAD;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_SRC;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_WEIGHTS;
import static org.bytedeco.dnnl.global.dnnl.dnnl_memory_set_data_handle;
import static org.bytedeco.dnnl.global.dnnl.dnnl_primitive_execute;
import static org.bytedeco.dnnl.global.dnnl.dnnl_success;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.KernelErrors;
import java.util.Arrays;
import org.bytedeco.dnnl.dnnl_exec_arg_t;
import org.bytedeco.dnnl.dnnl_memory;
import org.bytedeco.dnnl.dnnl_primitive;
import org.bytedeco.dnnl.dnnl_stream;
import org.bytedeco.dnnl.engine;
import org.bytedeco.dnnl.global.dnnl;
import org.bytedeco.dnnl.matmul;
import org.bytedeco.dnnl.memory;
import org.bytedeco.dnnl.post_ops;
import org.bytedeco.dnnl.primitive_attr;
import org.bytedeco.dnnl.stream;
import org.bytedeco.javacpp.Pointer;

/** oneDNN's code for one {@link Product}, with the objects that a call of it needs; for one thread at a time. */
final class OneDnnMatmul implements AutoCloseable {

    private final Product product;
    private final stream stream;
    private final matmul primitive;
    private final memory[] operands;
    private final dnnl_exec_arg_t arguments;
    private final dnnl_stream streamHandle;
    private final dnnl_primitive primitiveHandle;
    private final dnnl_memory[] operandHandles;
    private final long scratchBytes;
    private final Address address = new Address();

    OneDnnMatmul(Product product) {
        this.product = product;
        engine cpu = OneDnn.enter();
        try (memory.desc a = operand(product.m(), product.k(), product.inputs(), product.transposeA(), product.lda());
                memory.desc b =
                        operand(product.k(), product.n(), product.inputs(), product.transposeB(), product.ldb());
                memory.desc c = operand(product.m(), product.n(), product.output(), false, product.ldc());
                primitive_attr attributes = attributes(product);
                matmul.primitive_desc description = new matmul.primitive_desc(cpu, a, b, c, attributes, false);
                memory.desc scratch = description.scratchpad_desc()) {
            stream = new stream(cpu);
            primitive = new matmul(description);
            scratchBytes = scratch.get_size();
            address.to(0);
            operands = new memory[] {
                new memory(a, cpu, address),
                new memory(b, cpu, address),
                new memory(c, cpu, address),
                new memory(scratch, cpu, address)
            };
        } catch (RuntimeException e) {
            throw KernelErrors.oneDnnFailed(product.toString(), OneDnn.instructions(), e);
        }
        arguments = arguments(operands);
        streamHandle = stream.get();
        primitiveHandle = primitive.get();
        operandHandles = Arrays.stream(operands).map(memory::get).toArray(dnnl_memory[]::new);
    }

    private static memory.desc operand(long rows, long cols, DType dtype, boolean transposed, long rowStride) {
        return new memory.desc(
                new long[] {rows, cols},
                type(dtype),
                transposed ? new long[] {1, rowStride} : new long[] {rowStride, 1});
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

    private static dnnl_exec_arg_t arguments(memory[] operands) {
        int[] names = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST, DNNL_ARG_SCRATCHPAD};
        dnnl_exec_arg_t arguments = new dnnl_exec_arg_t(names.length);
        for (int i = 0; i < names.length; i++) {
            arguments.position(i).arg(names[i]).memory(operands[i].get());
        }
        return arguments.position(0);
    }

    /** Computes it on operands at these addresses. */
    void run(long a, long b, long c, NativeBuffer scratch) {
        OneDnn.enter();
        point(0, a);
        point(1, b);
        point(2, c);
        point(3, scratch.atLeast(scratchBytes));
        check(dnnl_primitive_execute(primitiveHandle, streamHandle, operands.length, arguments));
    }

    private void point(int operand, long to) {
        check(dnnl_memory_set_data_handle(operandHandles[operand], address.to(to)));
    }

    private void check(int status) {
        if (status != dnnl_success) {
            throw KernelErrors.oneDnnFailed(product + ", status " + status, OneDnn.instructions(), null);
        }
    }

    Product product() {
        return product;
    }

    @Override
    public void close() {
        arguments.close();
        for (memory operand : operands) {
            operand.close();
        }
        primitive.close();
        stream.close();
    }

    /** A pointer that owns nothing. */
    private static final class Address extends Pointer {

        Address to(long target) {
            address = target;
            return this;
        }
    }
}
