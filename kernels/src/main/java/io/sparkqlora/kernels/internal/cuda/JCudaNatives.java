// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.KernelErrors;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import jcuda.driver.JCudaDriver;

/**
 * Loads JCuda's native code. JCuda unpacks it to a file of a fixed name in the folder for temporary files, where another
 * process may be reading or replacing it; so for that moment the folder is one of our own, which only this user can write.
 */
final class JCudaNatives {

    private static final String TEMPORARY = "java.io.tmpdir";
    private static boolean loaded;

    private JCudaNatives() {}

    static synchronized void load() {
        if (loaded) {
            return;
        }
        String before = System.getProperty(TEMPORARY);
        try {
            Path folder = Files.createTempDirectory("spark-qlora-jcuda");
            System.setProperty(TEMPORARY, folder.toString());
            try {
                JCudaDriver.setExceptionsEnabled(false); // runs JCuda's static initialiser; codes are checked by us
            } finally {
                System.setProperty(TEMPORARY, before);
                delete(folder);
            }
        } catch (IOException | LinkageError e) {
            throw KernelErrors.noCudaDriver(e);
        }
        loaded = true;
    }

    /** What is loaded stays mapped. */
    private static void delete(Path folder) throws IOException {
        File[] files = folder.toFile().listFiles();
        for (File file : files == null ? new File[0] : files) {
            Files.delete(file.toPath());
        }
        Files.delete(folder);
    }
}
