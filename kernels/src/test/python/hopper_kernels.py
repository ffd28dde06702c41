#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The Hopper kernels (matmul_sm90.cu, attention_sm90.cu, attention_backward_sm90.cu) and some that are bound by memory on their
own: checked against float64 and timed beside cuBLAS, flash-attention and cuDNN as PyTorch calls them. Needs a Hopper GPU, nvcc 13
and PyTorch; the project itself needs none of the last. Kernels are launched through the driver API, as CudaKernel does. With
`check` nothing is timed, for running under compute-sanitizer.

    python3 kernels/src/test/python/hopper_kernels.py [check] [matmul] [attention] [memory]
"""

import ctypes
import math
import os
import subprocess
import sys
import tempfile

import torch
import torch.nn.functional as F

SOURCES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../main/cuda")
cu = ctypes.CDLL("libcuda.so.1")
torch.zeros(1, device="cuda")


def build(name):
    out = os.path.join(tempfile.gettempdir(), name + ".cubin")
    subprocess.run(
        [
            "nvcc",
            "-std=c++17",
            "-O3",
            "-gencode=arch=compute_90a,code=sm_90a",
            "--cubin",
            "-o",
            out,
            os.path.join(SOURCES, name + ".cu"),
        ],
        check=True,
    )
    return load(out)


def ck(r, what=""):
    if r:
        s = ctypes.c_char_p()
        cu.cuGetErrorString(r, ctypes.byref(s))
        raise RuntimeError(f"{what} {r} {s.value}")


def load(path):
    m = ctypes.c_void_p()
    ck(cu.cuModuleLoadData(ctypes.byref(m), open(path, "rb").read()), path)
    return m


def fn(m, name, smem):
    f = ctypes.c_void_p()
    ck(cu.cuModuleGetFunction(ctypes.byref(f), m, name.encode()), name)
    ck(cu.cuFuncSetAttribute(f, 8, smem), "smem")
    return f


def tmap(t, box_rows, box_cols=64):
    m = (ctypes.c_uint64 * 16)()
    buf = ctypes.create_string_buffer(128 + 64)
    addr = (ctypes.addressof(buf) + 63) // 64 * 64
    rows, cols = t.shape
    dims = (ctypes.c_uint64 * 2)(cols, rows)
    strides = (ctypes.c_uint64 * 1)(t.stride(0) * 2)
    box = (ctypes.c_uint32 * 2)(box_cols, box_rows)
    es = (ctypes.c_uint32 * 2)(1, 1)
    ck(
        cu.cuTensorMapEncodeTiled(
            ctypes.c_void_p(addr), 9, 2, ctypes.c_void_p(t.data_ptr()), dims, strides, box, es, 0, 3, 2, 0
        ),
        "tmap",
    )
    return buf, addr


def launch(f, grid, block, smem, maps, ints):
    args = (ctypes.c_void_p * (len(maps) + len(ints)))()
    vals = [i if isinstance(i, ctypes.Array) else ctypes.c_int(i) for i in ints]
    for i, (b, a) in enumerate(maps):
        args[i] = a
    for i, v in enumerate(vals):
        args[len(maps) + i] = ctypes.addressof(v)
    ck(
        cu.cuLaunchKernel(
            f, grid, 1, 1, block, 1, 1, smem, ctypes.c_void_p(torch.cuda.current_stream().cuda_stream), args, None
        ),
        "launch",
    )


def burst(fs, n=30):  # back to back, as a step runs them
    for f in fs:
        f()
    torch.cuda.synchronize()
    a, b = torch.cuda.Event(True), torch.cuda.Event(True)
    a.record()
    for r in range(n):
        fs[r % len(fs)]()
    b.record()
    torch.cuda.synchronize()
    return a.elapsed_time(b) / n


def tf(M, N, K, ms):
    return 2 * M * N * K / ms / 1e9


# ---- products ----

SH = lambda bn: 1024 + (6 if bn == 128 else 4) * (128 + bn) * 64 * 2 + 32768


def make2(m, A, B, C, nn, bn, A2=None, blocks=(), starts=()):
    """C = A·op(B) + A2·op(blocks), each block for the columns of C from its start on."""
    cl = 1 if (nn and bn == 192) else 2
    M, K = A.shape
    N = C.shape[1]
    sm = SH(bn)
    f = fn(m, f"matmul_{'nn' if nn else 'nt'}_{bn}_sm90", sm)
    box = 64 if nn else bn // cl
    b = tmap(B, box)
    maps = [tmap(A, 128), b, tmap(C, 64), b if A2 is None else tmap(A2, 128)]
    maps += [tmap(blocks[i], box) if i < len(blocks) else b for i in range(3)]
    width = [t.shape[1] if nn else t.shape[0] for t in blocks]
    depth = 0 if A2 is None else A2.shape[1] // len(blocks)
    pad = [0] * (3 - len(blocks))
    ends = [s + w for s, w in zip(starts, width)]
    low = (ctypes.c_int * 8)(len(blocks), depth, *starts, *pad, *ends, *pad)
    g = 132 // cl * cl
    return lambda: launch(f, g, 384, sm, maps, [low, M, N, K])


def low_rank(M, N, nn, r, sizes):
    """A second pair of operands: blocks of rank r for layers of so many columns."""
    A2 = torch.randn(M, r * (1 if nn else len(sizes)), device="cuda").bfloat16()
    if nn:
        return A2, [torch.randn(r, N, device="cuda").bfloat16()], [0]
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    return A2, [torch.randn(n, r, device="cuda").bfloat16() for n in sizes], starts


def mk(M, N, K, nn):
    return (
        torch.randn(M, K, device="cuda").bfloat16(),
        torch.randn((K, N) if nn else (N, K), device="cuda").bfloat16(),
        torch.full((M, N), float("nan"), device="cuda").bfloat16(),
    )


def check_products(m):
    for nn in (False, True):
        for bn in (128, 192, 256):
            for M, N, K, r, sizes in [
                (512, 512, 512, 16, [512]),
                (1000, 776, 1032, 16, [200, 320, 256]),
                (2048, 6144, 4096, 16, [4096, 1024, 1024]),
                (300, 2048, 4096, 40, [1000, 1048]),
                (100, 4144, 6144, 80, [4144]),
            ]:
                A, B, C = mk(M, N, K, nn)
                A2, blocks, starts = low_rank(M, N, nn, r, sizes)
                make2(m, A, B, C, nn, bn, A2, blocks, starts)()
                torch.cuda.synchronize()
                ref = A.double() @ (B.double() if nn else B.double().T)
                for i, (t, s) in enumerate(zip(blocks, starts)):
                    d = t.shape[0 if nn else 1]
                    part = A2[:, i * d : (i + 1) * d].double() @ (t.double() if nn else t.double().T)
                    ref[:, s : s + part.shape[1]] += part
                e = ((C.double() - ref).norm() / ref.norm()).item()
                if not e < 3e-3:
                    print("WRONG", nn, bn, M, N, K, r, e)
    print("checked")


def matmul():
    m = build("matmul_sm90")
    check_products(m)
    if CHECK_ONLY:
        return
    layers = [
        (6144, 4096, 0, [4096, 1024, 1024]),
        (4096, 4096, 0, [4096]),
        (28672, 4096, 0, [14336, 14336]),
        (4096, 14336, 0, [4096]),
        (4096, 6144, 1, [4096]),
        (4096, 4096, 1, [4096]),
        (4096, 28672, 1, [4096]),
        (14336, 4096, 1, [14336]),
    ]
    for M in (512, 2048, 4096, 8192):
        for N, K, nn, sizes in layers:
            sets = [mk(M, N, K, nn) for _ in range(3)]
            low = [low_rank(M, N, nn, 16 * (3 if nn and K == 6144 else 2 if nn and K == 28672 else 1), sizes) for _ in sets]
            ms = burst([lambda s=s: torch.mm(s[0], s[1] if nn else s[1].T, out=s[2]) for s in sets])
            res = [f"cublas {tf(M, N, K, ms):.0f}"]
            for bn in (128, 192, 256):
                t = burst([make2(m, *s, nn, bn) for s in sets])
                with_low = burst([make2(m, *s, nn, bn, *l) for s, l in zip(sets, low)])
                res.append(f"{bn}: {tf(M, N, K, t):.0f} {tf(M, N, K, with_low):.0f} {t * 1e3:.1f}us {with_low * 1e3:.1f}us")
            print("nn" if nn else "nt", M, N, K, "; ".join(res), flush=True)
    for M, N, K, nn in [(256, 128256, 4096, 0), (512, 128256, 4096, 0), (1024, 128256, 4096, 0), (256, 4096, 128256, 1), (512, 4096, 128256, 1), (1024, 4096, 128256, 1)]:
        sets = [mk(M, N, K, nn) for _ in range(2)]
        ms = burst([lambda s=s: torch.mm(s[0], s[1] if nn else s[1].T, out=s[2]) for s in sets])
        res = [f"{bn}: {tf(M, N, K, burst([make2(m, *s, nn, bn) for s in sets])):.0f}" for bn in (128, 192, 256)]
        print("nn" if nn else "nt", M, N, K, f"cublas {tf(M, N, K, ms):.0f}", *res, flush=True)
    # rows that begin between lines of 128 bytes
    for stride in (4096, 4112, 4128, 4144, 4160):
        sets = [[torch.randn(n, stride, device="cuda").bfloat16()[:, :4096] for n in (8192, 28672)] for _ in range(3)]
        C = torch.empty(8192, 28672, device="cuda").bfloat16()
        print("stride", stride, *(f"{bn}: {tf(8192, 28672, 4096, burst([make2(m, *s, C, False, bn) for s in sets])):.0f}" for bn in (192, 256)), flush=True)


# ---- attention ----

S = torch.cuda.current_stream


def launch2(f, grid, block, smem, args):
    keep = []
    arr = (ctypes.c_void_p * len(args))()
    for i, a in enumerate(args):
        if isinstance(a, tuple):
            arr[i] = a[1]
            keep.append(a)
        else:
            if isinstance(a, torch.Tensor):
                v = ctypes.c_void_p(a.data_ptr())
            elif isinstance(a, float):
                v = ctypes.c_float(a)
            else:
                v = ctypes.c_int(a)
            keep.append(v)
            arr[i] = ctypes.addressof(v)
    ck(
        cu.cuLaunchKernel(f, grid[0], grid[1], 1, block, 1, 1, smem, ctypes.c_void_p(S().cuda_stream), arr, None),
        "launch",
    )


def smem_fwd(D):
    return 6 * 128 * D * 2 + 1024


def smem_bwd(D):
    return 2 * 128 * D * 2 + 2 * 3 * 64 * D * 2 + 2 * 128 * 64 * 2 + 64 * D * 4 + 3 * 2 * 64 * 4 + 512


class Att:
    def __init__(s, T, H, KV, D, lens, klens=None, window=0, cap=0.0, qkv_fused=True):
        s.T, s.H, s.KV, s.D, s.window, s.cap = T, H, KV, D, window, cap
        klens = klens or lens
        TK = sum(klens)
        if qkv_fused and klens == lens:
            s.qkv = torch.randn(T, (H + 2 * KV) * D, device="cuda").bfloat16()
            s.q, s.k, s.v = s.qkv[:, : H * D], s.qkv[:, H * D : (H + KV) * D], s.qkv[:, (H + KV) * D :]
        else:
            s.q = torch.randn(T, H * D, device="cuda").bfloat16()
            s.k = torch.randn(TK, KV * D, device="cuda").bfloat16()
            s.v = torch.randn(TK, KV * D, device="cuda").bfloat16()
        s.do = torch.randn(T, H * D, device="cuda").bfloat16()
        s.lens, s.klens = lens, klens
        cs = lambda l: torch.tensor([0] + list(torch.tensor(l).cumsum(0)), device="cuda", dtype=torch.int32)
        s.qs, s.ks = cs(lens), cs(klens)
        s.n = len(lens)
        nan = float("nan")
        s.out = torch.full((T, H * D), nan, device="cuda").bfloat16()
        s.lse = torch.full((H, T), nan, device="cuda")
        s.dqkv = torch.full((max(T, TK), (H + 2 * KV) * D), nan, device="cuda").bfloat16()
        s.dq, s.dk, s.dv = s.dqkv[:T, : H * D], s.dqkv[:TK, H * D : (H + KV) * D], s.dqkv[:TK, (H + KV) * D :]
        s.sums = torch.full((H * T, D), nan, device="cuda")
        s.turns = torch.zeros(H * T, device="cuda", dtype=torch.int32)
        s.delta = torch.full((H, T), nan, device="cuda")
        s.scale = 1 / math.sqrt(D)
        nm = f"{D}" + ("_cap" if cap else "")
        s.f = fn(fw, f"attention_{nm}_sm90", smem_fwd(D))
        s.b = fn(bw, f"attention_backward_{nm}_sm90", smem_bwd(D))
        s.fd = fn(ends, f"attention_delta_{D}", 0)
        s.ff = fn(ends, f"attention_finish_dq_{D}", 0)
        s.mq, s.mk, s.mv = tmap(s.q, 128), tmap(s.k, 128), tmap(s.v, 128)
        s.mq64, s.mdo = tmap(s.q, 64), tmap(s.do, 64)
        s.qt = sum((l + 127) // 128 for l in lens) + 3
        s.kt = sum((l + 127) // 128 for l in klens) + 2

    def forward(s):
        launch2(
            s.f,
            (torch.cuda.get_device_properties(0).multi_processor_count, 1),
            384,
            smem_fwd(s.D),
            [
                s.mq,
                s.mk,
                s.mv,
                s.out,
                s.lse,
                s.qs,
                s.ks,
                s.n,
                s.T,
                s.out.stride(0),
                s.H,
                s.H // s.KV,
                s.window,
                s.scale,
                s.cap,
            ],
        )

    def backward(s):
        lanes = s.D // 8
        launch2(
            s.fd,
            ((s.T * lanes + 255) // 256, s.H),
            256,
            0,
            [s.out, s.out.stride(0), s.do, s.do.stride(0), s.delta, s.T],
        )
        launch2(
            s.b,
            (s.KV, s.kt),
            384,
            smem_bwd(s.D),
            [
                s.mq64,
                s.mk,
                s.mv,
                s.mdo,
                s.dk,
                s.dv,
                s.sums,
                s.turns,
                s.lse,
                s.delta,
                s.qs,
                s.ks,
                s.n,
                s.T,
                s.dk.stride(0),
                s.dv.stride(0),
                s.H // s.KV,
                s.window,
                s.scale,
                s.cap,
            ],
        )
        launch2(s.ff, ((s.T * lanes + 1023) // 1024, s.H), 256, 0, [s.sums, s.dq, s.dq.stride(0), s.T, s.scale])

    def reference(s):
        q, k, v, do = (t.double() for t in (s.q, s.k, s.v, s.do))
        G = s.H // s.KV
        out = torch.zeros(s.T, s.H * s.D, device="cuda", dtype=torch.float64)
        lse = torch.zeros(s.H, s.T, device="cuda", dtype=torch.float64)
        dq, dk, dv = torch.zeros_like(q), torch.zeros_like(k), torch.zeros_like(v)
        qo = ko = 0
        for nq, nk in zip(s.lens, s.klens):
            if nq:
                Q = q[qo : qo + nq].view(nq, s.H, s.D).transpose(0, 1).clone().requires_grad_()
                K = k[ko : ko + nk].view(nk, s.KV, s.D).transpose(0, 1).clone().requires_grad_()
                V = v[ko : ko + nk].view(nk, s.KV, s.D).transpose(0, 1).clone().requires_grad_()
                sc = Q @ K.repeat_interleave(G, 0).transpose(1, 2) * s.scale
                if s.cap:
                    sc = s.cap * torch.tanh(sc / s.cap)
                p = torch.arange(nq, device="cuda")[:, None] + nk - nq
                n = torch.arange(nk, device="cuda")[None]
                m = n <= p
                if s.window:
                    m &= n > p - s.window
                sc = sc.masked_fill(~m, -math.inf)
                o = sc.softmax(-1) @ V.repeat_interleave(G, 0)
                o.backward(do[qo : qo + nq].view(nq, s.H, s.D).transpose(0, 1))
                out[qo : qo + nq] = o.detach().transpose(0, 1).reshape(nq, -1)
                lse[:, qo : qo + nq] = sc.logsumexp(-1).detach()
                dq[qo : qo + nq] = Q.grad.transpose(0, 1).reshape(nq, -1)
                dk[ko : ko + nk] = K.grad.transpose(0, 1).reshape(nk, -1)
                dv[ko : ko + nk] = V.grad.transpose(0, 1).reshape(nk, -1)
            qo += nq
            ko += nk
        return out, lse, dq, dk, dv


def err(a, b):
    return ((a.double() - b).norm() / (b.norm() + 1e-30)).item()


def attention():
    global fw, bw, ends
    fw, bw, ends = (build(name) for name in ("attention_sm90", "attention_backward_sm90", "attention_backward_ends"))
    torch.manual_seed(1)
    cases = [
        (4, 2, 128, [256], None, 0, 0.0),
        (4, 2, 128, [1, 63, 64, 65, 130, 300, 7], None, 0, 0.0),
        (4, 1, 64, [129, 40, 512, 33], None, 0, 0.0),
        (8, 8, 128, [700, 1], None, 100, 0.0),
        (4, 2, 128, [333, 128], None, 0, 20.0),
        (4, 2, 64, [200, 77], None, 40, 15.0),
        (4, 2, 128, [3, 1, 70], [200, 129, 300], 0, 0.0),
        (32, 8, 128, [2048, 1000], None, 0, 0.0),
        (9, 3, 64, [512] * 3 + [50] * 40, None, 0, 0.0),
        (4, 2, 128, [64, 0, 257], None, 0, 0.0),
    ]
    for H, KV, D, lens, klens, w, cap in cases:
        a = Att(sum(lens), H, KV, D, lens, klens, w, cap)
        a.forward()
        torch.cuda.synchronize()
        ref = a.reference()
        e = [err(a.out, ref[0]), err(a.lse, ref[1])]
        a.backward()
        torch.cuda.synchronize()
        e += [err(a.dq, ref[2]), err(a.dk, ref[3]), err(a.dv, ref[4])]
        c = [t.clone() for t in (a.out, a.dq, a.dk, a.dv)]
        same = True
        for _ in range(5):
            a.forward()
            a.backward()
            torch.cuda.synchronize()
            same &= all(torch.equal(x, y) for x, y in zip(c, (a.out, a.dq, a.dk, a.dv)))
        print(
            "case",
            H,
            KV,
            D,
            lens[:8],
            klens,
            w,
            cap,
            "out %.1e lse %.1e dq %.1e dk %.1e dv %.1e" % tuple(e),
            "same",
            same,
            flush=True,
        )
    if CHECK_ONLY:
        return
    for H, KV, D, lens in [
        (32, 8, 128, [2048] * 4),
        (32, 8, 128, [8192]),
        (32, 8, 128, [512] * 16),
        (9, 3, 64, [2048] * 4),
    ]:
        a = Att(sum(lens), H, KV, D, lens)
        fl = 4 * sum(l * l / 2 for l in lens) * D * H
        f = burst([a.forward], 20)
        a.forward()
        b = burst([a.backward], 20)
        B, L = len(lens), lens[0]
        q = torch.randn(B, H, L, D, device="cuda").bfloat16().requires_grad_()
        k = torch.randn(B, KV, L, D, device="cuda").bfloat16().requires_grad_()
        v = torch.randn(B, KV, L, D, device="cuda").bfloat16().requires_grad_()
        do = torch.randn(B, H, L, D, device="cuda").bfloat16()
        t = {}
        for name, be in (
            ("flash", torch.nn.attention.SDPBackend.FLASH_ATTENTION),
            ("cudnn", torch.nn.attention.SDPBackend.CUDNN_ATTENTION),
        ):
            try:
                with torch.nn.attention.sdpa_kernel(be):
                    tf_ = burst([lambda: F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)], 20)
                    o = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
                    tb = burst([lambda: torch.autograd.grad(o, (q, k, v), do, retain_graph=True)], 20)
                    t[name] = (tf_, tb)
            except Exception as e:
                t[name] = str(e)[:80]
        print(
            f"H{H} KV{KV} D{D} {B}x{L}: fwd {f:.3f} ms {fl / f / 1e9:.0f} TF, bwd {b:.3f} ms {2.5 * fl / b / 1e9:.0f} TF, both {3.5 * fl / (f + b) / 1e9:.0f} TF; torch "
            + "; ".join(
                f"{n} fwd {fl / x[0] / 1e9:.0f} bwd {2.5 * fl / x[1] / 1e9:.0f} both {3.5 * fl / (x[0] + x[1]) / 1e9:.0f}"
                if isinstance(x, tuple)
                else f"{n} {x}"
                for n, x in t.items()
            ),
            flush=True,
        )


# ---- kernels bound by memory ----


class Format(ctypes.Structure):
    _fields_ = [(n, ctypes.c_void_p) for n in ("packed", "absmax", "nested", "offset", "tables")] + [
        ("shift", ctypes.c_int),
    ]


class Matrix(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("stride", ctypes.c_longlong), ("type", ctypes.c_int)]


def matrix(t):
    return Matrix(t.data_ptr(), t.stride(0), 1 if t.dtype == torch.bfloat16 else 0)


def launch3(f, grid, block, args):
    kinds = {int: ctypes.c_int, float: ctypes.c_float}
    keep = [a if isinstance(a, (ctypes.Structure, ctypes.c_longlong, ctypes.c_void_p)) else kinds[type(a)](a) for a in args]
    arr = (ctypes.c_void_p * len(keep))(*[ctypes.addressof(a) for a in keep])
    ck(cu.cuLaunchKernel(f, grid, 1, 1, block, 1, 1, 0, ctypes.c_void_p(S().cuda_stream), arr, None), "launch")


def pointer(t):
    return ctypes.c_void_p(t.data_ptr())


class Dequantize:
    def __init__(s, m, rows, cols, extra=0, per_block=8192, name="dequantize_8"):
        n = rows * cols
        s.packed = torch.randint(0, 256, (n // 2,), device="cuda", dtype=torch.uint8)
        s.absmax = torch.randint(0, 256, (n // 64,), device="cuda", dtype=torch.uint8)
        s.nested = torch.rand(-(-n // 64 // 256), device="cuda")
        s.offset = torch.rand(1, device="cuda")
        s.tables = torch.randn(272, device="cuda")
        s.out = torch.full((rows, cols + extra), float("nan"), device="cuda").bfloat16()[:, :cols]
        s.f, s.rows, s.cols, s.n = fn(m, name, 0), rows, cols, n
        s.per_block, s.bytes = per_block, n * 2.5 + n / 64

    def run(s):
        f = Format(*(t.data_ptr() for t in (s.packed, s.absmax, s.nested, s.offset, s.tables)), 6)
        flat = s.out.is_contiguous()
        walk = (1, s.n) if flat else (s.rows, s.cols)
        launch3(s.f, -(-s.n // s.per_block), 256, [f, matrix(s.out), *map(ctypes.c_longlong, walk)])

    def reference(s):
        scale = s.tables[s.absmax.long()] * s.nested.repeat_interleave(256)[: s.absmax.numel()] + s.offset
        codes = torch.stack([s.packed >> 4, s.packed & 15], 1).flatten().long()
        return (s.tables[256 + codes].view(-1, 64) * scale[:, None]).view(s.rows, s.cols)


class Rope:
    def __init__(s, m, rows, heads, threads):
        s.x = torch.randn(rows, heads * 128, device="cuda").bfloat16()
        s.positions = torch.randint(0, 4096, (rows,), device="cuda", dtype=torch.int32)
        s.cos, s.sin = (torch.randn(4096, 64, device="cuda") for _ in range(2))
        s.f, s.rows, s.heads, s.threads, s.bytes = fn(m, "rope_8", 0), rows, heads, threads, 4 * s.x.numel()

    def run(s):
        long = ctypes.c_longlong
        args = [matrix(s.x), pointer(s.positions), matrix(s.cos), matrix(s.sin), long(s.rows), s.heads, 128, 64, long(4096), 1.0]
        launch3(s.f, s.rows, s.threads, args)

    def reference(s):
        x = s.x.double().view(s.rows, s.heads, 2, 64)
        c, d = (t.double()[s.positions.long()][:, None] for t in (s.cos, s.sin))
        a, b = x[:, :, 0], x[:, :, 1]
        return torch.stack([a * c - b * d, b * c + a * d], 2).view(s.rows, -1)


def burst_captured(fs, n=30):  # without the time that Python takes for a launch
    fs[0]()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for r in range(n):
            fs[r % len(fs)]()
    return burst([graph.replay], 5) / n


def speed(what, make):
    sets = [make() for _ in range(3)]
    ms = burst_captured([s.run for s in sets])
    print(f"{what}: {ms * 1e3:.1f} us {sets[0].bytes / ms / 1e9:.2f} TB/s", flush=True)


def memory():
    dq, ro = build("dequantize"), build("rope")
    torch.manual_seed(1)
    for rows, cols, extra in [(300, 1024, 0), (300, 1024, 16), (64, 264, 8), (512, 4096, 64)]:
        d = Dequantize(dq, rows, cols, extra)
        d.run()
        print("dequantize", rows, cols, extra, "equal", torch.equal(d.out, d.reference().bfloat16()))
    for heads in (40, 5, 1):
        r = Rope(ro, 99, heads, 256)
        expected = r.reference()
        r.run()
        print("rope", heads, "%.1e" % err(r.x, expected))
    if CHECK_ONLY:
        return
    a, b = (torch.randn(1 << 29, device="cuda").bfloat16() for _ in range(2))
    ms = burst([lambda: a.copy_(b)], 10)
    print(f"copy {4 * a.numel() / ms / 1e9:.2f} TB/s")
    for rows, cols, extra in [(4096, 4096, 0), (4096, 4096, 16), (28672, 4096, 0), (28672, 4096, 32), (4096, 14336, 16)]:
        speed(f"dequantize {rows} x {cols} + {extra}", lambda: Dequantize(dq, rows, cols, extra))
    speed("rope 8192 x 40 x 128", lambda: Rope(ro, 8192, 40, 256))


CHECK_ONLY = False

if __name__ == "__main__":
    chosen = sys.argv[1:]
    if "check" in chosen:
        CHECK_ONLY = True
        chosen.remove("check")
    for what in chosen or ["matmul", "attention", "memory"]:
        {"matmul": matmul, "attention": attention, "memory": memory}[what]()
