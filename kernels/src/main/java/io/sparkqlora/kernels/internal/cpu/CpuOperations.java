// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.AdamW;
import io.sparkqlora.kernels.AdamW8bit;
import io.sparkqlora.kernels.Attention;
import io.sparkqlora.kernels.CrossEntropy;
import io.sparkqlora.kernels.DenseQuantizedLinear;
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
import io.sparkqlora.kernels.Quantization;
import io.sparkqlora.kernels.QuantizedLinear;
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

/** The operations of the CPU. */
record CpuOperations(
        Matmul matmul,
        LoraLinear loraLinear,
        Quantization quantization,
        VectorwiseInt8 vectorwiseInt8,
        Int8Linear int8Linear,
        QuantizedLinear quantizedLinear,
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
        AdamW8bit adamW8bit,
        Lion lion,
        Lion8bit lion8bit,
        Sgd sgd,
        WeightNorm weightNorm,
        RowNoise rowNoise)
        implements Operations {

    static CpuOperations on(Workers workers, Products products) {
        Matmul matmul = new CpuMatmul(workers, products);
        Elementwise elementwise = new CpuElementwise(workers);
        LoraLinear loraLinear = new JoinedLoraLinear(matmul, elementwise);
        Quantization quantization = new CpuQuantization(workers);
        VectorwiseInt8 int8 = new CpuVectorwiseInt8(workers);
        Dropout dropout = new CpuDropout(workers);
        return new CpuOperations(
                matmul,
                loraLinear,
                quantization,
                int8,
                new CpuInt8Linear(workers, products, new DequantizedInt8(int8, matmul, loraLinear)),
                new CpuQuantizedLinear(
                        workers, products, matmul, new DenseQuantizedLinear(quantization, matmul, loraLinear)),
                elementwise,
                new CpuRmsNorm(workers),
                new CpuHeadNorm(workers),
                new CpuRope(workers),
                new CpuAttention(workers, products),
                new CpuGatedActivation(workers),
                new CpuRowSelect(workers),
                new CpuCrossEntropy(workers),
                new CpuPreferenceLoss(),
                dropout,
                new PiecewiseDroppedLora(matmul, dropout, elementwise),
                new CpuGradientClip(workers),
                new CpuAdamW(workers),
                new CpuAdamW8bit(workers),
                new CpuLion(workers),
                new CpuLion8bit(workers),
                new CpuSgd(workers),
                new CpuWeightNorm(workers),
                new CpuRowNoise(workers));
    }
}
