// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.train.internal.adapter.AdapterConfigJson;
import io.sparkqlora.train.internal.adapter.AdapterTensors;
import io.sparkqlora.train.internal.adapter.FileSwap;
import io.sparkqlora.train.internal.linear.TensorPieces;
import io.sparkqlora.train.internal.safetensors.SafetensorsWriter;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A LoRA adapter as PEFT saves it: a folder with {@code adapter_config.json} and {@code adapter_model.safetensors}. */
public final class AdapterFiles {

    /** PEFT's name for the options. */
    public static final String CONFIG = "adapter_config.json";

    /** PEFT's name for the tensors. */
    public static final String WEIGHTS = "adapter_model.safetensors";

    private AdapterFiles() {}

    /**
     * Writes an adapter into a folder, which is made if need be; an adapter that is there is replaced, other files stay.
     * Whatever interrupts it, the folder holds the old adapter, the new one, or none (no {@code adapter_config.json}), never
     * parts of both.
     *
     * @throws io.sparkqlora.kernels.QLoraException CONFIG if the folder can't be written, or the adapter is over another base than a
     *     checkpoint ({@link OriginalBase})
     */
    public static void write(Adapter adapter, Path folder) {
        if (adapter.config().initLoraWeights().changesBase()) {
            throw InitErrors.filesOfAnotherBase(adapter.config().initLoraWeights());
        }
        try {
            Files.createDirectories(folder);
        } catch (IOException e) {
            throw CheckpointErrors.unwritable(folder, e);
        }
        String json = AdapterConfigJson.write(adapter);
        try (FileSwap swap = new FileSwap(folder)) {
            // the configuration goes in last: a folder without it is no adapter
            swap.add(WEIGHTS, file -> writeTensors(adapter, file));
            swap.add(CONFIG, file -> Files.writeString(file, json));
            swap.commit();
        } catch (IOException e) {
            throw CheckpointErrors.unwritable(folder, e);
        }
    }

    private static void writeTensors(Adapter adapter, Path file) throws IOException {
        Map<String, List<NamedTensor>> wholes = TensorPieces.wholes(adapter.tensors());
        Map<String, TensorInfo> infos = new LinkedHashMap<>();
        wholes.forEach(
                (name, pieces) -> infos.put(name, new TensorInfo(pieces.get(0).dtype(), TensorPieces.shape(pieces))));
        SafetensorsWriter.write(file, infos, Map.of("format", "pt"), (name, sink) -> {
            for (NamedTensor piece : wholes.get(name)) {
                sink.write(ByteBuffer.wrap(piece.data()));
            }
        });
    }

    /**
     * Reads an adapter; F16 and BF16 tensors become F32.
     *
     * @throws io.sparkqlora.kernels.QLoraException INPUT if a file is missing or damaged, if tensors and options don't agree,
     *     or if it uses an option that can't be run
     */
    public static Adapter read(Path folder) {
        AdapterConfigJson config = AdapterConfigJson.read(folder.resolve(CONFIG));
        return new Adapter(
                config.lora(),
                config.baseModelNameOrPath(),
                AdapterTensors.read(folder.resolve(WEIGHTS), config.lora()));
    }

    /**
     * Reads the options alone.
     *
     * @throws io.sparkqlora.kernels.QLoraException INPUT if the file is missing or damaged, or uses an option that can't be run
     */
    public static LoraConfig readConfig(Path folder) {
        return AdapterConfigJson.read(folder.resolve(CONFIG)).lora();
    }

    /**
     * What the options say of the base, a folder or a model of the Hub with its revision ({@code hf://name@revision}); null if nothing.
     *
     * @throws io.sparkqlora.kernels.QLoraException as {@link #readConfig}
     */
    public static String readBase(Path folder) {
        return AdapterConfigJson.read(folder.resolve(CONFIG)).baseModelNameOrPath();
    }

    /**
     * SHA-256 of the two files' bytes: which adapter a folder holds.
     *
     * @throws io.sparkqlora.kernels.QLoraException INPUT if one can't be read
     */
    public static String sha256(Path folder) {
        MessageDigest digest = sha256();
        for (String name : List.of(CONFIG, WEIGHTS)) {
            Path file = folder.resolve(name);
            try (InputStream in = new DigestInputStream(Files.newInputStream(file), digest)) {
                in.transferTo(OutputStream.nullOutputStream());
            } catch (IOException e) {
                throw CheckpointErrors.unreadable(file, e);
            }
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }
}
