// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.model;

import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.internal.linear.DropoutMasks;
import io.sparkqlora.train.internal.linear.LinearGroup;
import io.sparkqlora.train.internal.linear.LoraGroup;
import io.sparkqlora.train.internal.linear.Pass;

/**
 * Final norm and output projection, for chosen rows of the hidden states.
 *
 * @param lora the projection's adapter, or null
 * @param masks dropout, or null for none
 */
record OutputHead(Pass pass, BaseModel model, LoraGroup lora, DropoutMasks masks) {

    /** What {@link #logits} made and {@link #backward} reads. */
    record Kept(Tensor rows, Tensor selected, Tensor rstd, Tensor normed, Tensor low) {}

    /** Writes {@code logits} [rows, vocabulary]. */
    Kept logits(Tensor hidden, Tensor rows, Tensor logits) {
        LinearGroup head = model.lmHead();
        Tensor selected = pass.matrix(rows.cols(), hidden.cols());
        Tensor rstd = pass.vector(rows.cols());
        Tensor normed = pass.matrix(rows.cols(), head.inputWidth(lora));
        pass.ops().rowSelect().gather(hidden, rows, 1f, selected);
        float eps = model.config().rmsNormEps();
        pass.ops().rmsNorm().forward(selected, model.finalNorm(), 0f, eps, head.input(normed), rstd);
        Tensor low = pass.matrix(rows.cols(), LinearGroup.lowRankWidth(lora));
        head.project(pass, normed, lora, masks, low);
        head.forward(pass, normed, lora, low, logits);
        return new Kept(rows, selected, rstd, normed, low);
    }

    /** Writes the gradient of the chosen rows into {@code dHidden}; its other rows stay. */
    void backward(Kept kept, Tensor dLogits, Tensor dHidden) {
        LinearGroup head = model.lmHead();
        Tensor dNormed = pass.matrix(kept.normed().rows(), kept.normed().cols());
        head.backward(pass, dLogits, kept.low(), lora, masks, true, dNormed);
        head.gradientOfA(pass, kept.normed(), lora, masks, dNormed);
        Tensor dSelected = head.input(dNormed);
        pass.ops()
                .rmsNorm()
                .backward(dSelected, kept.selected(), model.finalNorm(), 0f, kept.rstd(), null, dSelected, null);
        pass.ops().rowSelect().scatter(dSelected, kept.rows(), dHidden);
    }
}
