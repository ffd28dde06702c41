// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cli;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.pipeline.FormatErrors;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.QuantizationKeys;
import io.sparkqlora.pipeline.internal.base.BaseFolder;
import io.sparkqlora.pipeline.internal.base.BasePart;
import io.sparkqlora.pipeline.internal.run.EngineSettings;
import io.sparkqlora.train.Checkpoint;
import io.sparkqlora.train.QuantizedCheckpoint;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code qlora quantize}. */
@Command(
        name = "quantize",
        description =
                "Writes the base of a job in 4 bits (load_in_4bit and the bnb_4bit_ keys), or in 8 (load_in_8bit), as "
                        + "transformers saves what bitsandbytes quantised: to the bits that training with these keys quantises it to. Of the job it needs "
                        + "model_name_or_path alone.")
final class QuantizeCommand extends QLoraCommand {

    @Mixin
    JobOptions options;

    @Option(names = "--out", required = true, paramLabel = "FOLDER", description = "Where to; made if need be.")
    Path out;

    QuantizeCommand(Console console) {
        super(console);
    }

    @Override
    Map<String, Object> execute() {
        JobConfig config = options.configOfModel();
        boolean in8bit = config.get(QuantizationKeys.LOAD_IN_8BIT);
        if (!in8bit && !config.get(QuantizationKeys.LOAD_IN_4BIT)) {
            throw FormatErrors.nothingToQuantize();
        }
        // on the processor, whose bits are those of a GPU
        try (Checkpoint base = Checkpoint.open(BaseFolder.of(config, BasePart.ALL));
                Device device = Devices.open("cpu")) {
            QuantizedCheckpoint written =
                    QuantizedCheckpoint.write(device, base, EngineSettings.quantization(config, base.config()), out);
            console.err().println(base.folder() + " is in " + (in8bit ? 8 : 4) + " bits in " + out);
            Map<String, Object> outcome = new LinkedHashMap<>();
            outcome.put("path", out.toAbsolutePath().toString());
            outcome.put("bytes", written.bytes());
            outcome.putAll(errors(written));
            return outcome;
        }
    }

    /** What an outcome says of a quantisation. */
    static Map<String, Object> errors(QuantizedCheckpoint written) {
        Map<String, Object> values = new LinkedHashMap<>();
        values.put("quantized_weights", written.quantizedWeights());
        values.put("max_relative_error", written.maxError());
        values.put("max_relative_error_weight", written.maxErrorWeight());
        values.put("mean_relative_error", written.meanError());
        return values;
    }
}
