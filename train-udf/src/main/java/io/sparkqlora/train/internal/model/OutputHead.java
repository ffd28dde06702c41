// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.model;

import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.internal.linear.LinearGroup;
import io.sparkqlora.train.internal.linear.LoraSegments;
import io.sparkqlora.train.internal.linear.Pass;

/**
 * Final norm and output projection, for chosen rows of the hidden states.
 *
 * @param model with what is trained whole in it
 * @param saved whose gradients are added to; null without backward
 */
record OutputHead(Pass pass, BaseModel model, SavedModules saved) {

    /** What {@link #logits} made and {@link #backward} reads. */
    record Kept(Tensor rows, LoraSegments lora, Tensor selected, Tensor rstd, Tensor normed, Tensor low) {}

    /**
     * Writes {@code logits} [rows, vocabulary].
     *
     * @param lora adapters of the chosen rows, or null for none
     */
    Kept logits(Tensor hidden, Tensor rows, LoraSegments lora, Tensor logits) {
        LinearGroup head = model.lmHead();
        Tensor selected = pass.matrix(rows.cols(), hidden.cols());
        Tensor rstd = pass.vector(rows.cols());
        Tensor normed = pass.matrix(rows.cols(), head.inputWidth(lora));
        pass.ops().rowSelect().gather(hidden, rows, 1f, selected);
        float eps = model.config().rmsNormEps();
        pass.ops().rmsNorm().forward(selected, model.finalNorm(), offset(), eps, head.input(normed), rstd);
        Tensor low = pass.matrix(rows.cols(), LinearGroup.lowRankWidth(lora));
        head.project(pass, normed, lora, low);
        head.forward(pass, normed, lora, low, logits);
        return new Kept(rows, lora, selected, rstd, normed, low);
    }

    /** Writes the gradient of the chosen rows into {@code dHidden}; its other rows stay. */
    void backward(Kept kept, Tensor dLogits, Tensor dHidden) {
        LinearGroup head = model.lmHead();
        Tensor dNormed = pass.matrix(kept.normed().rows(), kept.normed().cols());
        head.backward(pass, dLogits, kept.low(), kept.lora(), true, dNormed);
        head.gradients(pass, kept.normed(), dLogits, kept.low(), kept.lora(), dNormed);
        if (saved.lmHead() != null) {
            Tensor gradient = saved.lmHead().gradient();
            pass.ops().matmul().multiply(dLogits, true, head.input(kept.normed()), false, 1f, 1f, gradient);
        }
        Tensor dSelected = head.input(dNormed);
        float eps = model.config().rmsNormEps();
        saved.addNormGradient(pass, eps, saved.finalNorm(), kept.selected(), dSelected);
        pass.ops()
                .rmsNorm()
                .backward(dSelected, kept.selected(), model.finalNorm(), offset(), kept.rstd(), null, dSelected, null);
        pass.ops().rowSelect().scatter(dSelected, kept.rows(), dHidden);
    }

    private float offset() {
        return model.config().traits().normWeightOffset();
    }
}
