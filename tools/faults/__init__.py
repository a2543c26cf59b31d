"""`make faults`: kills a region repeatedly, and checks that nothing acknowledged is lost.

Rounds of lives. A life is a process that serves the region as `souche serve` does, except for the socket. It starts up,
answers random requests of two accounts, and is killed by SIGKILL: at a step's boundary, inside a step, or during its
start. Some lives have an additional fault: a full medium, a read-only one, a truncated or missing layer or journal, a
wrong clock, guests that end, steps that fail. The last life of a round runs until all work is done. Then everything is
checked: `souche fsck`'s own checks must find nothing, not even leftovers; every disk is read and compared with a model
of the guests' writes (SHA-256); and every answered request must have ended correctly.

    deaths      the points where a life is killed
    life        one life of the region, in a separate process
    requests    the random requests
    wounds      faults of the home between two lives, and their repair
    seen        the state when all work is done, in a separate process
    disks       guests' writes, and a qcow2 reader independent of QEMU
    model       the expected state
    rounds      lives, one after the other
    warm        makes lives cheap
    watch       detects a life that hangs
    figures     counts of faults and findings

All randomness comes from a seed. This process itself has no threads and opens nothing of a region, because it forks.
"""
