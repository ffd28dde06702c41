// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HexFormat;

/** The second member of a group, in a process of its own, which joins and is then of no use. */
final class NcclPeer {

    /** Does nothing more. */
    static final String SILENT = "silent";

    /** Ends at once. */
    static final String GONE = "gone";

    private NcclPeer() {}

    static Process start(byte[] id, String behaviour) throws IOException {
        return new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-cp",
                        System.getProperty("java.class.path") + ":"
                                + System.getProperty("surefire.test.class.path", ""),
                        NcclPeer.class.getName(),
                        HexFormat.of().formatHex(id),
                        behaviour)
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.INHERIT)
                .start();
    }

    public static void main(String[] arguments) throws InterruptedException {
        Device device = Devices.open("cuda:1");
        byte[] id = HexFormat.of().parseHex(arguments[0]);
        device.groups().orElseThrow().join(id, 1, 2, Duration.ofSeconds(60), () -> {});
        if (arguments[1].equals(GONE)) {
            Runtime.getRuntime().halt(0);
        }
        Thread.sleep(60_000);
    }
}
