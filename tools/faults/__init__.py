"""`make faults`: kills a region, again and again, and looks whether anything that was acknowledged is lost.

Rounds of lives. A life is a process that serves the region as `souche serve` does, but for the socket: it starts up,
answers random requests of two accounts, and is killed by SIGKILL, at a step's boundary, inside a step, or while it
starts. Some lives have more to bear: a full medium, one that is read-only, a layer or a journal that is cut or gone, a
clock that is wrong, guests that end, steps that fail. The last life of a round is left alone until everything is
settled. Then everything is checked by `souche fsck`'s own checks, leftovers included; every disk is read and held
against a model of what guests have written (SHA-256); and every request that was answered must have ended right.

    deaths      where a life is killed
    life        one life of the region, in a process of its own
    requests    what is asked of it
    wounds      what is done to the home between two lives, and undone
    seen        what is there when all is settled, in a process of its own
    disks       guests' writes, and a reader of qcow2 that is not QEMU's
    model       what must be there
    rounds      lives, one after the other
    warm        what makes lives cheap
    watch       whether one hangs
    figures     what was done and found

Everything random comes of a seed. This process itself has no threads and opens nothing of a region: it forks.
"""
