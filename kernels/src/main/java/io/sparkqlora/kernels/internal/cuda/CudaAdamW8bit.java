// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.AdamW;
import io.sparkqlora.kernels.AdamW8bit;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.DynamicMap;
import io.sparkqlora.kernels.Memory;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.Checks;
import io.sparkqlora.kernels.internal.DynamicBins;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** The 8-bit kernel in adamw.cu. */
final class CudaAdamW8bit implements AdamW8bit {

    /** Bytes of the kernel's {@code Tables}. */
    static final int TABLE_BYTES = 2 * DynamicMap.SIZE * Float.BYTES + 2 * DynamicBins.COUNT;

    private static final int WARP = 32;

    private final Device device;
    private final Launcher launcher;
    private final CudaKernel kernel;
    private Memory tables;

    CudaAdamW8bit(Device device, Launcher launcher, CudaKernel.Library library) {
        this.device = device;
        this.launcher = launcher;
        this.kernel = library.kernel("adamw", "adamw_8bit");
    }

    @Override
    public void update(
            Tensor parameter, Tensor gradient, Moment m, Moment v, Tensor blocks, Tensor normAndScale, Tensor factors) {
        int count = Math.toIntExact(blocks.rows());
        Checks.vector(parameter, DType.F32, parameter.size());
        Checks.vector(gradient, DType.F32, parameter.size());
        Checks.vector(blocks, DType.I32, 2L * count);
        check(m, parameter.size(), count);
        check(v, parameter.size(), count);
        Checks.vector(normAndScale, DType.F32, 2);
        Checks.vector(factors, DType.F32, AdamW.FACTORS);
        long at = tables();
        launcher.of(kernel)
                .moves(parameter, parameter, gradient, m.codes(), m.codes(), v.codes(), v.codes())
                .address(parameter)
                .address(gradient);
        state(m);
        state(v);
        launcher.address(blocks)
                .number(count)
                .flag(aligned(parameter, gradient, m, v))
                .address(normAndScale)
                .address(factors)
                .address(at)
                .overItems((long) count * WARP, 1);
    }

    private static void check(Moment moment, long elements, int blocks) {
        Checks.vector(moment.codes(), DType.U8, elements);
        Checks.vector(moment.absmax(), DType.F32, blocks);
    }

    private void state(Moment moment) {
        launcher.structure().address(moment.codes()).address(moment.absmax()).end();
    }

    private static boolean aligned(Tensor parameter, Tensor gradient, Moment m, Moment v) {
        return parameter.address() % 16 == 0
                && gradient.address() % 16 == 0
                && m.codes().address() % 8 == 0
                && v.codes().address() % 8 == 0;
    }

    /** Address of the kernel's {@code Tables}. */
    long tables() {
        if (tables == null) {
            ByteBuffer content = ByteBuffer.allocate(TABLE_BYTES).order(ByteOrder.nativeOrder());
            for (float[] map : new float[][] {DynamicMap.signed(), DynamicMap.unsigned()}) {
                content.asFloatBuffer().put(map);
                content.position(content.position() + map.length * Float.BYTES);
            }
            content.put(DynamicBins.codes(DynamicMap.signed())).put(DynamicBins.codes(DynamicMap.unsigned()));
            tables = device.allocate(TABLE_BYTES, "the tables of the 8-bit optimizer");
            device.copyIn(content.flip(), Tensor.of(tables, DType.U8, 1, TABLE_BYTES));
        }
        return tables.address();
    }
}
