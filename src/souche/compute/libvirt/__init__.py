"""Real guests through libvirt. `driver.LibvirtHypervisor` is the entry point.

names          the names of a region's objects on the host
markup         XML parsed and printed
bindings       types for the used part of libvirt's Python API
events         power state changes passed on
connection     one connection, reopened after a restart of libvirtd; events; errors translated
accelerator    KVM or TCG, by trial
host_paths     the guest directories; the paths that QEMU's user must reach
domain_xml, disk_xml, network_xml    pure builders and readers
qemu_capabilities    a QEMU capability that libvirt ignores for fast starts
domains        domains found, made and ended
network        the isolated network, its reservations and leases
firewall_rules, firewall_files, firewall    guests' firewalls: pure scripts, the files, the tables on the host
batches                     work for several callers together
waiting        waits for conditions
firmware       UEFI variables: secure boot
live_disks     the disks of running guests: attach, detach, resize, switch
console        the serial console's log
driver         the Hypervisor made of these
"""
