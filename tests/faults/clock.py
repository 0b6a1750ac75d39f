"""A wall clock that a test moves, for a whole process."""

import shutil
import subprocess
from pathlib import Path

import pytest


def moving_clock(folder: Path) -> Path:
    """A library that adds the seconds in the file FAULTS_CLOCK to the wall clock, and to no other."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    source, built = folder / "clock.c", folder / "clock.so"
    source.write_text(CLOCK)
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(built), str(source), "-ldl"], check=True)
    return built


CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int clock_gettime(clockid_t clock, struct timespec *at) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(clock, at);
    if (!failed && clock == CLOCK_REALTIME) {
        long long seconds = 0;
        const char *name = getenv("FAULTS_CLOCK");
        FILE *file = name ? fopen(name, "r") : NULL;
        if (file) {
            if (fscanf(file, "%lld", &seconds) == 1) at->tv_sec += seconds;
            fclose(file);
        }
    }
    return failed;
}
"""
