// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.train.internal.safetensors.SafetensorsFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** A folder of reference data: a checkpoint and what transformers, peft and bitsandbytes compute on it. */
final class ParityModel implements AutoCloseable {

    private final Path folder;
    private final Checkpoint checkpoint;
    private final SafetensorsFile expected;
    private final List<PackedRow> rows = new ArrayList<>();
    private final int paddedLength;

    ParityModel(Path folder) {
        this(folder, folder);
    }

    /** @param folder of adapters and what is expected with them */
    ParityModel(Path base, Path folder) {
        this.folder = folder;
        checkpoint = Checkpoint.open(base);
        expected = SafetensorsFile.open(folder.resolve("expected.safetensors"));
        paddedLength = (int) expected.info("input_ids").cols();
        int count = (int) expected.info("input_ids").rows();
        for (int i = 0; i < count; i++) {
            rows.add(row(i));
        }
    }

    /** A row without its padding. */
    private PackedRow row(int index) {
        int tokens = Arrays.stream(ints("attention_mask", index)).sum();
        return PackedRow.single(
                index, Arrays.copyOf(ints("input_ids", index), tokens), Arrays.copyOf(ints("labels", index), tokens));
    }

    private int[] ints(String name, int row) {
        ByteBuffer bytes = expected.readRows(name, row, row + 1).order(ByteOrder.LITTLE_ENDIAN);
        int[] out = new int[bytes.remaining() / Integer.BYTES];
        bytes.asIntBuffer().get(out);
        return out;
    }

    Checkpoint checkpoint() {
        return checkpoint;
    }

    List<PackedRow> rows() {
        return rows;
    }

    int tokens() {
        return rows.stream().mapToInt(PackedRow::numTokens).sum();
    }

    Adapter adapter(String name) {
        return AdapterFiles.read(folder.resolve(name));
    }

    /** Names of the expected tensors that begin so, without that. */
    List<String> names(String prefix) {
        return expected.names().stream()
                .filter(name -> name.startsWith(prefix))
                .map(name -> name.substring(prefix.length()))
                .toList();
    }

    float[] floats(String name) {
        return floats(expected.read(name));
    }

    /** Logits at attended positions, row after row. */
    float[] attendedLogits(String name) {
        int vocab = checkpoint.config().vocabSize();
        float[] all = floats(name);
        float[] out = new float[tokens() * vocab];
        int to = 0;
        for (int i = 0; i < rows.size(); i++) {
            int count = rows.get(i).numTokens() * vocab;
            System.arraycopy(all, i * paddedLength * vocab, out, to, count);
            to += count;
        }
        return out;
    }

    static float[] floats(NamedTensor tensor) {
        return floats(ByteBuffer.wrap(tensor.data()));
    }

    private static float[] floats(ByteBuffer bytes) {
        float[] out = new float[bytes.remaining() / Float.BYTES];
        bytes.order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(out);
        return out;
    }

    @Override
    public void close() {
        expected.close();
        checkpoint.close();
    }
}
