// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.base;

import java.io.IOException;
import java.nio.file.Path;

/**
 * A file of a commit on the Hub.
 *
 * @param client who asks
 * @param commit whose file it is
 * @param name of the file
 * @param info its hash and length
 */
record HubFile(HubClient client, BaseName.Hub commit, String name, HubClient.Info info) implements RemoteFile {

    private static final int SHA_256 = 64;

    @Override
    public long size() {
        return info.size();
    }

    @Override
    public Opened open(long position) throws IOException {
        return client.open(commit, name, position);
    }

    @Override
    public void verify(Path copy) throws IOException {
        boolean large = info.etag().length() == SHA_256;
        String found = large ? Hashes.sha256(copy) : Hashes.gitBlob(copy);
        if (!found.equals(info.etag())) {
            throw new OtherBytes((large ? "SHA-256 " : "git's SHA-1 ") + found + ", expected " + info.etag());
        }
    }
}
