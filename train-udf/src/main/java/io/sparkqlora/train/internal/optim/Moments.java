// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.optim;

import io.sparkqlora.kernels.Arena;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Memory.Kind;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.NamedTensor;
import io.sparkqlora.train.Optim;
import io.sparkqlora.train.TrainingArguments;
import io.sparkqlora.train.TrainingState;
import io.sparkqlora.train.internal.linear.AdapterLayout;
import io.sparkqlora.train.internal.linear.ExpectedTensor;
import io.sparkqlora.train.internal.linear.HostCopies;
import java.util.List;
import java.util.Map;

/**
 * What an optimizer remembers of an adapter.
 *
 * @param pages in the order of the adapter's flat buffers
 * @param views each tensor's moments under their names
 * @param buffers everything that moments lie in
 * @param tables what the updates need beside the moments
 */
public record Moments(List<Page> pages, List<View> views, List<Tensor> buffers, List<Table> tables) {

    /** Bytes that one page has at most, where moments are moved to be updated: long enough a copy to be fast. */
    static final long PAGE_BYTES = 16L << 20;

    /** What a page has at most elsewhere: elements are counted in 32 bits. */
    static final long WHOLE_BYTES = 1L << 30;

    /** What goes before a parameter's name. */
    static final List<String> PREFIXES = List.of(TrainingState.EXP_AVG, TrainingState.EXP_AVG_SQ);

    /** A part of a moment under its name. */
    record View(String name, Tensor tensor, List<Long> shape) {

        ExpectedTensor expected() {
            return new ExpectedTensor(name, tensor.dtype(), shape);
        }
    }

    /** Numbers that are written once. */
    record Table(Tensor tensor, int[] values) {}

    /**
     * Takes them, their contents undefined.
     *
     * @param apart whether {@code B}s have a learning rate of their own
     * @param device what is always needed on the device
     * @param home where moments are kept: the same, or an arena of the host's memory
     */
    public static Moments take(Optim optim, AdapterLayout layout, boolean apart, Arena device, Arena home) {
        long pageBytes = home.kind() == Kind.HOST ? PAGE_BYTES : WHOLE_BYTES;
        return optim.in8bit()
                ? Moments8bit.take(optim.rule(), layout, apart, device, home, pageBytes)
                : Moments32bit.take(optim.rule(), layout, ParameterRuns.of(layout, apart), home, pageBytes);
    }

    /** Groups of parameters, each with scalars of its own. */
    public int groups() {
        return 1 + pages.stream().mapToInt(Page::group).max().orElse(0);
    }

    /** The scalars of a group's update. */
    public static float[] factors(int group, TrainingArguments args, double learningRate, long step) {
        return switch (group) {
            case ParameterRuns.B -> UpdateFactors.of(args, learningRate * args.loraplusLrRatio(), step);
            case ParameterRuns.UNDECAYED -> UpdateFactors.of(
                    args.toBuilder().weightDecay(0).build(), learningRate, step);
            default -> UpdateFactors.of(args, learningRate, step);
        };
    }

    /** Writes what updates need beside the moments; once. */
    public void prepare(Device device) {
        for (Table table : tables) {
            HostCopies.write(device, table.values(), table.tensor());
        }
    }

    /** An optimizer that has made no step. */
    public void reset(Device device) {
        for (Tensor buffer : buffers) {
            device.ops().elementwise().zero(buffer);
        }
    }

    /** What {@link #write} takes. */
    public List<ExpectedTensor> expected() {
        return views.stream().map(View::expected).toList();
    }

    /** Copies under PEFT's names behind {@code exp_avg.} and the like. */
    public List<NamedTensor> read(Device device) {
        return views.stream()
                .map(view -> HostCopies.read(device, view.name(), view.tensor(), view.shape()))
                .toList();
    }

    /** Replaces all by copies that were found to be as {@link #expected}. */
    public void write(Device device, Map<String, NamedTensor> tensors) {
        for (View view : views) {
            HostCopies.write(device, tensors.get(view.name()), view.tensor());
        }
    }

    /** Whether moments have to be brought to the device to be updated. */
    boolean apart() {
        return pages.stream().flatMap(page -> page.state().stream()).anyMatch(Moments::onHost);
    }

    static boolean onHost(Tensor tensor) {
        return tensor.memory().kind() == Kind.HOST;
    }
}
