"""Real guests through libvirt. `driver.LibvirtHypervisor` is the way in.

names          what everything of a region is called on the host
markup         XML parsed and printed
bindings       the part of libvirt's Python API that is used, typed
events         power state changes passed on
connection     one connection, reopened when libvirtd came back; events; errors translated
accelerator    KVM or TCG, by trial
host_paths     the guest directories; what QEMU's user must be able to reach
domain_xml, disk_xml, network_xml    pure builders and readers
qemu_capabilities    what libvirt is to do without at a start
domains        domains found, made and ended
network        the isolated network, its reservations and leases
firewall_rules, firewall_files, firewall    what each guest lets in: pure scripts, the files, the tables on the host
batches                     work that is done for several callers at once
waiting        for what takes its time
firmware       UEFI variables: secure boot
live_disks     the disks of running guests: attach, detach, resize, switch
console        the serial console's log
driver         the Hypervisor made of these
"""
