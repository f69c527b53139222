#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# All tests. Installs what they need from Debian, builds, and closes with "N passed, N failed".
set -eu
. "$(dirname "$0")/lib/lab.sh"
. "$LAB_ROOT/tests/lib/deps.sh"

ASAN_BUILD=$LAB_ROOT/build-asan
HUGEPAGES_MIB=768
UNIT_SECONDS=300
SMOKE_SECONDS=240
IMAGE_SECONDS=1500
FUZZ_RUNS=200000 # a look; tests/fuzz/run.sh makes ten million by default
export LAB_BUILD ASAN_OPTIONS UBSAN_OPTIONS
ASAN_OPTIONS=abort_on_error=0:detect_leaks=1:strict_string_checks=1
UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1

usage() {
    cat <<EOF
Usage: sudo tests/run.sh [-k PATTERN] [--no-asan] [--image]

    -k PATTERN  only tests whose name matches this extended regular expression
    --no-asan   without the second build with AddressSanitizer and UBSan
    --image     also builds the appliance's image and boots it in QEMU: some ten minutes more, which
                is why it is not done otherwise (alone: --image -k '^image' --no-asan)
EOF
}

pattern=.
asan=1
image=
while [ $# -gt 0 ]; do
    case $1 in
        -k)
            [ $# -ge 2 ] || { usage >&2; exit 2; }
            pattern=$2
            shift
            ;;
        --no-asan) asan= ;;
        --image) image=1 ;;
        --help | -h) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
    shift
done

passed=0
failed=()
skipped=()
repeated=()

wanted() {
    [[ $1 =~ $pattern ]]
}

pass() {
    passed=$((passed + $1))
    printf 'ok      %s\n' "$2"
}

# complain WORD NAME LOG: the end of what it said, its last line (the reason) first.
complain() {
    printf '%-7s %s: %s\n' "$1" "$2" "$(tail -n 1 "$3")"
    tail -n 30 "$3" | sed 's/^/        /'
}

# fail NAME LOG
fail() {
    failed+=("$1")
    complain FAILED "$1" "$2"
}

skip() {
    skipped+=("$1: $2")
    printf 'skipped %s: %s\n' "$1" "$2"
}

# judge NAME STATUS LOG [REMARK]: one test that is one process.
judge() {
    local name=$1 status=$2 log=$3 remark=${4-} reason

    case $status in
        0) pass 1 "$name$remark" ;;
        77)
            reason=$(head -n 1 "$log")
            skip "$name" "${reason#SKIP: }"
            ;;
        124 | 137) echo "(timed out)" >>"$log"; fail "$name" "$log" ;;
        *) fail "$name" "$log" ;;
    esac
}

# limited SECONDS LOG COMMAND...: runs COMMAND, at most so long, and returns its status. In the
# background, so that a Ctrl-C ends it at once: SIGTERM first, on which a test cleans up.
limited() {
    local seconds=$1 log=$2

    shift 2
    timeout -k 30 "$seconds" "$@" >"$log" 2>&1 </dev/null {LAB_LOCK}>&- &
    lab_adopt $!
    wait $!
}

# A step that all the rest needs: the end, where it fails.
require() {
    local name=$1

    shift
    if "$@" >"$LAB_TMP/require.log" 2>&1; then
        pass 1 "$name"
    else
        fail "$name" "$LAB_TMP/require.log"
        finish
    fi
}

# --- unit tests and fuzzing ----------------------------------------------------------------------

# unit NAME BINARY: each cmocka test case counts.
unit() {
    local name=$1 binary=$2 log=$LAB_TMP/unit.log status=0 cases line

    CMOCKA_MESSAGE_OUTPUT=TAP limited "$UNIT_SECONDS" "$log" "$binary" || status=$?
    cases=$(grep -c '^ok ' "$log") || :
    if [ "$status" != 0 ] || [ "$cases" = 0 ]; then
        passed=$((passed + cases))
        if grep -q '^not ok ' "$log"; then
            while read -r line; do
                grep -A 8 -F "$line" "$log" >"$LAB_TMP/case.log"
                fail "$name: ${line#not ok }" "$LAB_TMP/case.log"
            done < <(grep '^not ok ' "$log")
        else
            judge "$name" "$status" "$log" # crashed, or no cmocka program
        fi
        return
    fi
    while read -r line; do
        skip "$name" "${line#*# SKIP}"
        cases=$((cases - 1))
    done < <(grep -i '^ok .*# SKIP' "$log")
    pass "$cases" "$name ($cases cases)"
}

units() {
    local where=$1 label=$2 binary

    for binary in "$where"/tests/unit/test_*; do
        if [ -f "$binary" ] && [ -x "$binary" ] && wanted "$label/${binary##*/}"; then
            unit "$label/${binary##*/}" "$binary"
        fi
    done
}

