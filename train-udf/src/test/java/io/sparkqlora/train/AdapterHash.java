// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;

/** A program that trains for a few steps and prints a hash of every bit of the result. */
final class AdapterHash {

    private AdapterHash() {}

    public static void main(String[] args) throws NoSuchAlgorithmException {
        System.out.println(of(ComputeType.valueOf(args[0]), Integer.parseInt(args[1])));
    }

    /** The hash of parameters, moments and losses. */
    static String of(ComputeType compute, int steps) throws NoSuchAlgorithmException {
        LoraConfig lora = LoraConfig.builder()
                .r(4)
                .loraDropout(0.1)
                .targetModules(TargetModules.allLinear())
                .build();
        MessageDigest digest = MessageDigest.getInstance("SHA-256");
        PackedRow row = TestRows.packed(1, 51, 11, 23, 6);
        PackedRow other = TestRows.packed(2, 51, 30);
        try (Device device = Devices.open("cpu");
                TrainingSession session =
                        TestSessions.open(device, QuantizationConfig.nf4(compute), lora, TestSessions.ARGUMENTS)) {
            for (int i = 0; i < steps; i++) {
                StepMetrics metrics = session.step(List.of(List.of(row, other), List.of(other)));
                digest.update(Double.toHexString(metrics.loss()).getBytes(StandardCharsets.US_ASCII));
            }
            session.state().tensors().forEach(tensor -> digest.update(tensor.data()));
        }
        return HexFormat.of().formatHex(digest.digest());
    }
}
