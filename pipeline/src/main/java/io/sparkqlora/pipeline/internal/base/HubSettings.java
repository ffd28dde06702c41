// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.base;

import io.sparkqlora.pipeline.HubErrors;
import java.net.URI;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.function.UnaryOperator;

/**
 * How to talk to the Hugging Face Hub: the environment variables that its own library reads, with their meanings there.
 *
 * @param endpoint HF_ENDPOINT, without a slash at its end
 * @param token HF_TOKEN, or null
 * @param offline HF_HUB_OFFLINE: nothing but the cache is looked at
 * @param cache folder of the cache: the job's {@code cache_dir}, HF_HUB_CACHE, or hub in HF_HOME
 */
record HubSettings(URI endpoint, String token, boolean offline, Path cache) {

    private static final String HUB = "https://huggingface.co";
    private static final List<String> YES = List.of("1", "on", "yes", "true");

    /**
     * The settings of an environment.
     *
     * @param cacheDir the job's, or null
     * @param environment gives a variable, or null
     * @throws io.sparkqlora.kernels.QLoraException QLORA-P195 if HF_ENDPOINT is no address
     */
    static HubSettings of(String cacheDir, UnaryOperator<String> environment) {
        String offline = environment.apply("HF_HUB_OFFLINE");
        return new HubSettings(
                endpoint(environment.apply("HF_ENDPOINT")),
                environment.apply("HF_TOKEN"),
                offline != null && YES.contains(offline.toLowerCase(Locale.ROOT)),
                cache(cacheDir, environment));
    }

    private static URI endpoint(String set) {
        String text = (set == null ? HUB : set).replaceAll("/+$", "");
        try {
            URI uri = URI.create(text);
            if (uri.getHost() != null
                    && List.of("http", "https").contains(uri.getScheme())
                    && uri.getUserInfo() == null) {
                return uri;
            }
        } catch (IllegalArgumentException e) {
            throw HubErrors.badEndpoint(text);
        }
        throw HubErrors.badEndpoint(text);
    }

    private static Path cache(String cacheDir, UnaryOperator<String> environment) {
        if (cacheDir != null) {
            return Path.of(cacheDir);
        }
        if (environment.apply("HF_HUB_CACHE") != null) {
            return home(environment.apply("HF_HUB_CACHE"));
        }
        String home = environment.apply("HF_HOME");
        return (home == null ? CacheFolders.ofUser(environment).resolve("huggingface") : home(home)).resolve("hub");
    }

    private static Path home(String path) {
        return Path.of(path.startsWith("~/") ? System.getProperty("user.home") + path.substring(1) : path);
    }

    /** Without the token. */
    @Override
    public String toString() {
        return endpoint + (token == null ? "" : " with HF_TOKEN") + (offline ? " offline" : "") + ", cache " + cache;
    }
}
