// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.KernelErrors;
import io.sparkqlora.kernels.QuantFormat;
import io.sparkqlora.kernels.Quantization;
import io.sparkqlora.kernels.QuantizedMatrix;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.Checks;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/** Kernels in quantize.cu and dequantize.cu. Quantising waits for the device, since it looks at what it found. */
final class CudaQuantization implements Quantization {

    private static final String FILE = "quantize";
    private static final int WARP = 32;
    private static final int THREADS = 256;
    private static final int COLUMNS = 32; // of the mean: 4 rows of vectors of 8
    private static final int MIN_LEVEL_POWER = 4;
    private static final int LEVELS = 4;
    private static final int SCALARS = 256; // bytes before the scales in the work space
    private static final int PARTS = 3; // of a launch
    private static final int DEQUANTIZED_PER_BLOCK = THREADS * 4 * 8;
    private static final long MOST_WIDE = 1L << 34; // elements that 32 bits count by eights, with room

    private final Device device;
    private final Launcher launcher;
    private final Workspace workspace;
    private final Codebooks codebooks;
    private final CudaKernel quantizeBlocks;
    private final CudaKernel groupSums;
    private final CudaKernel mean;
    private final CudaKernel encode;
    private final Variants dequantize;

    CudaQuantization(Device device, Launcher launcher, CudaKernel.Library library, Workspace workspace) {
        this.device = device;
        this.launcher = launcher;
        this.workspace = workspace;
        this.codebooks = new Codebooks(device);
        this.quantizeBlocks = library.kernel(FILE, "quantize_blocks");
        this.groupSums = library.kernel(FILE, "scale_group_sums");
        this.mean = library.kernel(FILE, "scale_mean");
        this.encode = library.kernel(FILE, "encode_scales");
        this.dequantize = Variants.of(library, "dequantize", "dequantize");
    }

    /** Has the tables on the device now. */
    void prepare() {
        codebooks.address(QuantFormat.Type.NF4);
    }

    @Override
    public void quantize(Tensor source, QuantizedMatrix out) {
        Checks.shape(source, out.rows(), out.cols());
        Checks.contiguous(source);
        checkParts(out);
        QuantFormat format = out.format();
        int blocks = Math.toIntExact(format.blocks(source.size()));
        Cascade cascade = Cascade.of(blocks);
        long scratch = workspace.atLeast(SCALARS + 4L * blocks + 4L * COLUMNS * cascade.groups());
        long scales = format.doubleQuant() ? scratch + SCALARS : out.absmax().address();
        clearBad(scratch);
        quantizeBlocks(source, out, blocks, scales, scratch);
        if (format.doubleQuant()) {
            encode(out, blocks, scales, scales + 4L * blocks, cascade);
        }
        checkFinite(source, scratch);
    }

    private static Tensor bad(long scratch) {
        return Tensor.of(new Borrowed(scratch, Long.BYTES), DType.I64, 1, 1);
    }

    private void clearBad(long scratch) {
        device.copyIn(ByteBuffer.allocate(Long.BYTES).putLong(-1).flip(), bad(scratch));
    }

    private void quantizeBlocks(Tensor source, QuantizedMatrix out, int blocks, long scales, long scratch) {
        launcher.of(quantizeBlocks)
                .moves(source, out.packed())
                .matrix(source)
                .number(source.size())
                .number(out.format().blockSize());
        codebook(out.format().type().levels());
        launcher.address(out.packed()).address(scales).address(scratch).overItems((long) blocks * WARP, 1);
    }

    private void codebook(float[] levels) {
        int[] codes = Codebooks.codesByRank(levels);
        launcher.structure();
        for (int i = 0; i + 1 < codes.length; i++) {
            launcher.number((levels[codes[i]] + levels[codes[i + 1]]) / 2f);
        }
        for (int code : codes) {
            launcher.number(code);
        }
        launcher.end();
    }

    private void encode(QuantizedMatrix out, int blocks, long scales, long sums, Cascade cascade) {
        launcher.of(groupSums)
                .address(scales)
                .number(cascade.groups())
                .number(1 << cascade.power())
                .address(sums)
                .overItems((long) cascade.groups() * COLUMNS, 1);
        launcher.of(mean)
                .address(scales)
                .number(blocks)
                .address(sums)
                .number(cascade.groups())
                .number(cascade.power())
                .address(out.nestedOffset())
                .over(1, 1, 1, WARP);
        launcher.of(encode)
                .address(scales)
                .number(blocks)
                .address(codebooks.address(out.format().type()))
                .address(out.nestedOffset())
                .address(out.absmax())
                .address(out.nestedAbsmax())
                .over(out.format().nestedBlocks(out.size()), 1, 1, QuantFormat.NESTED_BLOCK_SIZE);
    }

    private void checkFinite(Tensor source, long scratch) {
        ByteBuffer found = ByteBuffer.allocate(Long.BYTES).order(ByteOrder.nativeOrder());
        device.copyOut(bad(scratch), found);
        long element = found.getLong(0);
        if (element >= 0) {
            throw KernelErrors.nonFiniteWeight(
                    element / source.cols(), element % source.cols(), value(source, element));
        }
    }

