// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.base;

import io.sparkqlora.pipeline.HubErrors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/** A checkpoint on the Hugging Face Hub, and its copy in this host's cache. */
final class HubBase {

    private final BaseName.Hub name;
    private final HubSettings settings;
    private final Patience patience;
    private final HubClient client;
    private final HubCache cache;
    private HubClient.Revision revision;

    HubBase(BaseName.Hub name, HubSettings settings, Patience patience) {
        this.name = name;
        this.settings = settings;
        this.patience = patience;
        this.client = new HubClient(settings, patience);
        this.cache = new HubCache(settings.cache(), name);
    }

    /**
     * The model at the commit that its revision is now; offline, at that which it was when it was fetched.
     *
     * @throws io.sparkqlora.kernels.QLoraException QLORA-P182–P186, P188 if nobody can tell
     */
    BaseName.Hub commit() {
        if (name.isCommit()) {
            return name;
        }
        if (settings.offline()) {
            return name.at(cache.commit(name.revision())
                    .orElseThrow(() -> HubErrors.notInCache(
                            name.toString(), settings.cache().toString(), "revision " + name.revision())));
        }
        return name.at(revision().commit());
    }

    private HubClient.Revision revision() {
        if (revision == null) {
            revision = client.revision(name);
        }
        return revision;
    }

    /**
     * The folder of the copy, in which the files of a part are there.
     *
     * @throws io.sparkqlora.kernels.QLoraException QLORA-P182–P194
     */
    Path folder(BasePart part) {
        BaseName.Hub commit = commit();
        Path folder = cache.snapshot(commit.revision());
        if (settings.offline()) {
            requireEnough(commit, part);
            return folder;
        }
        if (!cache.isWhole(commit, part)) {
            try (HostLock lock = HostLock.acquire(cache.lock())) {
                Objects.requireNonNull(lock);
                if (!cache.isWhole(commit, part)) {
                    bring(commit, part);
                }
            }
        }
        return folder;
    }

    /** What Python fetched may be a part of what a commit has; offline nobody can ask, and what a model can't be without is looked for. */
    private void requireEnough(BaseName.Hub commit, BasePart part) {
        List<String> needed =
                part == BasePart.CONFIG ? List.of("config.json") : List.of("config.json", "tokenizer.json");
        for (String file : needed) {
            if (!cache.has(commit.revision(), file)) {
                throw HubErrors.notInCache(name.toString(), settings.cache().toString(), file);
            }
        }
        if (part.hasWeights() && !cache.hasWeights(commit)) {
            throw HubErrors.notInCache(name.toString(), settings.cache().toString(), "a part of its weights");
        }
    }

    private void bring(BaseName.Hub commit, BasePart part) {
        List<String> named = new ArrayList<>();
        for (String file : part.files()) {
            if (revision().files().contains(file)) {
                named.add(file);
            } else {
                cache.noteAbsent(commit.revision(), file);
            }
        }
        bring(commit, named);
        if (part.hasWeights()) {
            String first = WeightFiles.first(name.toString(), revision().files());
            bring(commit, List.of(first));
            if (first.equals(BasePart.INDEX)) {
                bring(commit, shards(commit));
            }
        }
        if (!name.isCommit()) {
            cache.noteCommit(name.revision(), commit.revision());
        }
    }

    private List<String> shards(BaseName.Hub commit) {
        List<String> shards = cache.shards(commit);
        for (String shard : shards) {
            if (!revision().files().contains(shard)) {
                throw HubErrors.badIndex(name.toString(), "its weight_map names " + shard + ", which is not there");
            }
        }
        return shards;
    }

    private void bring(BaseName.Hub commit, List<String> files) {
        cache.prepare(commit.revision());
        Map<String, HubClient.Info> infos = new LinkedHashMap<>();
        Map<String, Download> downloads = new LinkedHashMap<>();
        for (String file : files) {
            if (!cache.has(commit.revision(), file)) {
                HubClient.Info info = client.info(commit, file);
                infos.put(file, info);
                if (!isThere(info)) {
                    // two names may have one content
                    downloads.put(info.etag(), download(commit, file, info));
                }
            }
        }
        new Downloads(name.toString(), cache.blobs()).bring(List.copyOf(downloads.values()));
        infos.forEach((file, info) -> cache.link(commit.revision(), file, info.etag()));
    }

    /** Bytes of weights that are yet to be fetched; brings their index. */
    long missing() {
        BaseName.Hub commit = commit();
        if (settings.offline() || cache.hasWeights(commit)) {
            requireEnough(commit, settings.offline() ? BasePart.ALL : BasePart.TOKENIZER);
            return 0;
        }
        String first = WeightFiles.first(name.toString(), revision().files());
        List<String> weights = List.of(first);
        if (first.equals(BasePart.INDEX)) {
            try (HostLock lock = HostLock.acquire(cache.lock())) {
                Objects.requireNonNull(lock);
                bring(commit, weights);
            }
            weights = shards(commit);
        }
        return weights.stream()
                .filter(file -> !cache.has(commit.revision(), file))
                .mapToLong(file -> client.info(commit, file).size())
                .sum();
    }

    private boolean isThere(HubClient.Info info) {
        Path blob = cache.blob(info.etag());
        try {
            return Files.isRegularFile(blob) && Files.size(blob) == info.size();
        } catch (IOException e) {
            throw HubErrors.cacheUnusable(settings.cache().toString(), e);
        }
    }

    /** Python's own unfinished files have another name, so that the two never write one. */
    private Download download(BaseName.Hub commit, String file, HubClient.Info info) {
        Path blob = cache.blob(info.etag());
        Path part = cache.blobs().resolve(info.etag() + ".spark-qlora.incomplete");
        return new Download(new HubFile(client, commit, file, info), part, blob, patience);
    }
}
