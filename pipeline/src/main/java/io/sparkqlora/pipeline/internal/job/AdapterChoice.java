// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.job;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.pipeline.FormatErrors;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.ModelKeys;
import io.sparkqlora.pipeline.QuantizationKeys;
import io.sparkqlora.pipeline.internal.base.BaseFolder;
import io.sparkqlora.pipeline.internal.base.BasePart;
import io.sparkqlora.pipeline.internal.data.BaseModel;
import io.sparkqlora.pipeline.internal.run.EngineSettings;
import io.sparkqlora.pipeline.internal.run.StoredFormat;
import io.sparkqlora.train.Adapter;
import io.sparkqlora.train.AdapterFiles;
import io.sparkqlora.train.Checkpoint;
import io.sparkqlora.train.ComputeType;
import io.sparkqlora.train.MergedCheckpoint;
import io.sparkqlora.train.OriginalBase;
import io.sparkqlora.train.QuantizationConfig;
import io.sparkqlora.train.QuantizedCheckpoint;
import java.nio.file.Path;

/**
 * An adapter that a command works on: of a run ({@link RunChoice}), or in a folder ({@link FolderChoice}).
 *
 * @param source where it is from
 * @param config how its base is held and what it takes, on the base and the device that the job names
 * @param adapter the adapter
 */
public record AdapterChoice(AdapterSource source, JobConfig config, Adapter adapter) {

    /** The same with a backend that was found, in place of {@code auto}. */
    public AdapterChoice withBackend(String backend) {
        JobConfig found = config.toBuilder().set(ModelKeys.BACKEND, backend).build();
        return new AdapterChoice(source, found, adapter);
    }

    /** Its id: {@code run_id@step}, {@code run_id/group_key@step}, or its folder. */
    public String adapterId() {
        return source.adapterId();
    }

    /** The group that it was trained on; null in a run without groups, and of a folder. */
    public String group() {
        return source.group();
    }

    /**
     * Writes the adapter as PEFT saves it. One that was trained over another base than the checkpoint is made one of the checkpoint,
     * which is read and decomposed again for it, on the processor.
     *
     * @return what was written
     * @throws io.sparkqlora.kernels.QLoraException INPUT if the base is needed and not the run's; CONFIG if the folder can't be written
     */
    public Adapter export(Path out) {
        Adapter written = adapter.config().initLoraWeights().changesBase() ? ofCheckpoint() : adapter;
        AdapterFiles.write(written, out);
        return written;
    }

    private Adapter ofCheckpoint() {
        try (Checkpoint base = base();
                Device device = Devices.open("cpu")) {
            return OriginalBase.adapter(device, base, EngineSettings.quantization(config, base.config()), adapter);
        }
    }

    /**
     * Writes the base with the adapter merged into it, on the processor, whose quantised weights are those of a GPU.
     *
     * @throws io.sparkqlora.kernels.QLoraException INPUT if the base is not the run's; CONFIG if the folder can't be written
     */
    public void merge(ComputeType dtype, Path out) {
        try (Checkpoint base = base();
                Device device = Devices.open("cpu")) {
            MergedCheckpoint.write(
                    device, base, EngineSettings.quantization(config, base.config()), adapter, dtype, out);
        }
    }

    /**
     * As {@link #merge}, in the 4 or 8 bits that the run was trained with, or that the job says.
     *
     * @throws io.sparkqlora.kernels.QLoraException as {@link #merge}, and CONFIG if the base is not held quantised
     */
    public QuantizedCheckpoint mergeQuantized(ComputeType dtype, Path out) {
        if (!config.get(QuantizationKeys.LOAD_IN_4BIT) && !config.get(QuantizationKeys.LOAD_IN_8BIT)) {
            throw FormatErrors.noFormatToMergeTo(adapterId());
        }
        try (Checkpoint base = base();
                Device device = Devices.open("cpu")) {
            StoredFormat.of(config, base.config());
            QuantizationConfig held = EngineSettings.quantization(config, base.config());
            return QuantizedCheckpoint.writeMerged(device, base, held, adapter, dtype, out);
        }
    }

    private Checkpoint base() {
        Checkpoint base = Checkpoint.open(BaseFolder.of(config, BasePart.ALL));
        try {
            if (source.fingerprint() != null) {
                BaseModel.requireSame(base, source.fingerprint());
            }
            return base;
        } catch (RuntimeException e) {
            base.close();
            throw e;
        }
    }
}
