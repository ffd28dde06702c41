// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

/** Everything a device can compute. Tensors passed together live on that device. */
public interface Operations {

    /** Matrix products. */
    Matmul matmul();

    /** Frozen linear layers with low-rank updates. */
    LoraLinear loraLinear();

    /** 4-bit block formats. */
    Quantization quantization();

    /** LLM.int8's weights. */
    VectorwiseInt8 vectorwiseInt8();

    /** Products with weights in 8 bits. */
    Int8Linear int8Linear();

    /** Products with weights in 4-bit formats. */
    default QuantizedLinear quantizedLinear() {
        return new DenseQuantizedLinear(quantization(), matmul(), loraLinear());
    }

    /** Copies, casts, sums of tensors. */
    Elementwise elementwise();

    /** Root-mean-square normalisation. */
    RmsNorm rmsNorm();

    /** The same of each head for itself. */
    HeadNorm headNorm();

    /** Rotary position embedding. */
    Rope rope();

    /** Causal attention over sequences of different lengths. */
    Attention attention();

    /** SwiGLU and GeGLU. */
    GatedActivation gatedActivation();

    /** Rows of a table, by index. */
    RowSelect rowSelect();

    /** Softmax cross-entropy over a vocabulary. */
    CrossEntropy crossEntropy();

    /** Losses of pairs of sequences. */
    PreferenceLoss preferenceLoss();

    /** Random dropping of elements. */
    Dropout dropout();

    /** Low-rank updates with dropout. */
    DroppedLora droppedLora();

    /** Gradient norm and clipping. */
    GradientClip gradientClip();

    /** The optimizer update. */
    AdamW adamW();

    /** The optimizer update with moments in 8 bits. */
    AdamW8bit adamW8bit();

    /** The update of an optimizer with one moment. */
    Lion lion();

    /** The same with the moment in 8 bits. */
    Lion8bit lion8bit();

    /** The update of an optimizer without moments. */
    Sgd sgd();

    /** Lengths of a weight's rows, apart from their directions. */
    WeightNorm weightNorm();

    /** Noise on embeddings. */
    RowNoise rowNoise();
}