# fuzz NAME SECONDS COMMAND...: a step of fuzzing as one test. What it finds is left in /tmp.
fuzz() {
    local name=$1 seconds=$2 status=0

    shift 2
    { [ -x "$1" ] && wanted "$name"; } || return 0
    FUZZ_ARTIFACTS=/tmp limited "$seconds" "$LAB_TMP/fuzz.log" "$@" || status=$?
    judge "$name" "$status" "$LAB_TMP/fuzz.log"
}

# --- smoke tests ---------------------------------------------------------------------------------

# again NAME LOG: a smoke test waits for processes, kernels and timers of a machine that others may
# use too, so one that failed is run once more. It is shown, and named again at the end: what fails
# at times is to be mended.
again() {
    repeated+=("$1: $(tail -n 1 "$2")")
    complain again "$1" "$2"
}

smokes() {
    local test name status begin

    for test in "$LAB_ROOT"/tests/smoke/*.sh "$LAB_ROOT"/tests/smoke/*.py; do
        name=${test##*/}
        name=smoke/${name%.*}
        { [ -x "$test" ] && wanted "$name"; } || continue
        status=0
        begin=$SECONDS
        limited "$SMOKE_SECONDS" "$LAB_TMP/smoke.log" "$test" || status=$?
        if [ "$status" != 0 ] && [ "$status" != 77 ]; then
            again "$name" "$LAB_TMP/smoke.log"
            status=0
            limited "$SMOKE_SECONDS" "$LAB_TMP/smoke.log" "$test" || status=$?
        fi
        judge "$name" "$status" "$LAB_TMP/smoke.log" " ($((SECONDS - begin)) s)"
    done
}

# --- the image -----------------------------------------------------------------------------------

images() {
    local status=0 begin=$SECONDS

    wanted image/boot || return 0
    limited "$IMAGE_SECONDS" "$LAB_TMP/image.log" "$LAB_ROOT/tests/image/boot.sh" || status=$?
    judge image/boot "$status" "$LAB_TMP/image.log" " ($((SECONDS - begin)) s)"
}

# --- the source ----------------------------------------------------------------------------------

format() {
    local files

    wanted format || return 0
    mapfile -t files < <(find "$LAB_ROOT"/{app,lib,tests} -name '*.[ch]')
    [ "${#files[@]}" -gt 0 ] || return 0
    if clang-format --dry-run -Werror "${files[@]}" >"$LAB_TMP/format.log" 2>&1; then
        pass 1 "format (${#files[@]} files)"
    else
        fail format "$LAB_TMP/format.log"
    fi
}

docs() {
    local status=0

    { [ -x "$LAB_ROOT/tests/docs.sh" ] && wanted docs; } || return 0
    limited 60 "$LAB_TMP/docs.log" "$LAB_ROOT/tests/docs.sh" || status=$?
    judge docs "$status" "$LAB_TMP/docs.log"
}

finish() {
    local line

    if [ "${#failed[@]}" -gt 0 ]; then
        printf '\nFailed:\n'
        printf '    %s\n' "${failed[@]}"
    fi
    if [ "${#repeated[@]}" -gt 0 ]; then
        printf '\nFailed at the first try:\n'
        printf '    %s\n' "${repeated[@]}"
    fi
    if [ "${#skipped[@]}" -gt 0 ]; then
        printf '\nSkipped:\n'
        printf '    %s\n' "${skipped[@]}"
    fi
    line="$passed passed, ${#failed[@]} failed"
    [ "${#skipped[@]}" -eq 0 ] || line+=", ${#skipped[@]} skipped"
    rm -f "$LAB_TMP"/*.log # what matters of them was shown
    printf '\n%s\n' "$line"
    [ "${#failed[@]}" -eq 0 ] || exit 1
    exit 0
}

lab_begin run
echo "Installing and building"
deps_install "${DEPS_BUILD[@]}" "${DEPS_DEMO[@]}" "${DEPS_TESTS[@]}"
require build build "$LAB_BUILD" --werror
lab_hugepages_up "$HUGEPAGES_MIB"
units "$LAB_BUILD" unit
if [ -n "$asan" ]; then
    require build-asan build "$ASAN_BUILD" --werror --buildtype=debugoptimized \
        -Db_sanitize=address,undefined -Db_lundef=false -Dtest_events=true
    units "$ASAN_BUILD" asan
    fuzz fuzz/corpus 120 "$ASAN_BUILD/tests/fuzz/fuzz_replay" "$LAB_ROOT/tests/fuzz/corpus"
    fuzz fuzz/libfuzzer 240 "$LAB_ROOT/tests/fuzz/run.sh" "$FUZZ_RUNS"
fi
smokes
[ -z "$image" ] || images
format
docs
finish
