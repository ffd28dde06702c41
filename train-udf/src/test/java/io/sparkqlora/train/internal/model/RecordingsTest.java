// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.model;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Recording;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class RecordingsTest {

    private final List<String> log = new ArrayList<>();
    private final Recordings recordings = new Recordings(device());
    private int count;

    private void run(String shape) {
        recordings.run(shape, () -> log.add("issued " + shape));
    }

    @Test
    void theFirstOfAShapeIsIssuedAndTheSecondRecorded() {
        run("a");
        run("b");
        run("a");
        run("a");
        assertThat(log).containsExactly("issued a", "issued b", "issued a", "recorded 1", "ran 1", "ran 1");
    }

    @Test
    void aStaleRecordingIsMadeAgain() {
        run("a");
        run("a");
        log.add("stale 1");
        run("a");
        assertThat(log)
                .containsExactly(
                        "issued a",
                        "issued a",
                        "recorded 1",
                        "ran 1",
                        "stale 1",
                        "closed 1",
                        "issued a",
                        "recorded 2",
                        "ran 2");
    }

    @Test
    void onlyTheLatestAreKept() {
        for (String shape : List.of("a", "b", "c", "d", "e")) {
            run(shape);
            run(shape);
        }
        assertThat(log).contains("closed 1").doesNotContain("closed 2");
        log.clear();
        run("a");
        assertThat(log).containsExactly("issued a", "recorded 6", "closed 2", "ran 6");
        log.clear();
        recordings.close();
        assertThat(log).containsExactlyInAnyOrder("closed 3", "closed 4", "closed 5", "closed 6");
    }

    /** A device that only records, and writes down what becomes of its recordings. */
    private Device device() {
        return (Device) Proxy.newProxyInstance(
                Device.class.getClassLoader(), new Class<?>[] {Device.class}, (proxy, method, arguments) -> {
                    if (!method.getName().equals("record")) {
                        throw new UnsupportedOperationException(method.getName());
                    }
                    ((Runnable) arguments[0]).run();
                    LoggedRecording recording = new LoggedRecording(log, ++count);
                    log.add("recorded " + count);
                    return recording;
                });
    }

    private record LoggedRecording(List<String> log, int number) implements Recording {

        @Override
        public void run() {
            log.add("ran " + number);
        }

        @Override
        public boolean stale() {
            return log.contains("stale " + number);
        }

        @Override
        public void close() {
            log.add("closed " + number);
        }
    }
}
