// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.base;

import io.sparkqlora.pipeline.HubErrors;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.SortedMap;
import java.util.TreeMap;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.UnsupportedFileSystemException;

/**
 * A checkpoint in a folder of a Hadoop filesystem, and its copy on this host. The copy's folder is named after the checkpoint's path and
 * after the sizes and times of its files: a checkpoint that is written anew under the same path gets another copy, and files of
 * the two never come together.
 */
final class StoreBase {

    private static final int HEX_DIGITS = 16;

    private final URI uri;
    private final Path cache;
    private final Patience patience;
    private final FileSystem system;
    private final SortedMap<String, FileStatus> files = new TreeMap<>();

    /**
     * Looks at the folder.
     *
     * @param cache folder of the copies of this host
     * @throws io.sparkqlora.kernels.QLoraException QLORA-P192 if it can't be looked at
     */
    StoreBase(URI uri, Configuration hadoop, Path cache, Patience patience) {
        this.uri = uri;
        this.cache = cache;
        this.patience = patience;
        org.apache.hadoop.fs.Path folder = new org.apache.hadoop.fs.Path(uri);
        try {
            this.system = system(folder, hadoop);
            for (FileStatus status : patience.retrying(() -> list(folder))) {
                if (status.isFile()) {
                    files.put(status.getPath().getName(), status);
                }
            }
        } catch (IOException e) {
            throw HubErrors.storeUnreachable(uri.toString(), e);
        }
    }

    private static FileSystem system(org.apache.hadoop.fs.Path folder, Configuration hadoop) throws IOException {
        try {
            return folder.getFileSystem(hadoop);
        } catch (RuntimeException e) {
            // a scheme that Hadoop knows, without the jar that has its class
            if (e.getCause() instanceof ClassNotFoundException) {
                throw new UnsupportedFileSystemException(e.getMessage());
            }
            throw e;
        }
    }

    private FileStatus[] list(org.apache.hadoop.fs.Path folder) throws IOException {
        try {
            return system.listStatus(folder);
        } catch (FileNotFoundException e) {
            throw HubErrors.storeUnreachable(uri.toString(), e);
        }
    }

    /** Which checkpoint it is, as far as sizes and times tell: the same wherever one looks from. */
    String version() {
        StringBuilder text = new StringBuilder();
        files.forEach((name, status) -> {
            if (BasePart.ALL.files().contains(name) || name.endsWith(".safetensors") || name.equals(BasePart.INDEX)) {
                text.append(name)
                        .append('\n')
                        .append(status.getLen())
                        .append(' ')
                        .append(status.getModificationTime())
                        .append('\n');
            }
        });
        return Hashes.sha256(text.toString());
    }

    /**
     * The folder of its copy, in which the files of a part are there.
     *
     * @throws io.sparkqlora.kernels.QLoraException QLORA-P186, P189–P193
     */
    Path folder(BasePart part) {
        Path folder = cache.resolve(copyName());
        if (isThere(folder, part)) {
            return folder;
        }
        try (HostLock lock = HostLock.acquire(cache.resolve(copyName() + ".lock"))) {
            Objects.requireNonNull(lock);
            Files.createDirectories(folder);
            bring(folder, named(part));
            if (part.hasWeights()) {
                String first = WeightFiles.first(uri.toString(), files.keySet());
                bring(folder, List.of(first));
                bring(folder, shards(first, folder));
            }
            return folder;
        } catch (IOException e) {
            throw HubErrors.cacheUnusable(folder.toString(), e);
        }
    }

    private String copyName() {
        String[] names = uri.getPath().split("/", -1);
        String last = "base";
        for (String name : names) {
            last = name.isEmpty() ? last : name.replaceAll("[^\\w.-]", "_");
        }
        String path = Hashes.sha256(uri.toString()).substring(0, HEX_DIGITS);
        return last + "-" + path + "-" + version().substring(0, HEX_DIGITS);
    }

    private List<String> named(BasePart part) {
        return part.files().stream().filter(files::containsKey).toList();
    }

    private List<String> shards(String first, Path folder) {
        return first.equals(BasePart.INDEX) ? WeightFiles.shards(uri.toString(), folder.resolve(first)) : List.of();
    }

    private boolean isThere(Path folder, BasePart part) {
        if (!named(part).stream().allMatch(name -> isThere(folder, name))) {
            return false;
        }
        if (!part.hasWeights()) {
            return true;
        }
        String first = WeightFiles.first(uri.toString(), files.keySet());
        return isThere(folder, first) && shards(first, folder).stream().allMatch(name -> isThere(folder, name));
    }

    private boolean isThere(Path folder, String name) {
        FileStatus status = files.get(name);
        Path copy = folder.resolve(name);
        try {
            return status != null && Files.isRegularFile(copy) && Files.size(copy) == status.getLen();
        } catch (IOException e) {
            throw HubErrors.cacheUnusable(folder.toString(), e);
        }
    }

    private void bring(Path folder, List<String> names) {
        List<Download> downloads = new ArrayList<>();
        requireAll(names);
        for (String name : names) {
            if (!isThere(folder, name)) {
                downloads.add(new Download(
                        new StoreFile(system, files.get(name)),
                        folder.resolve(name + ".part"),
                        folder.resolve(name),
                        patience));
            }
        }
        new Downloads(uri.toString(), folder).bring(downloads);
    }

    /** Bytes of weights that are yet to be fetched; brings their index. */
    long missing() {
        Path folder = folder(BasePart.TOKENIZER);
        String first = WeightFiles.first(uri.toString(), files.keySet());
        List<String> weights = new ArrayList<>(List.of(first));
        if (first.equals(BasePart.INDEX)) {
            try (HostLock lock = HostLock.acquire(cache.resolve(copyName() + ".lock"))) {
                Objects.requireNonNull(lock);
                bring(folder, weights);
            }
            weights.addAll(shards(first, folder));
            requireAll(weights);
        }
        return weights.stream()
                .filter(name -> !isThere(folder, name))
                .mapToLong(name -> files.get(name).getLen())
                .sum();
    }

    private void requireAll(List<String> names) {
        names.stream().filter(name -> !files.containsKey(name)).findFirst().ifPresent(name -> {
            throw HubErrors.badIndex(uri.toString(), "its weight_map names " + name + ", which is not there");
        });
    }
}
