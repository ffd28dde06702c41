// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.kernels.Attention;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Operations;
import io.sparkqlora.kernels.Tensor;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * A device whose attention lets what is no number through to all rows of the micro-batch, at worst what kernels do that mask by
 * a factor of zero. F32.
 */
final class LeakyAttention {

    private LeakyAttention() {}

    static Device on(Device device) {
        Operations ops = proxy(Operations.class, (self, method, arguments) -> {
            Object result = call(device.ops(), method, arguments);
            return result instanceof Attention attention ? leaky(device, attention) : result;
        });
        return proxy(Device.class, (self, method, arguments) -> switch (method.getName()) {
            case "ops" -> ops;
                // what reads from the device can't be captured: the calls are made again
            case "record" -> InvocationHandler.invokeDefault(self, method, arguments);
            default -> call(device, method, arguments);
        });
    }

    private static Attention leaky(Device device, Attention attention) {
        return proxy(Attention.class, (self, method, arguments) -> {
            Object result = call(attention, method, arguments);
            if (method.getName().equals("forward")) {
                spread(device, (Tensor) arguments[5]);
            }
            return result;
        });
    }

    private static void spread(Device device, Tensor out) {
        ByteBuffer row = ByteBuffer.allocateDirect(Math.toIntExact(out.cols()) * Float.BYTES)
                .order(ByteOrder.LITTLE_ENDIAN);
        for (long i = 0; i < out.rows(); i++) {
            device.copyOut(out.rowRange(i, i + 1), row);
            if (Float.isNaN(row.getFloat(0))) {
                for (long other = 0; other < out.rows(); other++) {
                    device.copyIn(row, out.rowRange(other, other + 1));
                }
                return;
            }
        }
    }

    private static <T> T proxy(Class<T> type, InvocationHandler answer) {
        return type.cast(Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, answer));
    }

    private static Object call(Object target, Method method, Object[] arguments) throws Throwable {
        try {
            return method.invoke(target, arguments);
        } catch (InvocationTargetException e) {
            throw e.getCause();
        }
    }
}
