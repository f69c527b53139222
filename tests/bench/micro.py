#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Each stage by itself: TSC cycles per packet, and how many instructions (and cache misses, where
perf counts them) decapsulate is.

Runs micro (micro.c) once a round. Instructions are counted by perf where the machine counts them,
else by valgrind's callgrind, which knows no AVX-512: wider ways than AVX2 have none then.
"""
import json
import os
import re
import shutil
import subprocess
import sys

from harness import Bench, read, spread

EAL = ("--no-pci", "--file-prefix=mt-bench-micro", "--log-level=error")
FRAMES = 2048


def run(command, **arguments):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **arguments)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: {done.stderr[-2000:]}")
    return done


def cycles(bench, micro):
    """{(stage, shape, variant): [median of a round, ...]}"""
    found = {}
    lcores = "0@0,1@1" if os.cpu_count() > 1 else "0@0"
    for _ in range(bench.options.rounds):
        done = run([micro, *EAL, f"--lcores={lcores}", "--", "-n", str(FRAMES)])
        for line in done.stdout.splitlines():
            row = json.loads(line)
            key = (row["stage"], row["shape"], row["variant"])
            found.setdefault(key, []).append(row["cycles"]["median"])
    return found


# --- instructions --------------------------------------------------------------------------------


def perf_counts():
    """Whether this machine counts instructions for perf."""
    if not shutil.which("perf"):
        return False
    done = subprocess.run(["perf", "stat", "-x,", "-e", "instructions:u", "true"],
                          capture_output=True, text=True, check=False)
    return re.match(r"\d+,", done.stderr) is not None


def by_perf(micro, shape, variant, event="instructions:u"):
    """What the whole program has with the stage, less what it has without it."""
    rounds = 100

    def count(way):
        done = run(["perf", "stat", "-x,", "-e", event, micro, *EAL, "--lcores=0@0", "--", "-n",
                    str(FRAMES), "-r", str(rounds), "-s", shape, "-v", way])
        return float(re.search(rf"^([0-9.]+),.*{event}", done.stderr, re.MULTILINE)[1])

    return (count(variant) - count("none")) / (FRAMES * (rounds + 1))  # and the warm-up


def by_callgrind(bench, micro, shape, variant):
    rounds = 2
    out = f"{bench.options.work}/callgrind.out"
    run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}",
         "--toggle-collect=mt_stage_decapsulate", micro, "--no-huge", "-m", "64", *EAL,
         "--force-max-simd-bitwidth=256", "--lcores=0@0", "--", "-n", str(FRAMES), "-r",
         str(rounds), "-s", shape, "-v", variant])
    return int(re.search(r"^(?:totals|summary): (\d+)", read(out), re.MULTILINE)[1]) / (
        FRAMES * (rounds + 1))


def counter(bench, micro):
    """A function of shape and variant, None where it cannot be counted; and who counts."""
    if perf_counts():
        return (lambda shape, variant: by_perf(micro, shape, variant)), "perf"
    if shutil.which("valgrind"):
        bench.skip("instructions of avx512, cache misses",
                   "perf counts no hardware events on this machine; valgrind knows no AVX-512")
        return (lambda shape, variant: None if variant == "avx512"
                else by_callgrind(bench, micro, shape, variant)), "callgrind"
    bench.skip("instructions", "perf counts none on this machine, and valgrind is absent:"
               " apt-get install valgrind")
    return (lambda shape, variant: None), "-"


def main():
    bench = Bench("micro", __doc__)
    micro = f"{bench.options.build}/tests/bench/micro"
    count, bench.machine["instructions_by"] = counter(bench, micro)
    for (stage, shape, variant), values in cycles(bench, micro).items():
        row = {"stage": stage, "shape": shape, "variant": variant, "frames": FRAMES,
               "cycles": spread(values)}
        if stage == "decapsulate":
            instructions = count(shape, variant)
            row["instructions"] = instructions and spread([instructions])
            if bench.machine["instructions_by"] == "perf":
                row["cache_misses"] = spread([by_perf(micro, shape, variant, "cache-misses:u")])
        bench.rows.append(row)
    bench.finish()


main()
