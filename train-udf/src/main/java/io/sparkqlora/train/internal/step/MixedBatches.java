// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.step;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Which micro-batches of several adapters go through the model together: as many as fit, first come, first served, an adapter's
 * own in their order. A micro-batch is not cut, since dropout counts its rows.
 */
record MixedBatches(List<List<Member>> batches) {

    /** Micro-batch {@code index} of an adapter's turn. */
    record Member(AdapterTurn turn, int index) {

        int tokens() {
            return turn.batches().get(index).tokens();
        }
    }

    static MixedBatches of(List<AdapterTurn> turns, int maxTokens) {
        List<List<Member>> batches = new ArrayList<>();
        List<Integer> room = new ArrayList<>();
        Map<Integer, Integer> earliest = new HashMap<>();
        for (Member member : members(turns)) {
            int batch = earliest.getOrDefault(member.turn().slot(), 0);
            while (batch < batches.size() && room.get(batch) < member.tokens()) {
                batch++;
            }
            if (batch == batches.size()) {
                batches.add(new ArrayList<>());
                room.add(maxTokens);
            }
            batches.get(batch).add(member);
            room.set(batch, room.get(batch) - member.tokens());
            earliest.put(member.turn().slot(), batch);
        }
        return new MixedBatches(batches);
    }

    /** Of an adapter that is the only one of its session: each by itself, so that no bit depends on the room that there is. */
    static MixedBatches alone(AdapterTurn turn) {
        return of(List.of(turn), 0);
    }

    /** The first of every adapter, then the second ones. */
    private static List<Member> members(List<AdapterTurn> turns) {
        List<Member> members = new ArrayList<>();
        for (AdapterTurn turn : turns) {
            for (int i = 0; i < turn.batches().size(); i++) {
                members.add(new Member(turn, i));
            }
        }
        members.removeIf(member -> member.tokens() == 0);
        members.sort(Comparator.comparingInt(Member::index)); // stable: by slot among them
        return members;
    }
}
