// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.checkpoint;

import io.sparkqlora.train.CheckpointErrors;
import io.sparkqlora.train.TensorInfo;
import io.sparkqlora.train.internal.safetensors.SafetensorsFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** Identifies a checkpoint by content. */
public final class CheckpointFingerprint {

    /** Tensors up to this size are read whole. */
    private static final int WHOLE_BYTES = 64 * 1024;

    /** Bytes of each of the three samples of a longer tensor. */
    private static final int SAMPLE_BYTES = 8 * 1024;

    private final MessageDigest digest = sha256();

    private CheckpointFingerprint() {}

    /** SHA-256 over the configuration's bytes and each weight file's name, header and sampled tensors. */
    public static String of(Path config, ShardedWeights weights) {
        CheckpointFingerprint fingerprint = new CheckpointFingerprint();
        try {
            fingerprint.addPart(ByteBuffer.wrap(Files.readAllBytes(config)));
        } catch (IOException e) {
            throw CheckpointErrors.unreadable(config, e);
        }
        weights.files().forEach(fingerprint::addFile);
        return HexFormat.of().formatHex(fingerprint.digest.digest());
    }

    private void addFile(SafetensorsFile file) {
        addPart(ByteBuffer.wrap(file.path().getFileName().toString().getBytes(StandardCharsets.UTF_8)));
        addPart(file.headerBytes());
        file.names().forEach(name -> addTensor(file, name));
    }

    private void addTensor(SafetensorsFile file, String name) {
        TensorInfo info = file.info(name);
        if (info.bytes() <= WHOLE_BYTES) {
            addPart(file.readBytes(name, 0, (int) info.bytes()));
            return;
        }
        addPart(file.readBytes(name, 0, SAMPLE_BYTES));
        addPart(file.readBytes(name, info.bytes() / 2, SAMPLE_BYTES));
        addPart(file.readBytes(name, info.bytes() - SAMPLE_BYTES, SAMPLE_BYTES));
    }

    /** Length first, so that parts can't run into each other. */
    private void addPart(ByteBuffer bytes) {
        digest.update(
                ByteBuffer.allocate(Integer.BYTES).putInt(bytes.remaining()).flip());
        digest.update(bytes);
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }
}
