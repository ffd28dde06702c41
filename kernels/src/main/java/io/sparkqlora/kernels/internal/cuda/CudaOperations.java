// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.AdamW;
import io.sparkqlora.kernels.Attention;
import io.sparkqlora.kernels.CrossEntropy;
import io.sparkqlora.kernels.Dropout;
import io.sparkqlora.kernels.DroppedLora;
import io.sparkqlora.kernels.Elementwise;
import io.sparkqlora.kernels.GatedActivation;
import io.sparkqlora.kernels.GradientClip;
import io.sparkqlora.kernels.HeadNorm;
import io.sparkqlora.kernels.Int8Linear;
import io.sparkqlora.kernels.Lion;
import io.sparkqlora.kernels.Lion8bit;
import io.sparkqlora.kernels.LoraLinear;
import io.sparkqlora.kernels.Matmul;
import io.sparkqlora.kernels.Operations;
import io.sparkqlora.kernels.PreferenceLoss;
import io.sparkqlora.kernels.RmsNorm;
import io.sparkqlora.kernels.Rope;
import io.sparkqlora.kernels.RowNoise;
import io.sparkqlora.kernels.RowSelect;
import io.sparkqlora.kernels.Sgd;
import io.sparkqlora.kernels.VectorwiseInt8;
import io.sparkqlora.kernels.WeightNorm;
import io.sparkqlora.kernels.internal.DequantizedInt8;
import io.sparkqlora.kernels.internal.JoinedLoraLinear;
import io.sparkqlora.kernels.internal.PiecewiseDroppedLora;

/** The operations of a GPU. */
record CudaOperations(
        Matmul matmul,
        LoraLinear loraLinear,
        CudaQuantization quantization,
        VectorwiseInt8 vectorwiseInt8,
        Int8Linear int8Linear,
        Elementwise elementwise,
        RmsNorm rmsNorm,
        HeadNorm headNorm,
        Rope rope,
        Attention attention,
        GatedActivation gatedActivation,
        RowSelect rowSelect,
        CrossEntropy crossEntropy,
        PreferenceLoss preferenceLoss,
        Dropout dropout,
        DroppedLora droppedLora,
        GradientClip gradientClip,
        AdamW adamW,
        CudaAdamW8bit adamW8bit,
        Lion lion,
        Lion8bit lion8bit,
        Sgd sgd,
        WeightNorm weightNorm,
        RowNoise rowNoise)
        implements Operations {

    /** What the operations' tables take. */
    static final long TABLE_BYTES = Codebooks.BYTES + CudaAdamW8bit.TABLE_BYTES;

    private static final int HOPPER = 90;

    /** Has the tables on the device now. */
    void prepare() {
        quantization.prepare();
        adamW8bit.tables();
    }

    static boolean hopper(CudaContext context) {
        return context.capability() == HOPPER && !Boolean.getBoolean(CudaMatmul.GENERAL_ONLY);
    }

    static CudaOperations on(
            CudaDevice device, CudaContext context, Handles.Stream stream, Launcher launcher, Workspace workspace) {
        CudaKernel.Library library = new CudaKernel.Library();
        boolean hopper = hopper(context);
        TensorMaps maps = hopper ? new TensorMaps() : null;
        HopperMatmul products = hopper ? new HopperMatmul(context.multiprocessors(), launcher, library, maps) : null;
        Matmul matmul = new CudaMatmul(context, launcher, library, workspace, products);
        CudaColumnSums columnSums = new CudaColumnSums(launcher, library, workspace);
        Elementwise elementwise = new CudaElementwise(stream, launcher, library, columnSums);
        LoraGradient gradient = new LoraGradient(context.multiprocessors(), launcher, library, workspace);
        LoraLinear joined = new JoinedLoraLinear(matmul, elementwise);
        LoraLinear loraLinear = hopper ? new HopperLoraLinear(products, gradient, matmul, joined) : joined;
        VectorwiseInt8 int8 = new CudaVectorwiseInt8(device, launcher, library);
        Dropout dropout = new CudaDropout(launcher, library);
        CudaAdamW8bit adamW8bit = new CudaAdamW8bit(device, launcher, library);
        DroppedLora pieces = new PiecewiseDroppedLora(matmul, dropout, elementwise);
        return new CudaOperations(
                matmul,
                loraLinear,
                new CudaQuantization(device, launcher, library, workspace),
                int8,
                new CudaInt8Linear(
                        launcher,
                        library,
                        workspace,
                        elementwise,
                        new DequantizedInt8(int8, matmul, loraLinear),
                        hopper ? new HopperInt8(context.multiprocessors(), launcher, library, maps) : null),
                elementwise,
                new CudaRmsNorm(launcher, library),
                new CudaHeadNorm(launcher, library),
                new CudaRope(launcher, library),
                new CudaAttention(context, launcher, library, workspace, maps, stream),
                new CudaGatedActivation(launcher, library),
                new CudaRowSelect(launcher, library),
                new CudaCrossEntropy(launcher, library),
                new CudaPreferenceLoss(launcher, library),
                dropout,
                new CudaDroppedLora(launcher, library, workspace, pieces),
                new CudaGradientClip(launcher, library, workspace),
                new CudaAdamW(launcher, library),
                adamW8bit,
                new CudaLion(launcher, library),
                new CudaLion8bit(adamW8bit, launcher, library),
                new CudaSgd(launcher, library),
                new CudaWeightNorm(launcher, library, columnSums),
                new CudaRowNoise(launcher, library));
    }
}
