// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.kernels.GradientClip;
import io.sparkqlora.kernels.KernelErrors;
import io.sparkqlora.kernels.Operations;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;

/** Real devices that do something else at times. Until it is closed, jobs of this JVM get them. */
public final class FailingDevices implements AutoCloseable {

    private FailingDevices(UnaryOperator<Device> changed) {
        RunDevices.openWith(backend -> changed.apply(Devices.open(backend)));
    }

    /** Devices with so many bytes free. */
    public static FailingDevices withMemory(long availableBytes) {
        return new FailingDevices(device -> proxy(Device.class, device, method -> {
            if (method.equals("availableBytes")) {
                throw new Answer(availableBytes);
            }
        }));
    }

    /** Devices that are lost, as after a kernel's fault, from the n-th optimizer update on. */
    public static FailingDevices lostAtUpdate(int update) {
        return new FailingDevices(device -> new Lost(update).of(device));
    }

    /** Devices on which something happens before the n-th optimizer update. */
    public static FailingDevices atUpdate(int update, Consumer<Device> action) {
        return new FailingDevices(device -> new AtUpdate(update, action).of(device));
    }

    /** Devices whose n-th allocation fails for want of memory. */
    public static FailingDevices outOfMemoryAtAllocation(int allocation) {
        int[] count = {0};
        return new FailingDevices(device -> proxy(Device.class, device, method -> {
            if (method.equals("allocate") && ++count[0] == allocation) {
                throw KernelErrors.outOfMemory(
                        device.name(), "the buffers of a step", 4096, 1024, "set recompute to full");
            }
        }));
    }

    /** A device that fails at every call once it is lost; its name is still known. */
    private static final class Lost {
        private final int update;
        private boolean lost;

        Lost(int update) {
            this.update = update;
        }

        Device of(Device device) {
            Device counted = new AtUpdate(update, here -> lost = true).of(device);
            Operations operations = proxy(Operations.class, counted.ops(), method -> check());
            return proxy(Device.class, device, method -> {
                if (method.equals("ops")) {
                    throw new Answer(operations);
                }
                if (!method.equals("name")) {
                    check();
                }
            });
        }

        private void check() {
            if (lost) {
                throw KernelErrors.cudaFailed("running kernels", "CUDA_ERROR_ILLEGAL_ADDRESS (700)");
            }
        }
    }

    /** Counts updates by the clipping before each: how often AdamW is called depends on how the moments are kept. */
    private static final class AtUpdate {
        private final int update;
        private final Consumer<Device> action;
        private int updates;

        AtUpdate(int update, Consumer<Device> action) {
            this.update = update;
            this.action = action;
        }

        Device of(Device device) {
            GradientClip clip = proxy(GradientClip.class, device.ops().gradientClip(), method -> {
                if (method.equals("clip") && ++updates == update) {
                    action.accept(device);
                }
            });
            Operations operations = proxy(Operations.class, device.ops(), method -> {
                if (method.equals("gradientClip")) {
                    throw new Answer(clip);
                }
            });
            return proxy(Device.class, device, method -> {
                if (method.equals("ops")) {
                    throw new Answer(operations);
                }
            });
        }
    }

    /** What a call gives in place of the real one's. */
    private static final class Answer extends RuntimeException {
        private static final long serialVersionUID = 1L;
        private final transient Object value;

        Answer(Object value) {
            this.value = value;
        }
    }

    private static <T> T proxy(Class<T> type, T real, Consumer<String> before) {
        return type.cast(
                Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, (self, method, arguments) -> {
                    try {
                        before.accept(method.getName());
                        return method.invoke(real, arguments);
                    } catch (Answer answer) {
                        return answer.value;
                    } catch (InvocationTargetException e) {
                        throw e.getCause();
                    }
                }));
    }

    @Override
    public void close() {
        ResidentSessions.closeAll();
        RunDevices.openWith(Devices::open);
    }
}
