// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.model;

import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.internal.linear.AdapterBuffers;
import io.sparkqlora.train.internal.linear.BaseWeight;
import io.sparkqlora.train.internal.linear.LinearGroup;
import io.sparkqlora.train.internal.linear.Pass;
import io.sparkqlora.train.internal.linear.SavedWeight;
import io.sparkqlora.train.internal.model.BaseModel.DecoderLayer;
import java.util.List;

/**
 * The modules of the base that an adapter has whole ({@code modules_to_save}), null where it has not. A forward pass knows nothing of
 * them: it runs over a base that has them in it. Where the base ties embedding and output projection, the adapter's are two.
 *
 * @param embedding of tokens
 * @param lmHead output projection
 * @param finalNorm after the last layer
 * @param layers the norms of each decoder layer
 * @param ones F32, at least as many as any norm has elements; null where there is no norm, or without gradients
 */
public record SavedModules(
        SavedWeight embedding,
        SavedWeight lmHead,
        SavedWeight finalNorm,
        List<LayerNorms<SavedWeight>> layers,
        Tensor ones) {

    /** Of an adapter that has none; without layers. */
    static final SavedModules NONE = new SavedModules(null, null, null, List.of(), null);

    public SavedModules {
        layers = List.copyOf(layers);
    }

    /** Views of an adapter's buffers. */
    static SavedModules of(ModelLayout layout, AdapterBuffers buffers) {
        return new SavedModules(
                buffers.saved(layout.embedding().name()),
                buffers.saved(layout.head().name()),
                buffers.saved(layout.finalNorm().module()),
                layout.layers().stream()
                        .map(layer -> layer.norms().map(norm -> buffers.saved(norm.module())))
                        .toList(),
                buffers.ones());
    }

    /** Whether there is none. */
    boolean isEmpty() {
        return embedding == null
                && lmHead == null
                && finalNorm == null
                && layers.stream().allMatch(norms -> norms.all().isEmpty());
    }

    /** The base with these in place of its own. */
    BaseModel over(BaseModel base) {
        if (isEmpty()) {
            return base;
        }
        return new BaseModel(
                base.config(),
                SavedWeight.valueOr(embedding, base.embedding()),
                base.layers().stream().map(this::over).toList(),
                SavedWeight.valueOr(finalNorm, base.finalNorm()),
                lmHead == null ? base.lmHead() : over(base.lmHead()),
                base.shards());
    }

    private LinearGroup over(LinearGroup head) {
        int in = head.spec().inFeatures();
        return new LinearGroup(head.spec(), new BaseWeight.Dense(lmHead.value(), in), head.bias());
    }

    private DecoderLayer over(DecoderLayer layer) {
        LayerNorms<Tensor> norms = layers.get(layer.index()).with(layer.norms(), SavedWeight::valueOr);
        return new DecoderLayer(layer.index(), norms, layer.qkv(), layer.o(), layer.gateUp(), layer.down());
    }

    /** Has all of them be the base's. */
    void begin(Pass pass, BaseModel base) {
        begin(pass, embedding, base.embedding());
        begin(
                pass,
                lmHead,
                lmHead == null ? null : ((BaseWeight.Dense) base.lmHead().weight()).weight());
        begin(pass, finalNorm, base.finalNorm());
        for (DecoderLayer layer : base.layers()) {
            layers.get(layer.index()).with(layer.norms(), (saved, norm) -> begin(pass, saved, norm));
        }
    }

    private static Tensor begin(Pass pass, SavedWeight saved, Tensor base) {
        if (saved != null) {
            saved.begin(pass, base);
        }
        return base;
    }

    /**
     * Adds to the gradient of a norm's weight: {@code Σ_i dy[i, :] · x̂[i, :]}, {@code x̂} being the normalised input, made again in
     * the type of the pass as transformers has it; nothing where the weight is not trained.
     *
     * @param x what the norm read
     * @param dy gradient of what it wrote
     */
    void addNormGradient(Pass pass, float eps, SavedWeight norm, Tensor x, Tensor dy) {
        if (norm == null) {
            return;
        }
        long mark = pass.arena().mark();
        Tensor one = ones.colRange(0, x.cols());
        Tensor normed = pass.matrix(x.rows(), x.cols());
        pass.ops().rmsNorm().forward(x, one, 0f, eps, normed, pass.vector(x.rows()));
        pass.ops().weightNorm().gradient(dy, normed, one, norm.gradient());
        pass.arena().release(mark);
    }

    /** The same of a norm of each head, all of which have one weight. */
    void addHeadNormGradient(Pass pass, float eps, SavedWeight norm, Tensor x, Tensor dy) {
        if (norm == null) {
            return;
        }
        long mark = pass.arena().mark();
        Tensor one = ones.colRange(0, norm.master().cols());
        long heads = x.rows() * (x.cols() / one.cols());
        Tensor normed = pass.arena().take(pass.dtype(), x.rows(), x.cols());
        Tensor gradient = pass.arena().take(pass.dtype(), x.rows(), x.cols());
        pass.ops().headNorm().forward(x, one, 0f, eps, normed);
        pass.ops().elementwise().cast(dy, gradient);
        pass.ops()
                .weightNorm()
                .gradient(gradient.reshape(heads, one.cols()), normed.reshape(heads, one.cols()), one, norm.gradient());
        pass.arena().release(mark);
    }

    /** The norms of a decoder layer. */
    LayerNorms<SavedWeight> norms(int layer) {
        return layers.get(layer);
    }
}
