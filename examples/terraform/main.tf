# An OMI from a snapshot, a VM of it, and an OMI of that VM. `eval "$(souche env NAME --home DIR)"` sets the endpoint and
# the key; a region over plain HTTP needs `insecure`.

terraform {
  required_providers {
    outscale = {
      source = "outscale/outscale"
    }
  }
}

provider "outscale" {
  api {
    insecure = true
  }
}

resource "outscale_volume" "root" {
  subregion_name = "souche-1a"
  size           = 1
}

resource "outscale_snapshot" "root" {
  volume_id = outscale_volume.root.volume_id
}

resource "outscale_image" "first" {
  image_name       = "first"
  root_device_name = "/dev/sda1"
  block_device_mappings {
    device_name = "/dev/sda1"
    bsu {
      snapshot_id = outscale_snapshot.root.snapshot_id
    }
  }
}

resource "outscale_vm" "web" {
  image_id = outscale_image.first.image_id
  vm_type  = "tinav5.c1r1p2"
}

resource "outscale_image" "second" {
  image_name = "second"
  vm_id      = outscale_vm.web.vm_id
  no_reboot  = true
}