    private float value(Tensor source, long element) {
        Tensor one = new Tensor(
                source.memory(), source.byteOffset() + element * source.dtype().bytes(), source.dtype(), 1, 1, 1);
        ByteBuffer bytes = ByteBuffer.allocate(Float.BYTES).order(ByteOrder.nativeOrder());
        device.copyOut(one, bytes.limit(source.dtype().bytes()));
        bytes.clear();
        int half = bytes.getShort(0);
        return switch (source.dtype()) {
            case BF16 -> Float.intBitsToFloat(half << 16);
                // only infinities and not-a-numbers come here: the exponent is all ones
            case F16 -> Float.intBitsToFloat((half & 0x8000) << 16 | 0x7f800000 | (half & 0x3ff) << 13);
            default -> bytes.getFloat(0);
        };
    }

    @Override
    public void dequantize(QuantizedMatrix source, Tensor out) {
        dequantize(List.of(source), out);
    }

    @Override
    public void dequantize(List<QuantizedMatrix> sources, Tensor out) {
        List<Part> together = new ArrayList<>();
        long from = 0;
        for (QuantizedMatrix source : sources) {
            Part part = new Part(source, out.rowRange(from, from + source.rows()));
            from += source.rows();
            Checks.shape(part.out(), source.rows(), source.cols());
            Checks.floating(out);
            checkParts(source);
            if (part.wide()) {
                together.add(part);
            } else {
                narrow(part);
            }
        }
        Checks.shape(out, from, out.cols());
        for (int i = 0; i < together.size(); i += PARTS) {
            wide(together.subList(i, Math.min(i + PARTS, together.size())));
        }
    }

    private record Part(QuantizedMatrix source, Tensor out) {

        boolean wide() {
            return Rectangle.of(out).width() > 1 && source.packed().address() % 4 == 0 && out.size() < MOST_WIDE;
        }

        long blocks() {
            return (out.size() + DEQUANTIZED_PER_BLOCK - 1) / DEQUANTIZED_PER_BLOCK;
        }

        double traffic() {
            double nested =
                    source.nestedAbsmax() == null ? 0 : source.nestedAbsmax().bytes();
            return (double) out.bytes()
                    + source.packed().bytes()
                    + source.absmax().bytes()
                    + nested;
        }
    }

    private void narrow(Part part) {
        Tensor out = part.out();
        launcher.of(dequantize.of(narrowWalk(out), out)).work(0, part.traffic(), out.rows(), out.cols(), 0);
        launcher.structure();
        format(part.source());
        launcher.end();
        launcher.matrix(out).number(out.rows()).number(out.cols());
        narrowWalk(out).launch(launcher);
    }

    private static Rectangle narrowWalk(Tensor out) {
        return Rectangle.byRow(out).narrow();
    }

    private void wide(List<Part> parts) {
        long rows = parts.stream().mapToLong(part -> part.out().rows()).sum();
        double traffic = parts.stream().mapToDouble(Part::traffic).sum();
        Tensor first = parts.get(0).out();
        launcher.of(dequantize.of(Rectangle.of(first), first))
                .work(0, traffic, rows, first.cols(), 0)
                .structure();
        for (int i = 0; i < PARTS; i++) {
            Part part = parts.get(Math.min(i, parts.size() - 1)); // a place without one is never looked at
            Rectangle walk = Rectangle.of(part.out());
            format(part.source());
            launcher.matrix(part.out()).number(walk.rows()).number(walk.cols());
        }
        long blocks = 0;
        for (int i = 0; i < PARTS; i++) {
            launcher.number(i < parts.size() ? Math.toIntExact(blocks) : -1); // as unsigned, beyond all
            blocks += i < parts.size() ? parts.get(i).blocks() : 0;
        }
        launcher.end().over(blocks, 1, 1, THREADS);
    }

    /** Fields of the structure that was begun. */
    private void format(QuantizedMatrix source) {
        QuantFormat format = source.format();
        boolean nested = format.doubleQuant();
        launcher.address(source.packed())
                .address(source.absmax())
                .address(nested ? source.nestedAbsmax().address() : 0)
                .address(nested ? source.nestedOffset().address() : 0)
                .address(codebooks.address(format.type()))
                .number((long) Integer.numberOfTrailingZeros(format.blockSize())); // with what fills the line
    }

    private static void checkParts(QuantizedMatrix matrix) {
        QuantFormat format = matrix.format();
        check(matrix.packed(), DType.U8, (matrix.size() + 1) / 2, "packed");
        check(matrix.absmax(), format.doubleQuant() ? DType.U8 : DType.F32, format.blocks(matrix.size()), "absmax");
        if (format.doubleQuant()) {
            check(matrix.nestedAbsmax(), DType.F32, format.nestedBlocks(matrix.size()), "nested absmax");
            check(matrix.nestedOffset(), DType.F32, 1, "nested offset");
        }
    }

    private static void check(Tensor part, DType dtype, long size, String name) {
        if (part == null || part.dtype() != dtype || part.size() != size || !part.contiguous()) {
            throw new IllegalArgumentException("the " + name + " of a quantised matrix must be " + size + " contiguous "
                    + dtype + ", not " + part);
        }
    }

    /**
     * PyTorch's cascade sum of {@code n} values in 32 columns.
     *
     * @param groups whole groups of {@code 1 << power} rows of 32
     * @param power of the size of a group, and of a group of groups
     */
    private record Cascade(int groups, int power) {

        static Cascade of(int n) {
            int steps = n / COLUMNS;
            int ceilLog2 = steps <= 2 ? 1 : Integer.SIZE - Integer.numberOfLeadingZeros(steps - 1);
            int power = Math.max(MIN_LEVEL_POWER, ceilLog2 / LEVELS);
            return new Cascade(steps >> power, power);
        }
    }
}
