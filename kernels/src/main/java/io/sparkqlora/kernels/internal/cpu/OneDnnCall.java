// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import static org.bytedeco.dnnl.global.dnnl.dnnl_memory_set_data_handle;
import static org.bytedeco.dnnl.global.dnnl.dnnl_primitive_execute;
import static org.bytedeco.dnnl.global.dnnl.dnnl_success;

import io.sparkqlora.kernels.KernelErrors;
import java.util.List;
import org.bytedeco.dnnl.dnnl_exec_arg_t;
import org.bytedeco.dnnl.dnnl_memory;
import org.bytedeco.dnnl.dnnl_primitive;
import org.bytedeco.dnnl.dnnl_stream;
import org.bytedeco.dnnl.memory;
import org.bytedeco.dnnl.primitive;
import org.bytedeco.dnnl.stream;
import org.bytedeco.javacpp.Pointer;

/** oneDNN's code for one operation, with the objects that a call of it needs; for one thread at a time. */
final class OneDnnCall implements AutoCloseable {

    private final Shape shape;
    private final stream stream;
    private final primitive primitive;
    private final List<memory> operands;
    private final dnnl_exec_arg_t arguments;
    private final dnnl_stream streamHandle;
    private final dnnl_primitive primitiveHandle;
    private final dnnl_memory[] operandHandles;
    private final long scratchBytes;
    private final Address address = new Address();

    /**
     * @param names oneDNN's of the operands, the last of which is working memory
     * @param layouts theirs
     */
    OneDnnCall(Shape shape, primitive primitive, int[] names, List<memory.desc> layouts) {
        this.shape = shape;
        this.primitive = primitive;
        stream = new stream(OneDnn.enter());
        address.to(0);
        operands = layouts.stream()
                .map(layout -> new memory(layout, OneDnn.enter(), address))
                .toList();
        arguments = new dnnl_exec_arg_t(names.length);
        for (int i = 0; i < names.length; i++) {
            arguments.position(i).arg(names[i]).memory(operands.get(i).get());
        }
        arguments.position(0);
        scratchBytes = layouts.get(layouts.size() - 1).get_size();
        streamHandle = stream.get();
        primitiveHandle = primitive.get();
        operandHandles = operands.stream().map(memory::get).toArray(dnnl_memory[]::new);
    }

    /** Computes it on operands at these addresses. */
    void run(NativeBuffer scratch, long... addresses) {
        OneDnn.enter();
        for (int i = 0; i < addresses.length; i++) {
            point(i, addresses[i]);
        }
        point(addresses.length, scratch.atLeast(scratchBytes));
        check(dnnl_primitive_execute(primitiveHandle, streamHandle, operandHandles.length, arguments));
    }

    private void point(int operand, long to) {
        check(dnnl_memory_set_data_handle(operandHandles[operand], address.to(to)));
    }

    Shape shape() {
        return shape;
    }

    private void check(int status) {
        if (status != dnnl_success) {
            throw KernelErrors.oneDnnFailed(shape + ", status " + status, OneDnn.instructions(), null);
        }
    }

    @Override
    public void close() {
        arguments.close();
        operands.forEach(memory::close);
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
