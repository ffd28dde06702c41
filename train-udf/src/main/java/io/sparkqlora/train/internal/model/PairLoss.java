// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.model;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.PreferenceLoss;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.internal.linear.Pass;

/**
 * What pairs of sequences cost: the base without its adapter is the reference, so it goes through the model first, keeping
 * nothing but a number a target. How a sequence's gradients weigh is known when all its targets and those of the other one have been
 * seen, so the policy's go over the vocabulary twice.
 *
 * @param model the base
 * @param rope tables that reach every position
 */
record PairLoss(Pass pass, BaseModel model, RopeTables rope) {

    /** The reference's cross-entropy of each target, on top of the arena. */
    Tensor reference(Batch batch) {
        Tensor losses = pass.vector(batch.targetRows().cols());
        long mark = pass.arena().mark();
        Tensor hidden = new ModelForward(pass, model, null, rope).hidden(batch);
        head().each(hidden, batch, all(batch, null), losses);
        pass.arena().release(mark);
        return losses;
    }

    /**
     * Adds what the pairs come to, and writes the gradient of their losses.
     *
     * @param hidden with the adapter
     * @param targets all of the batch, with the adapter
     * @param reference what {@link #reference} gave
     * @param dHidden [tokens, hidden], written whole
     */
    void forwardBackward(
            Tensor hidden,
            Batch batch,
            LossHead.Targets targets,
            PreferenceLoss.Dpo preference,
            Tensor reference,
            Tensor dHidden) {
        long mark = pass.arena().mark();
        Tensor gradients = forward(hidden, batch, targets, preference, reference);
        head().backward(hidden, batch, targets, gradients, dHidden);
        pass.arena().release(mark);
    }

    /** Adds what the pairs come to; gives the derivatives by each target's cross-entropy, on top of the arena. */
    Tensor forward(
            Tensor hidden, Batch batch, LossHead.Targets targets, PreferenceLoss.Dpo preference, Tensor reference) {
        Tensor gradients = pass.vector(reference.cols());
        long mark = pass.arena().mark();
        Tensor policy = pass.vector(reference.cols());
        head().each(hidden, batch, targets, policy);
        long pairs = batch.targetStarts().cols() / 2;
        Tensor numbers = pass.arena().take(DType.F64, pairs, PreferenceLoss.NUMBERS);
        pass.ops()
                .preferenceLoss()
                .dpo(
                        policy,
                        reference,
                        batch.targetStarts(),
                        preference,
                        targets.gradientScale(),
                        gradients,
                        numbers,
                        targets.lossSum());
        pass.arena().release(mark);
        return gradients;
    }

    /** All targets of a batch, without dropout. */
    static LossHead.Targets all(Batch batch, ModelAdapter adapter) {
        return all(batch, adapter, null);
    }

    /** The same for what is only measured. */
    static LossHead.Targets all(Batch batch, ModelAdapter adapter, Tensor sums) {
        return new LossHead.Targets(
                0, batch.targetRows().cols(), adapter == null ? null : adapter.lmHead(), null, 0f, 1f, sums);
    }

    private LossHead head() {
        return new LossHead(pass, new OutputHead(pass, model, SavedModules.NONE));
    }
}
