// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import io.sparkqlora.kernels.Devices;
import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.pipeline.internal.config.ConfigJson;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What a task found out about its device, as a line of JSON. A device that isn't there is a report too: as an exception Spark
 * would try the task three more times.
 */
final class DeviceReport {

    private DeviceReport() {}

    /** Looks at this process's device. */
    static String of(String backend, String maxMemory) {
        Map<String, Object> values = new LinkedHashMap<>();
        try {
            RunDevice found = RunDevices.here(backend, maxMemory);
            values.put("backend", found.backend());
            values.put("name", found.name());
            values.put("available_bytes", found.availableBytes());
            values.put("note", found.note());
        } catch (QLoraException e) {
            values.put("code", e.code());
            values.put("kind", e.kind().name());
            values.put("message", e.getMessage());
        }
        return ConfigJson.text(values);
    }

    /** The device of a report, or the exception. */
    static RunDevice device(String json) {
        Map<String, Object> values = ConfigJson.values(json);
        if (values.get("code") instanceof String code) {
            throw Failures.again(
                    code, QLoraException.Kind.valueOf((String) values.get("kind")), (String) values.get("message"));
        }
        return new RunDevice(
                (String) values.get("backend"),
                (String) values.get("name"),
                ((Number) values.get("available_bytes")).longValue(),
                Devices.traits((String) values.get("backend")),
                (String) values.get("note"));
    }
}
