// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.adapter;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.train.CheckpointErrors;
import io.sparkqlora.train.LoraConfig;
import io.sparkqlora.train.NamedTensor;
import io.sparkqlora.train.TensorInfo;
import io.sparkqlora.train.TrainErrors;
import io.sparkqlora.train.internal.linear.TensorPieces;
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
    private static final String WEIGHT = ".weight";
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
                tensors.addAll(reader.toF32(name));
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
        } else if (!isSaved(name)) {
            checkHalf(name);
        }
        DType dtype = file.info(name).dtype();
        if (!Set.of(DType.F32, DType.F16, DType.BF16).contains(dtype)) {
            throw CheckpointErrors.wrongDtype(file.path().toString(), name, dtype.name(), "F32, F16, BF16");
        }
    }

    /** Whether a tensor is the weight of a module that is trained whole; that it is of the base's shape is seen with the base. */
    private boolean isSaved(String name) {
        return name.startsWith(PREFIX)
                && name.endsWith(WEIGHT)
                && !name.endsWith(A)
                && !name.endsWith(B)
                && lora.modulesToSave().stream().anyMatch(entry -> name.substring(0, name.length() - WEIGHT.length())
                        .endsWith(entry));
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

    /** One tensor, or the pieces of a large one. */
    private List<NamedTensor> toF32(String name) {
        TensorInfo info = file.info(name);
        long[] shape = info.shape().stream().mapToLong(Long::longValue).toArray();
        List<NamedTensor> tensors = new ArrayList<>();
        for (TensorPieces.Piece piece : pieces(name, info)) {
            long[] own = shape.clone();
            if (own.length == 2) {
                own[0] = piece.to() - piece.from();
            }
            byte[] values = FloatBytes.toF32(info.dtype(), file.readRows(name, piece.from(), piece.to()));
            tensors.add(new NamedTensor(piece.name(), DType.F32, own, values));
        }
        return tensors;
    }

    private static List<TensorPieces.Piece> pieces(String name, TensorInfo info) {
        return info.shape().size() == 2 && !(name.endsWith(A) || name.endsWith(B))
                ? TensorPieces.of(name, info.rows(), info.cols())
                : List.of(new TensorPieces.Piece(name, 0, info.rows()));
    }
}
