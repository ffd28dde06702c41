// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.kernels.DenseQuantizedLinear;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Operations;
import io.sparkqlora.kernels.Quantization;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;

/** Devices with a part of another make. */
final class Replaced {

    private Replaced() {}

    /** A device that dequantises whole weights so before it multiplies. */
    static Device quantization(Device device, Quantization quantization) {
        Operations real = device.ops();
        Operations operations = with(
                Operations.class,
                with(Operations.class, real, "quantization", quantization),
                "quantizedLinear",
                new DenseQuantizedLinear(quantization, real.matmul(), real.loraLinear()));
        return with(Device.class, device, "ops", operations);
    }

    /** {@code real}, one method of which gives {@code answer}. */
    static <T> T with(Class<T> type, T real, String method, Object answer) {
        InvocationHandler handler = (proxy, called, arguments) -> {
            if (called.getName().equals("record")) {
                // what copies to the host can't be captured: the interface's own runs it as it is
                return InvocationHandler.invokeDefault(proxy, called, arguments);
            }
            try {
                return called.getName().equals(method) ? answer : called.invoke(real, arguments);
            } catch (InvocationTargetException e) {
                throw e.getCause();
            }
        };
        return type.cast(Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, handler));
    }
}
