// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cli;

import io.sparkqlora.pipeline.internal.run.SoftwareVersions;
import picocli.CommandLine.IVersionProvider;

/** What {@code --version} prints. */
final class Versions implements IVersionProvider {

    @Override
    public String[] getVersion() {
        return SoftwareVersions.all().entrySet().stream()
                .map(entry -> entry.getKey() + " " + entry.getValue())
                .toArray(String[]::new);
    }
}
