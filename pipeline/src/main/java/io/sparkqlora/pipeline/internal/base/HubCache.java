// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.base;

import io.sparkqlora.pipeline.HubErrors;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Optional;

/**
 * A model in the cache that huggingface_hub keeps, as it lays that out: {@code blobs} by their hashes, {@code snapshots} of commits
 * with a link to a blob for each file, {@code refs} with the commit that a branch was, and {@code .no_exist} with an empty file for
 * each that a commit hasn't. So what one of the two fetched the other finds.
 */
final class HubCache {

    private final Path root;
    private final String folder;

    HubCache(Path root, BaseName.Hub name) {
        this.root = root;
        this.folder = "models--" + name.id().replace("/", "--");
    }

    private Path model() {
        return root.resolve(folder);
    }

    Path lock() {
        return root.resolve(".locks").resolve(folder).resolve("spark-qlora.lock");
    }

    Path blobs() {
        return model().resolve("blobs");
    }

    Path blob(String etag) {
        return blobs().resolve(etag);
    }

    Path snapshot(String commit) {
        return model().resolve("snapshots").resolve(commit);
    }

    private Path absent(String commit, String file) {
        return model().resolve(".no_exist").resolve(commit).resolve(file);
    }

    /** The commit that a branch or tag was when somebody looked last. */
    Optional<String> commit(String revision) {
        Path ref = model().resolve("refs").resolve(revision);
        try {
            return Files.isRegularFile(ref)
                    ? Optional.of(Files.readString(ref, StandardCharsets.UTF_8).strip())
                    : Optional.empty();
        } catch (IOException e) {
            throw unusable(e);
        }
    }

    boolean has(String commit, String file) {
        return Files.isRegularFile(snapshot(commit).resolve(file));
    }

    /** Whether it is known what a commit has under this name: the file, or nothing. */
    private boolean knows(String commit, String file) {
        return has(commit, file) || Files.exists(absent(commit, file));
    }

    /** Whether everything that a part of a commit has is here. */
    boolean isWhole(BaseName.Hub name, BasePart part) {
        return part.files().stream().allMatch(file -> knows(name.revision(), file))
                && (!part.hasWeights() || hasWeights(name));
    }

    /** Whether the weights of a commit are here. */
    boolean hasWeights(BaseName.Hub name) {
        String commit = name.revision();
        if (has(commit, BasePart.WEIGHTS)) {
            return true;
        }
        return has(commit, BasePart.INDEX) && shards(name).stream().allMatch(shard -> has(commit, shard));
    }

    List<String> shards(BaseName.Hub name) {
        return WeightFiles.shards(name.toString(), snapshot(name.revision()).resolve(BasePart.INDEX));
    }

    /** Makes the folders in which files grow. */
    void prepare(String commit) {
        try {
            Files.createDirectories(blobs());
            Files.createDirectories(snapshot(commit));
        } catch (IOException e) {
            throw unusable(e);
        }
    }

    /** Says that a commit hasn't a file. */
    void noteAbsent(String commit, String file) {
        write(absent(commit, file), "");
    }

    /** Says which commit a branch or tag is. */
    void noteCommit(String revision, String commit) {
        if (!commit(revision).equals(Optional.of(commit))) {
            write(model().resolve("refs").resolve(revision), commit);
        }
    }

    private void write(Path file, String text) {
        try {
            Files.createDirectories(file.getParent());
            Path written = Files.createTempFile(file.getParent(), "." + file.getFileName(), ".tmp");
            Files.writeString(written, text);
            Files.move(written, file, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            throw unusable(e);
        }
    }

    /** Gives a blob the name that it has in a commit; where a filesystem has no links, a copy of it. */
    void link(String commit, String file, String etag) {
        Path pointer = snapshot(commit).resolve(file);
        try {
            Files.deleteIfExists(pointer);
            try {
                Files.createSymbolicLink(pointer, Path.of("..", "..", "blobs", etag));
            } catch (UnsupportedOperationException | FileSystemException e) {
                Path copy = pointer.resolveSibling("." + file + ".tmp");
                Files.copy(blob(etag), copy, StandardCopyOption.REPLACE_EXISTING);
                Files.move(copy, pointer, StandardCopyOption.ATOMIC_MOVE);
            }
        } catch (IOException e) {
            throw unusable(e);
        }
    }

    private RuntimeException unusable(IOException e) {
        return HubErrors.cacheUnusable(root.toString(), e);
    }
}
