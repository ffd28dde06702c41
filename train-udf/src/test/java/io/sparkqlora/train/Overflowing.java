// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.GradientClip;
import io.sparkqlora.kernels.Operations;
import io.sparkqlora.kernels.Tensor;
import java.lang.reflect.Proxy;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** A device on which every gradient is infinite. */
final class Overflowing {

    private Overflowing() {}

    static Device on(Device device) {
        GradientClip real = device.ops().gradientClip();
        GradientClip infinite = (GradientClip) Proxy.newProxyInstance(
                GradientClip.class.getClassLoader(), new Class<?>[] {GradientClip.class}, (self, method, arguments) -> {
                    Object result = method.invoke(real, arguments);
                    if (method.getName().equals("sumOfSquares")) {
                        ByteBuffer sum = ByteBuffer.allocateDirect(Double.BYTES).order(ByteOrder.LITTLE_ENDIAN);
                        device.copyIn(sum.putDouble(0, Double.POSITIVE_INFINITY), (Tensor) arguments[1]);
                    }
                    return result;
                });
        Operations operations = Replaced.with(Operations.class, device.ops(), "gradientClip", infinite);
        return Replaced.with(Device.class, device, "ops", operations);
    }
}
