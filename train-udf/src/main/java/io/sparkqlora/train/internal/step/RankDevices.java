// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.step;

import io.sparkqlora.kernels.DeviceGroup;
import io.sparkqlora.kernels.DeviceGroups;
import io.sparkqlora.train.Collective;
import io.sparkqlora.train.CollectiveErrors;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;

/**
 * The GPUs of a run's ranks, joined among themselves where they can be. Joining takes half a second, so a group is kept for as
 * long as the same sessions come together as the same ranks, from one chunk to the next.
 */
final class RankDevices implements AutoCloseable {

    private final Supplier<Optional<DeviceGroups>> device;
    private Collective agreed;
    private volatile Collective current;
    private DeviceGroup group;
    private String groupName = "";
    private int groupRank;

    /** @param device how this rank's joins others */
    RankDevices(Supplier<Optional<DeviceGroups>> device) {
        this.device = device;
    }

    /**
     * The group of these ranks' devices; null where not all of them can be joined. The ranks agree on it once a collective.
     *
     * @throws io.sparkqlora.kernels.QLoraException CONFIG if two ranks have the same device, RANK_LOST if one doesn't join
     */
    DeviceGroup of(Collective collective) {
        if (collective != agreed) {
            current = collective;
            agree(collective);
            agreed = collective;
        }
        return group;
    }

    private void agree(Collective collective) {
        DeviceGroups groups = device.get().orElse(null);
        String id = groups == null ? "" : groups.deviceId();
        String kept = groupRank == collective.rank() ? groupName : "";
        List<Member> members = Arrays.stream(collective.allGather(id + "\n" + kept))
                .map(Member::parse)
                .toList();
        requireDifferent(members);
        if (members.stream().anyMatch(member -> member.device().isEmpty())) {
            close();
        } else if (kept.isEmpty()
                || !members.stream().allMatch(member -> member.group().equals(kept))) {
            close();
            join(groups, collective);
        }
    }

    private void join(DeviceGroups groups, Collective collective) {
        byte[] id = collective.allGather(collective.rank() == 0 ? groups.newId() : new byte[0])[0];
        // the group may outlast these ranks' collective: what waits looks at the one that there is then
        Runnable check = () -> current.check();
        group = groups.join(id, collective.rank(), collective.worldSize(), collective.timeout(), check);
        groupName = HexFormat.of().formatHex(id);
        groupRank = collective.rank();
    }

    private static void requireDifferent(List<Member> members) {
        Map<String, Integer> ranks = new HashMap<>();
        for (int rank = 0; rank < members.size(); rank++) {
            String device = members.get(rank).device();
            Integer other = device.isEmpty() ? null : ranks.put(device, rank);
            if (other != null) {
                throw CollectiveErrors.sameDevice(other, rank, device);
            }
        }
    }

    /** Leaves the group; the ranks of another collective join again. */
    @Override
    public void close() {
        agreed = null;
        if (group != null) {
            group.close();
        }
        group = null;
        groupName = "";
    }

    /**
     * What a rank says.
     *
     * @param device its name, empty if it can't join others
     * @param group the one it is in as this rank, empty if none
     */
    private record Member(String device, String group) {

        static Member parse(String said) {
            int end = said.indexOf('\n');
            return new Member(said.substring(0, end), said.substring(end + 1));
        }
    }
}
