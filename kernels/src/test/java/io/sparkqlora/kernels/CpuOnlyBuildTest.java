// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.File;
import java.io.IOException;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.Enumeration;
import org.junit.jupiter.api.Test;

/** What a build without nvcc says of the GPU. */
class CpuOnlyBuildTest {

    @Test
    void theBackendIsMissingByName() throws Exception {
        try (WithoutKernels loader = new WithoutKernels()) {
            var open = loader.loadClass(Devices.class.getName()).getMethod("open", String.class);
            assertThatThrownBy(() -> open.invoke(null, "cuda"))
                    .cause()
                    .hasMessage(
                            "QLORA-K004: backend cuda is not in this build: it has CPU kernels only, since nvcc was missing"
                                    + " when it was made; build it with CUDA 13's nvcc on the PATH, or set backend to cpu");
        }
    }

    /** The class path as it is, but for compiled kernels. */
    private static final class WithoutKernels extends URLClassLoader {

        WithoutKernels() {
            super(classPath(), ClassLoader.getPlatformClassLoader());
        }

        private static URL[] classPath() {
            return Arrays.stream(System.getProperty("java.class.path").split(File.pathSeparator))
                    .map(WithoutKernels::url)
                    .toArray(URL[]::new);
        }

        private static URL url(String entry) {
            try {
                return Path.of(entry).toUri().toURL();
            } catch (MalformedURLException e) {
                throw new IllegalStateException(entry, e);
            }
        }

        @Override
        public URL findResource(String name) {
            return name.endsWith(".fatbin") ? null : super.findResource(name);
        }

        @Override
        public Enumeration<URL> findResources(String name) throws IOException {
            return name.endsWith(".fatbin") ? Collections.emptyEnumeration() : super.findResources(name);
        }
    }
}
