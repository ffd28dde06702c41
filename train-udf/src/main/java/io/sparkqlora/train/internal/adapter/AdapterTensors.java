// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.adapter;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.train.CheckpointErrors;
import io.sparkqlora.train.LoraConfig;
import io.sparkqlora.train.NamedTensor;
import io.sparkqlora.train.TensorInfo;
import io.sparkqlora.train.TrainErrors;
import io.sparkqlora.train.internal.safetensors.FloatBytes;
import io.sparkqlora.train.internal.safetensors.SafetensorsFile;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/** PEFT's {@code adapter_model.safetensors}. */
public final class AdapterTensors {

    private static final String PREFIX = "base_model.model.";
    private static final String A = ".lora_A.weight";
    private static final String B = ".lora_B.weight";
    private static final String BIAS = ".bias";
    private static final String MAGNITUDE = ".lora_magnitude_vector";

    private final SafetensorsFile file;
    private final LoraConfig lora;

    private AdapterTensors(SafetensorsFile file, LoraConfig lora) {
        this.file = file;
        this.lora = lora;
    }

    /** All tensors as F32, each half checked to have its module's rank and its other half. */
    public static List<NamedTensor> read(Path path, LoraConfig lora) {
        try (SafetensorsFile file = SafetensorsFile.open(path)) {
            AdapterTensors reader = new AdapterTensors(file, lora);
            List<NamedTensor> tensors = new ArrayList<>();
            for (String name : file.names().stream().sorted().toList()) {
                reader.check(name);
                tensors.add(reader.toF32(name));
            }
            if (tensors.isEmpty()) {
                throw CheckpointErrors.layout(path, "it holds no tensor");
            }
            return tensors;
        }
    }

    private void check(String name) {
        if (name.startsWith(PREFIX) && name.endsWith(MAGNITUDE)) {
            checkMagnitude(name);
        } else if (name.startsWith(PREFIX) && name.endsWith(BIAS)) {
            if (file.info(name).shape().size() != 1) {
                throw problem(name, "it has shape " + file.info(name).shapeText() + ", expected one dimension");
            }
        } else {
            checkHalf(name);
        }
        DType dtype = file.info(name).dtype();
        if (!Set.of(DType.F32, DType.F16, DType.BF16).contains(dtype)) {
            throw CheckpointErrors.wrongDtype(file.path().toString(), name, dtype.name(), "F32, F16, BF16");
        }
    }

    private void checkMagnitude(String name) {
        String b = name.substring(0, name.length() - MAGNITUDE.length()) + B;
        if (!file.contains(b)) {
            throw problem(name, "its layer's matrix " + b + " is missing");
        }
        List<Long> expected = List.of(file.info(b).shape().get(0));
        if (!file.info(name).shape().equals(expected)) {
            throw problem(name, "it has shape " + file.info(name).shapeText() + ", expected " + expected);
        }
    }

    private void checkHalf(String name) {
        boolean isA = name.endsWith(A);
        if (!name.startsWith(PREFIX) || !(isA || name.endsWith(B))) {
            throw problem(name, "only " + PREFIX + "*" + A + " and *" + B + " are supported");
        }
        String other = name.substring(0, name.length() - A.length()) + (isA ? B : A);
        if (!file.contains(other)) {
            throw problem(name, "its other half " + other + " is missing");
        }
        TensorInfo info = file.info(name);
        int rank = lora.r(name.substring(PREFIX.length(), name.length() - A.length()));
        int rankDimension = isA ? 0 : 1;
        if (info.shape().size() != 2 || info.shape().get(rankDimension) != rank) {
            String expected = isA ? "[" + rank + ", in_features]" : "[out_features, " + rank + "]";
            throw problem(name, "it has shape " + info.shapeText() + ", expected " + expected + " since r is " + rank);
        }
    }

    private RuntimeException problem(String name, String text) {
        return TrainErrors.adapterTensor(file.path(), name, text);
    }

    private NamedTensor toF32(String name) {
        TensorInfo info = file.info(name);
        long[] shape = info.shape().stream().mapToLong(Long::longValue).toArray();
        return new NamedTensor(name, DType.F32, shape, FloatBytes.toF32(info.dtype(), file.read(name)));
    }
}
