// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

import java.time.Duration;

/** How a device joins others of its kind. */
public interface DeviceGroups {

    /** Which device this is, the same in every process that has it: no group may have one twice. */
    String deviceId();

    /** What one member draws and gives to all, so that they find each other. For one group. */
    byte[] newId();

    /**
     * Joins; returns when every member has.
     *
     * @param id drawn by one of them
     * @param rank of this one, from 0
     * @param size how many members there are
     * @param timeout how long to wait for others, here and in every call
     * @param whileWaiting called now and then in every wait of the group, on the thread that waits; what it throws ends the wait
     * @throws QLoraException RANK_LOST if not all have joined by then, or one could not
     */
    DeviceGroup join(byte[] id, int rank, int size, Duration timeout, Runnable whileWaiting);
}
