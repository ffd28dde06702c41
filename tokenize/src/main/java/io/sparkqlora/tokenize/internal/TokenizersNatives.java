// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import io.sparkqlora.tokenize.TokenizeErrors;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.net.URL;
import java.net.URLConnection;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Properties;

/**
 * Loads the native code of DJL's binding. Its own loader looks for a GPU first, and for that takes CUDA's runtime library into
 * the process where a node has one; it may also download a build for CUDA. Here it is the CPU's build, from the jar.
 */
final class TokenizersNatives {

    private static final String FOLDER = "/native/lib/";
    private static final String FILE = "libtokenizers.so";

    private TokenizersNatives() {}

    /** Unpacks it where DJL would, if it is not there whole, and loads it. */
    static void load() {
        String from = FOLDER + platform() + "/cpu/" + FILE;
        try {
            System.load(unpacked(from).toString());
        } catch (IOException | UnsatisfiedLinkError e) {
            throw TokenizeErrors.noNativeTokenizers(from, e);
        }
    }

    private static String platform() {
        String arch = System.getProperty("os.arch");
        return "linux-" + (arch.equals("amd64") ? "x86_64" : arch);
    }

    private static Path unpacked(String from) throws IOException {
        Path folder = cache().resolve("tokenizers").resolve(version() + "-cpu-" + platform());
        Path file = folder.resolve(FILE).toAbsolutePath();
        URLConnection packed = resource(from).openConnection();
        if (Files.exists(file) && Files.size(file) == packed.getContentLengthLong()) {
            return file;
        }
        Files.createDirectories(folder);
        // other processes may be doing the same, or running it
        Path part = Files.createTempFile(folder, FILE, ".part");
        try (InputStream in = packed.getInputStream()) {
            Files.copy(in, part, StandardCopyOption.REPLACE_EXISTING);
            Files.move(part, file, StandardCopyOption.ATOMIC_MOVE);
        } finally {
            Files.deleteIfExists(part);
        }
        return file;
    }

    private static String version() throws IOException {
        Properties properties = new Properties();
        try (InputStream in = resource(FOLDER + "tokenizers.properties").openStream()) {
            properties.load(in);
        }
        return properties.getProperty("version");
    }

    private static URL resource(String name) throws IOException {
        URL found = TokenizersLibrary.class.getResource(name);
        if (found == null) {
            throw new FileNotFoundException("the build has no " + name);
        }
        return found;
    }

    /** As DJL has it; where the home directory can't be written, a directory of this process. */
    private static Path cache() throws IOException {
        for (String name : new String[] {"ENGINE_CACHE_DIR", "DJL_CACHE_DIR"}) {
            String given = System.getProperty(name, System.getenv(name));
            if (given != null) {
                return Path.of(given);
            }
        }
        Path home = Path.of(System.getProperty("user.home", ""));
        return Files.isWritable(home) ? home.resolve(".djl.ai") : Files.createTempDirectory("spark-qlora-tokenizers");
    }
}
