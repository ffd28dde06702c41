// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.Tensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** A kernel that breaks off, and what the device says then: an error a line, and "closed". Ends with the error's exit code. */
final class FaultyKernel {

    private FaultyKernel() {}

    public static void main(String[] args) {
        QLoraException first = null;
        try (Device device = Devices.open("cuda")) {
            Tensor logits = Tensor.of(device.allocate(64, "a test"), DType.F32, 1, 16);
            Tensor label = Tensor.of(device.allocate(4, "a test"), DType.I32, 1, 1);
            Tensor loss = Tensor.of(device.allocate(4, "a test"), DType.F32, 1, 1);
            device.copyIn(ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(0, 99), label);
            device.ops().elementwise().zero(logits);
            device.ops().crossEntropy().forward(logits, label, 0f, loss);
            first = tell(device::synchronize);
            tell(device::synchronize);
            tell(() -> device.ops().elementwise().zero(logits));
            tell(() -> device.allocate(100, "a test"));
        }
        System.out.println("closed");
        System.exit(first == null ? 0 : first.kind().exitCode());
    }

    private static QLoraException tell(Runnable call) {
        try {
            call.run();
            System.out.println("no error");
            return null;
        } catch (QLoraException e) {
            System.out.println(e.getMessage());
            return e;
        }
    }
}
