// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.checkpoint;

import io.sparkqlora.kernels.ByteSource;
import io.sparkqlora.train.CheckpointErrors;
import io.sparkqlora.train.TensorInfo;
import io.sparkqlora.train.WeightSource;
import io.sparkqlora.train.internal.safetensors.SafetensorsFile;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/** The weights of a folder, in one file or in several with an index. */
public final class ShardedWeights implements WeightSource, AutoCloseable {

    private static final String SINGLE = "model.safetensors";
    private static final String INDEX = "model.safetensors.index.json";

    private final Path folder;
    private final Map<String, SafetensorsFile> files;
    private final Map<String, SafetensorsFile> byTensor;

    private ShardedWeights(Path folder, Map<String, SafetensorsFile> files, Map<String, SafetensorsFile> byTensor) {
        this.folder = folder;
        this.files = files;
        this.byTensor = byTensor;
    }

    /** Opens the single file if it is there, as transformers does, the shards of the index otherwise. */
    public static ShardedWeights open(Path folder) {
        if (Files.exists(folder.resolve(SINGLE))) {
            SafetensorsFile file = SafetensorsFile.open(folder.resolve(SINGLE));
            Map<String, SafetensorsFile> byTensor = new LinkedHashMap<>();
            file.names().forEach(name -> byTensor.put(name, file));
            return new ShardedWeights(folder, Map.of(SINGLE, file), byTensor);
        }
        if (Files.exists(folder.resolve(INDEX))) {
            return openShards(folder, ShardIndex.read(folder.resolve(INDEX)));
        }
        boolean pickled = Files.exists(folder.resolve("pytorch_model.bin"))
                || Files.exists(folder.resolve("pytorch_model.bin.index.json"));
        throw CheckpointErrors.noWeights(folder, pickled ? " (pytorch_model.bin is not read: it can run code)" : "");
    }

    private static ShardedWeights openShards(Path folder, Map<String, String> fileOfTensor) {
        Map<String, SafetensorsFile> files = new TreeMap<>();
        Map<String, SafetensorsFile> byTensor = new LinkedHashMap<>();
        ShardedWeights weights = new ShardedWeights(folder, files, byTensor);
        try {
            fileOfTensor.forEach((tensor, file) -> weights.addTensor(tensor, file));
            return weights;
        } catch (RuntimeException e) {
            weights.close();
            throw e;
        }
    }

    private void addTensor(String tensor, String fileName) {
        Path index = folder.resolve(INDEX);
        SafetensorsFile file = files.get(fileName);
        if (file == null) {
            Path path = folder.resolve(fileName);
            if (!Files.exists(path)) {
                throw CheckpointErrors.shardMissing(path, index);
            }
            file = SafetensorsFile.open(path);
            files.put(fileName, file);
        }
        if (!file.contains(tensor)) {
            throw CheckpointErrors.tensorMissing(
                    file.path().toString(), tensor, INDEX + " says it is there; download that shard again");
        }
        byTensor.put(tensor, file);
    }

    /** The file of a tensor, for errors; the folder where it is in none. */
    public String location(String name) {
        SafetensorsFile file = byTensor.get(name);
        if (file != null) {
            return file.path().toString();
        }
        return (files.size() == 1 ? files.values().iterator().next().path() : folder).toString();
    }

    /** Names of the files, each with its tensors in the order of their storage; of an index, those that it names. */
    public Map<String, List<String>> tensorsByFile() {
        Map<String, List<String>> tensors = new TreeMap<>();
        files.forEach((name, file) -> tensors.put(
                name,
                file.names().stream()
                        .filter(tensor -> byTensor.get(tensor) == file)
                        .toList()));
        return tensors;
    }

    /** The files, in the order of their names. */
    Collection<SafetensorsFile> files() {
        return Collections.unmodifiableCollection(files.values());
    }

    @Override
    public Set<String> names() {
        return Collections.unmodifiableSet(byTensor.keySet());
    }

    @Override
    public TensorInfo info(String name) {
        return file(name).info(name);
    }

    @Override
    public ByteBuffer readRows(String name, long from, long to) {
        return file(name).readRows(name, from, to);
    }

    @Override
    public ByteSource rows(String name, long from, long to) {
        return file(name).rows(name, from, to);
    }

    private SafetensorsFile file(String name) {
        SafetensorsFile file = byTensor.get(name);
        if (file == null) {
            throw CheckpointErrors.tensorMissing(
                    folder.toString(), name, "check that the weights belong to this model");
        }
        return file;
    }

    @Override
    public void close() {
        files.values().forEach(SafetensorsFile::close);
    }
}
