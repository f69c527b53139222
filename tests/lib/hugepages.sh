# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Hugepages for a lab, and the machine's own setting back afterwards. Sourced by lab.sh.
#
# Several labs may hold hugepages at once: each has a file in LAB_HUGE_STATE/users, named by its
# process id. The first one notes what the machine had, the last one puts it back.

LAB_HUGE_STATE=/run/mt-hugepages
LAB_HUGE_KNOBS=/sys/kernel/mm/hugepages/hugepages-2048kB
LAB_HUGE_HELD=
LAB_HUGE_FD=

lab_huge_lock() {
    [ -z "$LAB_HUGE_FD" ] || return 0 # held already: a signal came between lock and unlock
    while :; do
        exec {LAB_HUGE_FD}>"$LAB_HUGE_STATE.lock"
        flock "$LAB_HUGE_FD"
        # Unless the last holder removed the file while we waited for it.
        [ "/proc/self/fd/$LAB_HUGE_FD" -ef "$LAB_HUGE_STATE.lock" ] && break
        exec {LAB_HUGE_FD}>&-
    done
    mkdir -p "$LAB_HUGE_STATE/users"
}

lab_huge_unlock() {
    exec {LAB_HUGE_FD}>&-
    LAB_HUGE_FD=
}

lab_nr_hugepages() {
    cat "$LAB_HUGE_KNOBS/nr_hugepages"
}

lab_set_nr_hugepages() {
    echo "$1" >"$LAB_HUGE_KNOBS/nr_hugepages"
}

# Forgets labs that were killed, and prints how many pages the others hold.
lab_huge_sum() {
    local user pages start sum=0

    for user in "$LAB_HUGE_STATE"/users/*; do
        [ -e "$user" ] || continue
        read -r start pages <"$user"
        if lab_alive "${user##*/}" "$start"; then
            sum=$((sum + pages))
        else
            rm -f "$user"
        fi
    done
    echo "$sum"
}

lab_huge_mount() {
    ! grep -q ' hugetlbfs ' /proc/mounts || return 0
    if [ ! -d /dev/hugepages ]; then
        mkdir /dev/hugepages
        touch "$LAB_HUGE_STATE/made-folder"
    fi
    mount -t hugetlbfs -o pagesize=2M hugetlbfs /dev/hugepages
    touch "$LAB_HUGE_STATE/mounted"
}

lab_huge_unmount() {
    [ -e "$LAB_HUGE_STATE/mounted" ] || return 0
    umount /dev/hugepages || { lab_log "/dev/hugepages is in use; left mounted"; return 0; }
    [ ! -e "$LAB_HUGE_STATE/made-folder" ] || rmdir /dev/hugepages
}

# lab_huge_raise PAGES: as many pages as that, or dies.
lab_huge_raise() {
    [ "$(lab_nr_hugepages)" -lt "$1" ] || return 0
    lab_set_nr_hugepages "$1"
    if [ "$(lab_nr_hugepages)" -lt "$1" ]; then
        # Free memory is in pieces: drop caches, move pages together, ask again.
        sync
        echo 3 >/proc/sys/vm/drop_caches
        echo 1 >/proc/sys/vm/compact_memory
        lab_set_nr_hugepages "$1"
    fi
    [ "$(lab_nr_hugepages)" -ge "$1" ] \
        || lab_die "the kernel gave $(lab_nr_hugepages) of $1 hugepages of 2 MiB;" \
            "free memory, or reserve them at boot (hugepages=$1)"
}

# lab_hugepages_up MIB: makes MIB of 2 MiB pages available beside what others hold, and a hugetlbfs
# to map them through. A lab inside another one, as under tests/run.sh, uses the outer one's.
lab_hugepages_up() {
    local saved held start

    [ "${MT_HUGEPAGES_HELD:-0}" -lt "$1" ] || return 0
    [ -d "$LAB_HUGE_KNOBS" ] || lab_die "this kernel has no hugepages of 2 MiB"
    LAB_HUGE_HELD=1 # first, so that a signal in between leaves nothing behind
    lab_huge_lock
    [ -e "$LAB_HUGE_STATE/saved" ] || lab_nr_hugepages >"$LAB_HUGE_STATE/saved"
    start=$(lab_start_time $$)
    echo "$start $((($1 + 1) / 2))" >"$LAB_HUGE_STATE/users/$$"
    lab_huge_mount
    read -r saved <"$LAB_HUGE_STATE/saved"
    held=$(lab_huge_sum)
    lab_huge_raise $((saved + held))
    lab_huge_unlock
    export MT_HUGEPAGES_HELD=$1
}

# Gives back what lab_hugepages_up took. Called by lab_end.
lab_hugepages_restore() {
    local left saved

    [ -n "$LAB_HUGE_HELD" ] || return 0
    LAB_HUGE_HELD=
    lab_huge_lock
    rm -f "$LAB_HUGE_STATE/users/$$"
    left=$(lab_huge_sum)
    if read -r saved <"$LAB_HUGE_STATE/saved"; then
        lab_set_nr_hugepages $((saved + left))
    fi
    if [ "$left" = 0 ]; then
        lab_huge_unmount
        rm -rf "$LAB_HUGE_STATE" "$LAB_HUGE_STATE.lock"
    fi
    lab_huge_unlock
}

# lab_hugepages_exactly MIB: just that much free, whatever others hold, until the lab ends. To show
# that a program starts with so little.
lab_hugepages_exactly() {
    local before free

    before=$(lab_nr_hugepages)
    read -r free <"$LAB_HUGE_KNOBS/free_hugepages"
    lab_on_exit "lab_set_nr_hugepages $before"
    lab_set_nr_hugepages $((before - free + $1 / 2))
    read -r free <"$LAB_HUGE_KNOBS/free_hugepages"
    [ "$free" -eq $(($1 / 2)) ] \
        || lab_die "the kernel did not leave exactly $1 MiB of hugepages free"
}
