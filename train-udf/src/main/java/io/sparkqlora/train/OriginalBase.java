// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.train.internal.linear.AdapterCheck;
import io.sparkqlora.train.internal.linear.AdapterLayout;
import io.sparkqlora.train.internal.merge.HeldFormat;
import io.sparkqlora.train.internal.merge.OriginalAdapter;
import io.sparkqlora.train.internal.model.ModelLayout;
import java.util.List;
import java.util.Map;

/** Adapters that were trained over another base than the checkpoint (PiSSA, LoftQ of several iterations), made such of the checkpoint. */
public final class OriginalBase {

    private OriginalBase() {}

    /**
     * Makes an adapter for the checkpoint's own weights, as PEFT's {@code path_initial_model_for_weight_conversion} does:
     * {@code B·A − B₀·A₀} with what the adapter began with, which is worked out again from the checkpoint; so twice the rank at the same
     * scaling. Beside the checkpoint as it is stored it is what was trained but for what quantisation lost, since the base that was
     * trained with was {@code quantised(W − scaling · B₀·A₀)}.
     *
     * @param device that decomposes
     * @param quantization of the run that trained the adapter
     * @return the adapter itself, if it was trained over the checkpoint
     * @throws io.sparkqlora.kernels.QLoraException INPUT if the adapter is not of this base
     */
    public static Adapter adapter(Device device, Checkpoint base, QuantizationConfig quantization, Adapter adapter) {
        if (!adapter.config().initLoraWeights().changesBase()) {
            return adapter;
        }
        if (base.config().quantization() != null) {
            throw InitErrors.storedQuantized(adapter.config().initLoraWeights());
        }
        ModelLayout layout = ModelLayout.of(base.config());
        AdapterLayout own = layout.adapter(adapter.config());
        AdapterCheck.byName("the adapter", own, List.of(), adapter.tensors());
        Map<String, HeldFormat> formats = HeldFormat.of(layout, base.weights(), quantization);
        return new OriginalAdapter(device, base.weights(), formats).of(adapter, own);
    }
}
